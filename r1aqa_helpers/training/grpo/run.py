"""A whole GRPO run, from a model and questions to a trained model in a folder; its settings."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets import Dataset
from trl import GRPOConfig

from r1aqa_helpers.data import AudioQuestion
from r1aqa_helpers.data.prompts import build_prompt, question_text
from r1aqa_helpers.models import LoadedModel
from r1aqa_helpers.models.lora import lora_config
from r1aqa_helpers.training.callbacks import Watch
from r1aqa_helpers.training.distributed import on_one_gpu
from r1aqa_helpers.training.grpo.objective import LOSS_TYPES
from r1aqa_helpers.training.grpo.trainer import AudioGRPOTrainer
from r1aqa_helpers.training.rewards import RewardFunction, name_of, rewards_for
from r1aqa_helpers.training.run import RowMaker, run_training
from r1aqa_helpers.training.settings import TRAINER_FIELDS, TrainingSettings, run_schedule
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import append_jsonl


@dataclass(frozen=True, kw_only=True)
class GRPOSettings(TrainingSettings):
    """R1-AQA's settings (its eight processes made one step of 16 questions)."""

    prompts_per_step: int = 16
    group_size: int = 8
    prompts_per_forward: int = 1
    """Groups that go through the model together: memory against speed, not the result."""
    prompts_per_rollout: int | None = None
    """The most groups that are sampled together; None: all that a process has in a step."""
    compile_rollouts: bool = False
    """Sample with ``torch.compile``, on a GPU as CUDA graphs: speed with long answers, from the
    same distribution. Rows that have ended stay in the batch, and the first step compiles for
    minutes. Not measured on a GPU yet: ``benchmarks/gpu_7b.py --compiled`` does that."""
    lr: float = 1e-6
    beta: float = 0.04
    temperature: float = 1.0
    max_completion: int = 256
    max_prompt: int | None = None
    text_only: bool = False
    """Train without the recordings, on the same prompts."""


def audio_grpo_config(
    out_dir: str | Path, settings: GRPOSettings | None = None, **overrides: Any
) -> GRPOConfig:
    """TRL's configuration for ``settings``, by default R1-AQA's; nothing is left to TRL's defaults.

    Fields beyond `GRPOSettings` are from src/train.py of https://github.com/xiaomi-research/r1-aqa
    and the defaults of TRL 0.15.2, which it ran on; docs/differences.md says what departs from
    it. bfloat16 autocast is off: ``models.precision.training_precision`` decides.

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
    return on_one_gpu(GRPOConfig(output_dir=str(out_dir), **fields))


def train_grpo(
    loaded: LoadedModel,
    questions: Sequence[AudioQuestion],
    settings: GRPOSettings,
    out_dir: str | Path,
    rewards: Sequence[RewardFunction] | None = None,
    watch: Watch | None = None,
) -> Path:
    """Train ``loaded`` in place, and save it; after an interruption, the same call continues.

    Writes to ``out_dir``, beside what `training` describes, ``rollouts.jsonl`` with a row per
    question and step (step, id, completions, rewards, rewards_by_function, advantages), and in
    ``metrics.jsonl`` the means over a step's answers: completion_length in tokens, kl in nats per
    token, reward_std the mean deviation within a group, zero_variance_groups a share.

    ``loaded``, ``watch``, and what is returned and raised, as in `run.run_training`; also a
    ``UserError`` where a prompt is too long.

    Args:
        rewards: your own functions in place of R1-AQA's accuracy and format (`rewards_for`).
            Each gets ``completions`` and, as keywords, ``solution``, ``choices``, ``id``, and
            gives finite numbers, or None to abstain; it is logged under its `rewards.name_of`. A
            run continues only with rewards of the same names.
    """
    chosen = rewards_for(settings.prompt) if rewards is None else list(rewards)
    facts = {} if rewards is None else {"rewards": _names(rewards)}

    def build(at_once: int, shared: dict[str, Any]) -> tuple[AudioGRPOTrainer, RowMaker]:
        rank, passes = settings.lora_rank, shared["gradient_accumulation_steps"]
        needed = settings.steps * settings.prompts_per_step
        order = run_schedule(len(questions), needed, settings.seed)
        config = audio_grpo_config(
            out_dir,
            settings,
            per_device_train_batch_size=at_once * settings.group_size,
            steps_per_generation=_passes_per_rollout(settings, at_once, passes),
            shuffle_dataset=False,  # the rows come in the order of the schedule
            **shared,
        )
        trainer = AudioGRPOTrainer(
            model=loaded.model,
            reward_funcs=chosen,
            args=config,
            processing_class=loaded.processor,
            train_dataset=Dataset.from_list([_row(questions[i], settings) for i in order]),
            peft_config=lora_config(rank, not settings.encoder_frozen) if rank else None,
            max_prompt=settings.max_prompt,
            compile_rollouts=settings.compile_rollouts,
        )

        def row(logs: dict[str, Any]) -> dict[str, Any]:
            rollouts, trainer.rollouts = trainer.rollouts, []
            for rollout in rollouts:
                append_jsonl(Path(out_dir) / "rollouts.jsonl", rollout, flush=False)
            return _metrics(logs, rollouts)

        return trainer, row

    step = "prompts", settings.prompts_per_step, settings.prompts_per_forward
    heard = not settings.text_only
    return run_training(
        "GRPO", loaded, questions, settings, out_dir, build, step, facts, watch, heard
    )


def _names(rewards: Sequence[RewardFunction]) -> list[str]:
    names = [name_of(reward) for reward in rewards]
    if not names or len(set(names)) < len(names):
        raise UserError(
            f"GRPO: rewards {names}: give one or more, each with a name of its own "
            "(r1aqa_helpers.training.rewards.named gives one)"
        )
    return names


def _passes_per_rollout(settings: GRPOSettings, at_once: int, passes: int) -> int:
    """The forward passes whose answers are sampled together: the most that give equal parts."""
    most = settings.prompts_per_rollout
    wanted = passes if most is None else max(1, most // at_once)
    return max(n for n in range(1, passes + 1) if passes % n == 0 and n <= wanted)


def _row(question: AudioQuestion, settings: GRPOSettings) -> dict[str, Any]:
    return {
        "id": question.id,
        "prompt": build_prompt(question_text(question), question.choices, settings.prompt),
        "audio": None if settings.text_only else str(question.audio),
        "solution": question.answer,
        "choices": list(question.choices),
    }


def _metrics(logs: dict[str, Any], rollouts: list[dict[str, Any]]) -> dict[str, Any]:
    scored = [[one for one in rollout["rewards"] if one is not None] for rollout in rollouts]
    deviations = [statistics.stdev(rewards) for rewards in scored if len(rewards) > 1]
    return {
        "loss": logs["loss"],
        "reward": logs["reward"],
        "accuracy": logs.get("rewards/accuracy_reward/mean"),
        "format": logs.get("rewards/format_reward/mean"),
        "reward_std": statistics.fmean(deviations) if deviations else None,
        "zero_variance_groups": logs["frac_reward_zero_std"],
        "kl": logs.get("kl"),
        "entropy": logs["entropy"],
        "completion_length": logs["completions/mean_length"],
        "clipped_completions": logs["completions/clipped_ratio"],
        "grad_norm": logs.get("grad_norm"),
        "lr": logs["learning_rate"],
    }
