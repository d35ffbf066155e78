"""A whole training run, of either method: checks, folder, loop, saved model."""

import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import AutocastKwargs
from peft import PeftModel
from transformers import PrinterCallback, Trainer
from transformers.trainer import TRAINER_STATE_NAME

from r1aqa_helpers.data import AudioQuestion
from r1aqa_helpers.data.recordings import check_recordings, recording_digests
from r1aqa_helpers.models import CardFields, LoadedModel, save, weights_fingerprint
from r1aqa_helpers.models.lora import choose_trained, describe_trained
from r1aqa_helpers.models.precision import is_quantised, training_precision
from r1aqa_helpers.training import distributed
from r1aqa_helpers.training.callbacks import (
    COMPLETE,
    StepLog,
    Watch,
    file_sizes,
    quiet,
    show_to,
    unusable,
)
from r1aqa_helpers.training.logprobs import disable_scoring
from r1aqa_helpers.training.settings import TRAINER_FIELDS, TrainingSettings, divide_step
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import (
    json_digest,
    read_json,
    read_log,
    told,
    write_json,
    write_jsonl,
)
from r1aqa_helpers.utils.locks import only_writer
from r1aqa_helpers.utils.machine import hardware
from r1aqa_helpers.utils.run_dir import RUN_FILE, read_run
from r1aqa_helpers.utils.untrusted import first_line, shown

#: What a run adds rows to, step by step; GRPO has both.
LOGS = ("metrics.jsonl", "rollouts.jsonl")

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
    facts: dict[str, Any],
    watch: Watch | None = None,
    heard: bool = True,
) -> Path:
    """Train ``loaded`` in place, and save it: what `train_grpo` and `train_sft` have in common.

    Args:
        method: "GRPO" or "SFT".
        loaded: for full training, in float32: small steps vanish in bfloat16's rounding.
        step: what a step is made of (a noun), how many in a step, how many in a forward pass.
        facts: what else makes two runs the same, beside settings, model and questions.
        watch: called with each step's row, for live curves; see `Watch`.
        heard: whether the recordings are used; all are then decoded before the first step.

    Returns:
        The folder of the trained model, for ``models.load``; adapters are merged (and saved alone
        beside it, unless ``loaded`` was made with an adapter, which can be no base). If the run
        had already ended, that folder, with ``loaded`` unchanged.

    Raises:
        UserError: a question without an answer, clips that cannot be read, settings that do not
            fit together, or a folder of another run or to which another process writes.
    """
    out_dir = Path(out_dir)
    if not questions:
        raise UserError("training: there is no question; give a file of training questions")
    for question in questions:
        if question.answer is None:
            raise UserError(f"question {question.id}: has no answer to train on; leave it out")
    precision = training_precision(loaded.model, settings.lora_rank, settings.optim)
    choose_trained(loaded.model, settings.lora_rank, settings.encoder_frozen)
    distributed.init(loaded.device)
    at_once, passes = divide_step(method, *step)
    with ExitStack() as writing:

        def prepare() -> Path | None:
            """Look over the recordings and the folder; return the checkpoint to continue from."""
            writing.enter_context(only_writer(out_dir))
            check_recordings(questions if heard else [])
            return open_run(out_dir, {**facts, **describe_run(loaded, questions, settings, heard)})

        checkpoint = distributed.run_on_main(prepare)
        if distributed.is_main():  # the steps that were made before
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
        if settings.gradient_checkpointing:
            loaded.model.activation_checkpointing_enable({"use_reentrant": False})
        with quiet():
            trainer, row = build(at_once, shared)
            if loaded.dtype == torch.float32:
                # Casts that autocast keeps would take half as much again as the weights.
                trainer.accelerator.autocast_handler = AutocastKwargs(cache_enabled=False)
            trainer.remove_callback(PrinterCallback)
            trainer.add_callback(StepLog(out_dir, method, row, settings.minutes, watch))
            try:
                trainer.train(
                    resume_from_checkpoint=None if checkpoint is None else str(checkpoint)
                )
            finally:
                trainer.accelerator.unwrap_model(trainer.model, keep_fp32_wrapper=False)
                disable_scoring(loaded.model)
                loaded.model.activation_checkpointing_disable()
                loaded.model.eval()
            trained = LoadedModel(distributed.whole_model(trainer), loaded.processor, loaded.name)

            def write() -> None:
                """Save the model; an adapter alone, then merged, unless its base is in 4 bits."""
                card = _card(trained, out_dir, method, questions, settings, facts)
                if isinstance(trained.model, PeftModel):
                    if not loaded.merged:
                        save(trained, out_dir / "adapter", card)
                    if not is_quantised(trained.model):
                        trained.model = trained.model.merge_and_unload()
                save(trained, out_dir / "model", card)

            distributed.run_on_main(write)
        return out_dir / "model"


def describe_run(
    loaded: LoadedModel,
    questions: Sequence[AudioQuestion],
    settings: TrainingSettings,
    heard: bool = True,
) -> dict[str, Any]:
    """What makes two runs the same: settings, the model's weights, the questions with answers."""
    return {
        "settings": settings.recorded(),
        "model": weights_fingerprint(loaded),
        "questions": identify_questions(questions, heard),
    }


def identify_questions(questions: Sequence[AudioQuestion], heard: bool = True) -> str:
    """A digest of ids, texts, answers and, where they are ``heard``, the recordings' content.

    Where the recordings are does not count: folders may be moved, or mounted elsewhere.
    """
    audio = recording_digests(questions) if heard else {}
    asked = [(q.id, audio.get(q.audio), q.question, q.choices, q.answer) for q in questions]
    return json_digest(asked)


def open_run(out_dir: Path, description: dict[str, Any]) -> Path | None:
    """Prepare the folder, and return the checkpoint of this run to continue from, if any.

    Unfinished checkpoints are removed, and so are the logs' rows of steps after the checkpoint,
    which will be made again. If a limit of minutes ended the run early, its model is removed.
    Only the main process may call it.

    Raises:
        UserError: the folder belongs to another run, or cannot be written, or its last checkpoint
            is damaged.
    """
    place = out_dir / RUN_FILE
    if place.exists():
        held = read_run(place)
        for key in {**description, **held}:
            if held.get(key) != description.get(key):
                raise UserError(
                    f"{shown(place)}: the folder holds a run with another {key}; "
                    "give another output folder, or remove this one"
                )
    else:
        write_json(place, description)
    if (out_dir / "model").is_dir():
        if steps_made(out_dir) >= description["settings"]["steps"]:
            return None  # the run has ended
        shutil.rmtree(out_dir / "model")
    for left in out_dir.glob(".*.partial"):  # a model that a kill left half written
        shutil.rmtree(left)
    checkpoint, done = None, 0
    for folder in out_dir.glob("checkpoint-*"):
        number = folder.name.removeprefix("checkpoint-")
        if not number.isdecimal():
            continue
        if not (folder / COMPLETE).exists():
            with told(folder, "removed", "remove it"):
                shutil.rmtree(folder)
        elif int(number) > done:
            checkpoint, done = folder, int(number)
    if checkpoint is not None:
        _check_whole(checkpoint)
    for path in (out_dir / name for name in LOGS):
        if path.exists():
            rows = read_log(path)
            if not all(isinstance(row.get("step"), int) for row in rows):
                raise UserError(f"{shown(path)}: has a row without its step; remove the folder")
            write_jsonl(path, [row for row in rows if row["step"] <= done])
    return checkpoint


def _check_whole(checkpoint: Path) -> None:
    """Check that a checkpoint has the files that it had when it was marked as whole."""
    mark, found = read_run(checkpoint / COMPLETE), file_sizes(checkpoint)
    sizes = mark.get("bytes")  # earlier versions did not note them
    for name, size in sizes.items() if isinstance(sizes, dict) else ():
        if found.get(name) != size:
            now = "is gone" if name not in found else f"has {found[name]} of its {size} bytes"
            raise unusable(checkpoint, f"{shown(name)} {now}")
    try:
        read_json(checkpoint / TRAINER_STATE_NAME)
    except UserError as error:
        raise unusable(checkpoint, first_line(error)) from error


def steps_made(out_dir: Path) -> int:
    """The steps that a run has made so far."""
    rows = read_log(out_dir / "metrics.jsonl")
    return rows[-1].get("step", 0) if rows else 0


def _card(
    trained: LoadedModel,
    out_dir: Path,
    method: str,
    questions: Sequence[AudioQuestion],
    settings: TrainingSettings,
    facts: dict[str, Any],
) -> CardFields:
    """What the run knows of the model that it trained."""
    seconds = sum(row["seconds"] for row in read_log(out_dir / "metrics.jsonl"))
    known = {
        "steps made": steps_made(out_dir),
        "minutes of training": f"{seconds / 60:.1f}",
        **({"rewards": ", ".join(facts["rewards"])} if "rewards" in facts else {}),
        "trained": describe_trained(trained.model, settings.lora_rank, settings.encoder_frozen),
        "base in 4 bits": "yes, NF4" if is_quantised(trained.model) else "no",
        "hardware": hardware(),
        **{name: version(name) for name in ("torch", "transformers", "trl", "peft")},
    }
    return CardFields(
        base=trained.name,
        method=method.lower(),
        questions=len(questions),
        datasets=Counter(question.dataset for question in questions),
        settings=known | settings.recorded(),
    )
