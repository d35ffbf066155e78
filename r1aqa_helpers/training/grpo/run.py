"""A whole GRPO run: from a model and questions to a trained model in a folder."""

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset

from r1aqa_helpers.data import AudioQuestion
from r1aqa_helpers.data.prompts import build_prompt, question_text
from r1aqa_helpers.models import LoadedModel
from r1aqa_helpers.models.lora import lora_config
from r1aqa_helpers.training.callbacks import Watch
from r1aqa_helpers.training.grpo.settings import GRPOSettings, audio_grpo_config
from r1aqa_helpers.training.grpo.trainer import AudioGRPOTrainer
from r1aqa_helpers.training.rewards import RewardFunction, rewards_for
from r1aqa_helpers.training.run import RowMaker, run_training
from r1aqa_helpers.training.settings import run_schedule
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import append_jsonl


def train_grpo(
    loaded: LoadedModel,
    questions: Sequence[AudioQuestion],
    settings: GRPOSettings,
    out_dir: str | Path,
    rewards: Sequence[RewardFunction] | None = None,
    watch: Watch | None = None,
) -> Path:
    """Train ``loaded`` in place, and save it; interrupted, the same call goes on from there.

    Writes to ``out_dir``, beside what `training` describes, ``rollouts.jsonl`` with a row per
    question and step (step, id, completions, rewards, rewards_by_function, advantages), and in
    ``metrics.jsonl`` (means over a step's answers, completion_length in tokens, kl in nats per
    token, reward_std the mean deviation within a group, zero_variance_groups a share, left_out
    the share of answers that were left out of the backward pass).

    Args:
        loaded: for full training, in float32: steps of 1e-6 vanish in bfloat16's rounding.
        rewards: in place of R1-AQA's accuracy and format (`rewards_for`), functions of one's own.
            Each gets ``completions`` and, as keywords, ``solution``, ``choices``, ``id``; it is
            logged under its ``__name__``. A run goes on only with rewards of the same names.
        watch: called with each step's row, for curves that grow meanwhile; first with those of
            the steps that were made before.

    Returns:
        The folder of the trained model, for ``models.load``; adapters are merged (and saved alone
        beside it). Where the run had already ended, that folder, with ``loaded`` as it was.

    Raises:
        UserError: a question without an answer, a prompt too long, a clip that cannot be read,
            settings that do not fit one another, or a folder that holds another run.
    """
    chosen = rewards_for(settings.prompt) if rewards is None else list(rewards)
    facts = {} if rewards is None else {"rewards": _names(rewards)}

    def build(at_once: int, shared: dict[str, Any]) -> tuple[AudioGRPOTrainer, RowMaker]:
        rank, passes = settings.lora_rank, shared["gradient_accumulation_steps"]
        config = audio_grpo_config(
            out_dir,
            settings,
            per_device_train_batch_size=at_once * settings.group_size,
            steps_per_generation=_passes_per_rollout(settings, at_once, passes),
            shuffle_dataset=False,  # the rows come in the order in which they are to be asked
            **shared,
        )
        trainer = AudioGRPOTrainer(
            model=loaded.model,
            reward_funcs=chosen,
            args=config,
            processing_class=loaded.processor,
            train_dataset=_rows(questions, settings),
            peft_config=lora_config(rank, not settings.tower_frozen) if rank else None,
            max_prompt=settings.max_prompt,
        )

        def row(logs: dict[str, Any]) -> dict[str, Any]:
            rollouts, trainer.rollouts = trainer.rollouts, []
            for rollout in rollouts:
                append_jsonl(Path(out_dir) / "rollouts.jsonl", rollout, flush=False)
            return _metrics(logs, rollouts)

        return trainer, row

    step = "prompts", settings.prompts_per_step, settings.prompts_per_forward
    return run_training("GRPO", loaded, questions, settings, out_dir, build, step, facts, watch)


def _names(rewards: Sequence[RewardFunction]) -> list[str]:
    names = [reward.__name__ for reward in rewards]
    if not names or len(set(names)) < len(names):
        raise UserError(
            f"GRPO: rewards {names}: give one or more, each with a __name__ of its own "
            "(r1aqa_helpers.training.rewards.named gives one)"
        )
    return names


def _passes_per_rollout(settings: GRPOSettings, at_once: int, passes: int) -> int:
    """Forward passes whose answers are sampled together: as many as give equal parts."""
    most = settings.prompts_per_rollout
    wanted = passes if most is None else max(1, most // at_once)
    return max(n for n in range(1, passes + 1) if passes % n == 0 and n <= wanted)


def _rows(questions: Sequence[AudioQuestion], settings: GRPOSettings) -> Dataset:
    """One row per question to be asked, in order."""
    needed = settings.steps * settings.prompts_per_step
    chosen = [questions[i] for i in run_schedule(len(questions), needed, settings.seed)]
    return Dataset.from_list(
        [
            {
                "id": question.id,
                "prompt": build_prompt(question_text(question), question.choices, settings.prompt),
                "audio": None if settings.text_only else str(question.audio),
                "solution": question.answer,
                "choices": list(question.choices),
            }
            for question in chosen
        ]
    )


def _metrics(logs: dict[str, Any], rollouts: list[dict[str, Any]]) -> dict[str, Any]:
    deviations = [statistics.stdev(rollout["rewards"]) for rollout in rollouts]
    return {
        "loss": logs["loss"],
        "reward": logs["reward"],
        "accuracy": logs.get("rewards/accuracy_reward/mean"),
        "format": logs.get("rewards/format_reward/mean"),
        "reward_std": statistics.fmean(deviations),
        "zero_variance_groups": logs["frac_reward_zero_std"],
        "left_out": logs.get("left_out", 0.0),
        "kl": logs.get("kl"),
        "entropy": logs["entropy"],
        "completion_length": logs["completions/mean_length"],
        "clipped_completions": logs["completions/clipped_ratio"],
        "grad_norm": logs.get("grad_norm"),
        "lr": logs["learning_rate"],
    }
