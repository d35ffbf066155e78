"""A whole training run, whatever the method: checks, folder, loop, saved model."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from transformers import Trainer

from r1aqa_helpers.data import AudioQuestion
from r1aqa_helpers.models import LoadedModel
from r1aqa_helpers.models.lora import choose_trained
from r1aqa_helpers.models.precision import training_precision
from r1aqa_helpers.training import distributed
from r1aqa_helpers.training.callbacks import StepLog, Watch, quiet, show_to, train_with
from r1aqa_helpers.training.logprobs import disable_scoring
from r1aqa_helpers.training.outputs import save_trained
from r1aqa_helpers.training.run_dir import describe_run, open_run
from r1aqa_helpers.training.settings import (
    TRAINER_FIELDS,
    TrainingSettings,
    check_answers,
    divide_step,
)
from r1aqa_helpers.utils.io import read_log

#: Makes a row of ``metrics.jsonl`` of what a trainer logs.
RowMaker = Callable[[dict[str, Any]], dict[str, Any]]
#: Makes a method's trainer: of how many rows or groups go through the model at once, and of the
#: fields of `transformers.TrainingArguments` that all methods share.
Build = Callable[[int, dict[str, Any]], tuple[Trainer, RowMaker]]


def run_training(
    method: str,
    loaded: LoadedModel,
    questions: Sequence[AudioQuestion],
    settings: TrainingSettings,
    out_dir: str | Path,
    build: Build,
    step: tuple[str, int, int],
    facts: dict[str, Any] | None = None,
    watch: Watch | None = None,
) -> Path:
    """What `train_grpo` and `train_sft` do alike; see there.

    Args:
        method: "GRPO" or "SFT".
        step: what a step is made of (a noun), how many in a step, how many in a forward pass.
        facts: what else makes two runs the same, beside settings, model and questions.
    """
    out_dir = Path(out_dir)
    check_answers(questions)
    precision = training_precision(loaded.model, settings.lora_rank, settings.optim)
    choose_trained(loaded.model, settings.lora_rank, settings.tower_frozen)
    distributed.init(loaded.device)
    at_once, passes = divide_step(method, *step)
    description = {**(facts or {}), **describe_run(loaded, questions, settings)}
    checkpoint = open_run(out_dir, description)
    if distributed.is_main():  # of the steps that were made before
        watch = show_to(watch, read_log(out_dir / "metrics.jsonl"), method)
    if (out_dir / "model").is_dir():
        return out_dir / "model"
    shared = {
        **TRAINER_FIELDS,
        "max_steps": settings.steps,
        "gradient_accumulation_steps": passes,
        "learning_rate": settings.lr,
        "optim": settings.optim,
        "seed": settings.seed,
        "save_strategy": "steps",
        "save_steps": settings.save_every,
        "save_total_limit": 2,
        "use_cpu": loaded.device.type == "cpu",
        **precision,
    }
    with quiet():
        trainer, row = build(at_once, shared)
        log = StepLog(out_dir, method, row, settings.minutes, watch)
        try:
            train_with(trainer, log, checkpoint)
        finally:
            trainer.accelerator.unwrap_model(trainer.model, keep_fp32_wrapper=False)
            disable_scoring(loaded.model)
            loaded.model.eval()
        trained = LoadedModel(distributed.whole_model(trainer), loaded.processor, loaded.name)
        save_trained(trained, out_dir, method.lower(), questions, settings)
    return out_dir / "model"
