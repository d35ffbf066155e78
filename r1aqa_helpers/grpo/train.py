"""A whole GRPO run: from a model and questions to a trained model in a folder."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets import Dataset
from transformers import PreTrainedModel

from .. import processes
from ..errors import UserError
from ..files import append_jsonl
from ..gathering import whole_model
from ..models import LoadedModel
from ..models.lora import choose_trained, lora_config
from ..models.precision import training_precision
from ..prompts import build_prompt, question_text
from ..questions import AudioQuestion
from ..rewards import RewardFunction, rewards_for
from ..training import (
    Journal,
    TrainingSettings,
    Watch,
    check_answers,
    describe_run,
    divide_step,
    open_run,
    quiet,
    run_schedule,
    save_trained,
    show_made,
    train_with,
)
from .scoring import ROW_TOKENS
from .trainer import AudioGRPOTrainer, audio_grpo_config


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
    row_tokens: int = ROW_TOKENS
    """The most tokens of a packed row: memory against speed, not the result."""
    text_only: bool = False
    """Train without the recordings, on what can be read; nothing changes in how it is asked."""


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

    ``rewards``: in place of R1-AQA's accuracy and format (`rewards_for`), functions of one's own.
    Each gets ``completions`` and, as keywords, ``solution``, ``choices``, ``id``; it is logged
    under its ``__name__``. A run goes on only with rewards of the same names.

    ``watch``: called with each step's row, for curves that grow meanwhile; first with those of the
    steps that were made before.

    For full training, load the model in float32: steps of 1e-6 vanish in bfloat16's rounding.

    Returns:
        The folder of the trained model, for ``models.load``; adapters are merged (and saved alone
        beside it). Where the run
        had already ended, that folder, with ``loaded`` as it was.

    Raises:
        UserError: a question without an answer, a prompt too long, a clip that cannot be read,
            settings that do not fit one another, or a folder that holds another run.
    """
    out_dir = Path(out_dir)
    check_answers(questions)
    training_precision(loaded.model, settings.lora_rank, settings.optim)
    choose_trained(loaded.model, settings.lora_rank, settings.tower_frozen)
    processes.join(loaded.device)
    division = divide_step(
        "GRPO", "prompts", settings.prompts_per_step, settings.prompts_per_forward
    )
    description = describe_run(loaded, questions, settings)
    if rewards is not None:
        description["rewards"] = _names(rewards)
    checkpoint = open_run(out_dir, description, ("metrics.jsonl", "rollouts.jsonl"))
    watch = show_made(watch, out_dir, "GRPO")
    if (out_dir / "model").is_dir():
        return out_dir / "model"
    with quiet():
        chosen = rewards_for(settings.prompt) if rewards is None else list(rewards)
        model = _train(loaded, questions, settings, chosen, division, out_dir, checkpoint, watch)
        trained = LoadedModel(model, loaded.processor, loaded.name)
        save_trained(trained, out_dir, "grpo", questions, settings)
    return out_dir / "model"


def _train(
    loaded: LoadedModel,
    questions: Sequence[AudioQuestion],
    settings: GRPOSettings,
    rewards: list[RewardFunction],
    division: tuple[int, int],
    out_dir: Path,
    checkpoint: Path | None,
    watch: Watch | None,
) -> PreTrainedModel:
    at_once, passes = division
    adapter = None
    if settings.lora_rank:
        adapter = lora_config(settings.lora_rank, not settings.tower_frozen)
    config = audio_grpo_config(
        out_dir,
        beta=settings.beta,
        num_generations=settings.group_size,
        temperature=settings.temperature,
        max_completion_length=settings.max_completion,
        learning_rate=settings.lr,
        max_steps=settings.steps,
        per_device_train_batch_size=at_once * settings.group_size,
        gradient_accumulation_steps=passes,
        steps_per_generation=_passes_per_rollout(settings, at_once, passes),
        shuffle_dataset=False,  # the rows come in the order in which they are to be asked
        save_strategy="steps",
        save_steps=settings.save_every,
        save_total_limit=2,
        seed=settings.seed,
        use_cpu=loaded.device.type == "cpu",
        optim=settings.optim,
        **training_precision(loaded.model, settings.lora_rank, settings.optim),
    )
    trainer = AudioGRPOTrainer(
        model=loaded.model,
        reward_funcs=rewards,
        args=config,
        processing_class=loaded.processor,
        train_dataset=_rows(questions, settings),
        peft_config=adapter,
        max_prompt=settings.max_prompt,
        row_tokens=settings.row_tokens,
    )

    def row(logs: dict[str, Any]) -> dict[str, Any]:
        rollouts, trainer.rollouts = trainer.rollouts, []
        for rollout in rollouts:
            append_jsonl(out_dir / "rollouts.jsonl", rollout, flush=False)
        return _metrics(logs, rollouts)

    try:
        train_with(trainer, Journal(out_dir, "GRPO", row, settings.minutes, watch), checkpoint)
    finally:
        trainer.release()
    return whole_model(trainer)


def _names(rewards: Sequence[RewardFunction]) -> list[str]:
    names = [reward.__name__ for reward in rewards]
    if not names or len(set(names)) < len(names):
        raise UserError(
            f"GRPO: rewards {names}: give one or more, each with a __name__ of its own "
            "(r1aqa_helpers.rewards.named gives one)"
        )
    return names


def _passes_per_rollout(settings: GRPOSettings, at_once: int, passes: int) -> int:
    """Forward passes whose answers are sampled together: so many that all parts are equal."""
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
