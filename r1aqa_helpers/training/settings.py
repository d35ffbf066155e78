"""What all ways of training are told, and how their steps are laid out."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

from r1aqa_helpers.data import AudioQuestion
from r1aqa_helpers.training import distributed
from r1aqa_helpers.utils.errors import UserError

#: Settings that may differ between a run and its continuation.
FREE = frozenset({"save_every", "minutes"})

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
    """What every method has; a method's own class says its learning rate, and adds its own."""

    prompt: int = 2
    steps: int = 500
    lr: float
    freeze_tower: bool | None = None
    """Freeze the audio encoder; None: frozen with LoRA, trained otherwise."""
    lora_rank: int = 0
    """0: all weights are trained; else LoRA of this rank on the language model, and on the
    audio encoder unless that is frozen."""
    optim: str = "adamw_torch"
    """One of ``models.precision.OPTIMISERS``."""
    seed: int = 42
    save_every: int = 100
    minutes: float | None = None
    """Stop after the step in which so much time has passed, with what was learnt by then."""

    @property
    def tower_frozen(self) -> bool:
        """What ``freeze_tower`` comes to."""
        return bool(self.lora_rank) if self.freeze_tower is None else self.freeze_tower

    def recorded(self) -> dict[str, Any]:
        """What of it is written down with a run: all but `FREE`, and ``freeze_tower`` decided."""
        values = {**asdict(self), "freeze_tower": self.tower_frozen}
        return {key: value for key, value in values.items() if key not in FREE}


def run_schedule(count: int, needed: int, seed: int) -> list[int]:
    """``needed`` indices of ``count`` questions: each once in random order, then all again.

    Fixed by its arguments, so that a continued run asks what an uninterrupted one would have.
    """
    generator = torch.Generator().manual_seed(seed)
    rounds = math.ceil(needed / count)
    order = torch.cat([torch.randperm(count, generator=generator) for _ in range(rounds)])
    return order[:needed].tolist()


def check_answers(questions: Sequence[AudioQuestion]) -> None:
    """Raise ``UserError`` unless there are questions, and all have an answer to learn from."""
    if not questions:
        raise UserError("training: there is no question; give a file of training questions")
    for question in questions:
        if question.answer is None:
            raise UserError(f"question {question.id}: has no answer to train on; leave it out")


def divide_step(method: str, asked: str, per_step: int, per_forward: int) -> tuple[int, int]:
    """How many go through the model at once, and how often in a step, in each process.

    Each of the processes gets an equal share of a step, so that the step is the same whatever
    their number; a share smaller than ``per_forward`` goes at once.

    Args:
        method, asked: for messages: who trains, on what.

    Raises:
        UserError: a step cannot be divided so.
    """
    count = distributed.count()
    if per_step % count:
        raise UserError(
            f"{method}: {per_step} {asked} per step are not a multiple of the {count} processes; "
            "change one of the two"
        )
    share = per_step // count
    at_once = min(per_forward, share)
    if share % at_once:
        each = f", {share} for each process," if count > 1 else ""
        raise UserError(
            f"{method}: {per_step} {asked} per step{each} are not a multiple of the {at_once} "
            f"{asked} per forward pass; change one of the two"
        )
    return at_once, share // at_once
