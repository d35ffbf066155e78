"""The settings that all methods of training share, and the layout of their steps."""

import math
from dataclasses import asdict, dataclass
from typing import Any

import torch

from r1aqa_helpers.training import distributed
from r1aqa_helpers.utils.errors import UserError

#: Settings that may differ between a run and its continuation.
FREE = frozenset({"save_every", "minutes", "gradient_checkpointing", "compile_rollouts"})

#: Fields of `transformers.TrainingArguments` that are the same in every training.
TRAINER_FIELDS = {
    "lr_scheduler_type": "linear",
    "logging_steps": 1,
    "report_to": "none",
    "disable_tqdm": True,
    "ddp_find_unused_parameters": False,
}


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """What every method has; a method's own class sets the learning rate and adds its fields."""

    prompt: int = 2
    steps: int = 500
    """The rate falls linearly to 0 at their end; docs/differences.md has the published schedule."""
    lr: float
    freeze_audio_encoder: bool | None = None
    """Freeze the audio encoder; None: frozen with LoRA, trained otherwise."""
    lora_rank: int = 0
    """0: all weights are trained; else LoRA of this rank on the language model, and on the
    audio encoder unless that is frozen."""
    optim: str = "adamw_torch"
    """One of ``models.precision.OPTIMISERS``."""
    gradient_checkpointing: bool = False
    """Keep a layer's input alone, and compute the layer again in the backward pass (arXiv
    1604.06174): memory against speed, not the result."""
    seed: int = 42
    save_every: int = 100
    minutes: float | None = None
    """Stop after the step in which this much time has passed, and keep what was learnt."""

    @property
    def encoder_frozen(self) -> bool:
        """``freeze_audio_encoder``, with its default resolved."""
        frozen = self.freeze_audio_encoder
        return bool(self.lora_rank) if frozen is None else frozen

    def recorded(self) -> dict[str, Any]:
        """The settings that are stored with a run: all but `FREE`, defaults resolved."""
        values = {**asdict(self), "freeze_audio_encoder": self.encoder_frozen}
        return {key: value for key, value in values.items() if key not in FREE}


def run_schedule(count: int, needed: int, seed: int) -> list[int]:
    """``needed`` indices of ``count`` questions: each once in random order, then all again.

    Fixed by its arguments, so that a continued run asks what an uninterrupted one would have.
    """
    generator = torch.Generator().manual_seed(seed)
    rounds = math.ceil(needed / count)
    order = torch.cat([torch.randperm(count, generator=generator) for _ in range(rounds)])
    return order[:needed].tolist()


def divide_step(method: str, asked: str, per_step: int, per_forward: int) -> tuple[int, int]:
    """How many go through the model at once, and how often in a step, in each process.

    Every process gets an equal share of a step, so that the step does not depend on their
    number; a share smaller than ``per_forward`` goes through at once.

    Args:
        method, asked: who trains, and on what; for messages.

    Raises:
        UserError: a step cannot be divided like this.
    """
    count = distributed.count()
    share, left = divmod(per_step, count)
    at_once = min(per_forward, share)
    if left or share % at_once:
        among = f" and {count} processes" if count > 1 else ""
        raise UserError(
            f"{method}: {per_step} {asked} per step cannot be divided into equal parts by "
            f"{per_forward} {asked} per forward pass{among}; change one of them"
        )
    return at_once, share // at_once
