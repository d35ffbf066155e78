"""GRPO's settings, with R1-AQA's values as defaults, and what they are for TRL."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trl import GRPOConfig

from r1aqa_helpers.training.grpo.objective import LOSS_TYPES
from r1aqa_helpers.training.settings import TRAINER_FIELDS, TrainingSettings
from r1aqa_helpers.utils.errors import UserError


@dataclass(frozen=True, kw_only=True)
class GRPOSettings(TrainingSettings):
    """R1-AQA's settings (its eight processes made one step of 16 questions)."""

    prompts_per_step: int = 16
    group_size: int = 8
    prompts_per_forward: int = 1
    """Groups that go through the model together: memory against speed, not the result."""
    prompts_per_rollout: int | None = None
    """The most groups that are sampled together: memory against speed, not the distribution.
    None: all that a process has in a step."""
    lr: float = 1e-6
    beta: float = 0.04
    temperature: float = 1.0
    max_completion: int = 256
    max_prompt: int | None = None
    text_only: bool = False
    """Train without the recordings, on what can be read; nothing changes in how it is asked."""


def audio_grpo_config(
    out_dir: str | Path, settings: GRPOSettings | None = None, **overrides: Any
) -> GRPOConfig:
    """TRL's configuration for ``settings``, by default R1-AQA's; nothing is left to TRL's defaults.

    What `GRPOSettings` does not hold is fixed here, from src/train.py of
    https://github.com/xiaomi-research/r1-aqa and the defaults of the TRL 0.15.2 that it ran on.
    Besides: nothing is reported to services, no progress bar is drawn, and bfloat16 autocast is
    off, since the model's own dtype decides.

    Args:
        out_dir: for checkpoints.
        overrides: fields of ``trl.GRPOConfig``.

    Raises:
        UserError: a loss type that `objective` does not define.
    """
    chosen = GRPOSettings() if settings is None else settings
    fields = {
        "beta": chosen.beta,
        "num_generations": chosen.group_size,
        "temperature": chosen.temperature,
        "max_completion_length": chosen.max_completion,
        "learning_rate": chosen.lr,
        "seed": chosen.seed,
        "per_device_train_batch_size": chosen.group_size,
        "top_k": 0,
        "top_p": 1.0,
        "min_p": None,
        "repetition_penalty": 1.0,
        "warmup_steps": 0,
        "weight_decay": 0.0,
        "max_grad_norm": 1.0,
        "loss_type": "grpo",
        "epsilon": 0.2,
        "num_iterations": 1,
        "scale_rewards": "group",
        "importance_sampling_level": "token",
        "use_bias_correction_kl": False,
        "mask_truncated_completions": False,
        "reward_weights": None,
        "gradient_checkpointing": False,
        "disable_dropout": True,
        "bf16": False,
        **TRAINER_FIELDS,
        **overrides,
    }
    if fields["loss_type"] not in LOSS_TYPES:
        known = ", ".join(LOSS_TYPES)
        raise UserError(f"loss_type {fields['loss_type']!r}: not offered, choose one of {known}")
    return GRPOConfig(output_dir=str(out_dir), **fields)
