"""What every training run has: an output folder that it can be continued from, and a journal.

::

    OUT/run.json          what the run is: settings, questions, model
    OUT/metrics.jsonl     a row per step
    OUT/checkpoint-N/     the last two; without the file `COMPLETE`, an interruption's remains
    OUT/adapter/          with LoRA: the adapter alone, small enough to share
    OUT/model/            the trained model, adapters merged; is there when the run has ended
"""

import hashlib
import json
import math
import shutil
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from transformers import (
    PrinterCallback,
    Qwen2AudioForConditionalGeneration,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from transformers.utils import logging as hf_logging

from . import processes
from .errors import UserError
from .files import append_jsonl, read_journal, read_json, shown, write_json, write_jsonl
from .models import LoadedModel, ModelCard, save, weights_fingerprint
from .models.lora import describe_trained
from .models.precision import NOT_FINITE, check_finite
from .models.quantised import is_quantised
from .profiles import hardware
from .progress import track
from .questions import AudioQuestion

COMPLETE = "complete"

#: Gets each step's row of ``metrics.jsonl`` as soon as it is written.
Watch = Callable[[dict[str, Any]], None]

#: Settings that may differ between a run and its continuation.
_FREE = {"save_every", "minutes"}
#: Settings that came later than the first runs, with the value that those ran with: at it they
#: are not written down, so that such a run goes on, and one with another value does not.
_LATER = {"optim": "adamw_torch", "text_only": False, "prompts_per_rollout": None}
#: A loss scale of float16 begins at 2 to the 16th and is halved at each overflow: after so many
#: in a row it is less than 1, and gradients overflow by themselves.
_MOST_OVERFLOWS = 17


def describe_run(
    loaded: LoadedModel, questions: Sequence[AudioQuestion], settings: Any
) -> dict[str, Any]:
    """What makes two runs the same: settings, the model's weights, the questions with answers."""
    asked = [(q.id, str(q.audio), q.question, q.choices, q.answer) for q in questions]
    kept = {**asdict(settings), "freeze_tower": settings.tower_frozen}
    for key, value in kept.copy().items():
        if key in _FREE or key in _LATER and value == _LATER[key]:
            del kept[key]
    return {
        "settings": kept,
        "model": weights_fingerprint(loaded),
        "questions": hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:16],
    }


def open_run(out_dir: Path, description: dict[str, Any], journals: Iterable[str]) -> Path | None:
    """Make the folder ready; the checkpoint to go on from, if it holds one of this run.

    Checkpoints that an interruption left unfinished are removed. The journals lose the rows of
    steps after the checkpoint, which will be made once more. A model of fewer steps than were
    asked for, which a limit of minutes left, is removed: the run goes on. Of several processes,
    the main one does all that, and all get its answer.

    Raises:
        UserError: the folder belongs to another run, or cannot be written.
    """
    return processes.in_main(lambda: _open_run(out_dir, description, journals))


def _open_run(out_dir: Path, description: dict[str, Any], journals: Iterable[str]) -> Path | None:
    place = out_dir / "run.json"
    if place.exists():
        found = read_json(place)
        held = found if isinstance(found, dict) else {}
        for key in {**description, **held}:
            if held.get(key) != description.get(key):
                raise UserError(
                    f"{shown(place)}: the folder holds a run with another {key}; "
                    "give another output folder, or remove this one"
                )
    else:
        write_json(place, description)
    if (out_dir / "model").is_dir():
        if _steps_made(out_dir) >= description["settings"]["steps"]:
            return None  # it has ended: nothing is to be made once more
        shutil.rmtree(out_dir / "model")  # what was learnt when the minutes were over
    checkpoint, done = None, 0
    for folder in out_dir.glob("checkpoint-*"):
        number = folder.name.removeprefix("checkpoint-")
        if not number.isdecimal():
            continue
        if not (folder / COMPLETE).exists():
            shutil.rmtree(folder)
        elif int(number) > done:
            checkpoint, done = folder, int(number)
    for name in journals:
        rows = read_journal(out_dir / name)
        write_jsonl(out_dir / name, [row for row in rows if row.get("step", 0) <= done])
    return checkpoint


def _steps_made(out_dir: Path) -> int:
    rows = read_journal(out_dir / "metrics.jsonl")
    return rows[-1].get("step", 0) if rows else 0


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
    count = processes.count()
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


def check_loss(loss: torch.Tensor, step: int) -> torch.Tensor:
    """``loss`` of a step, counted from 1; ``UserError`` where it is not finite.

    Trainer itself would go on, with weights that are no numbers any more.
    """
    check_finite(loss, f"step {step}: the loss")
    return loss


class Journal(TrainerCallback):
    """Writes a row per step, shows progress, marks checkpoints as complete, keeps to the time."""

    def __init__(
        self,
        out_dir: Path,
        title: str,
        row: Callable[[dict[str, Any]], dict[str, Any]],
        minutes: float | None,
        watch: Watch | None = None,
    ) -> None:
        """``row`` makes the journal's row of what the trainer logs; None ``minutes``: no limit."""
        self._out_dir, self._title, self._row, self._minutes = out_dir, title, row, minutes
        self._watch = watch
        self._overflows = 0  # in a row

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Start the clock and the progress."""
        self._start = self._last = time.monotonic()
        left = state.max_steps - state.global_step if state.is_world_process_zero else 0
        self._bar = iter(track(range(left), self._title))
        next(self._bar, None)

    def on_step_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Move the progress on; stop, with a checkpoint, where the time is over.

        By the main process's clock: one that stopped alone would leave the others waiting.
        """
        next(self._bar, None)
        if self._minutes is not None and processes.in_main(self._time_is_over):
            control.should_training_stop = control.should_save = True

    def _time_is_over(self) -> bool:
        return time.monotonic() - self._start > 60 * self._minutes

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Write a step's row; what is not finite becomes null.

        A gradient that is not finite ends the run here, before the step's checkpoint. In float16
        some are expected: the trainer leaves those steps out and scales the loss down.
        """
        if not state.is_world_process_zero or not logs or "loss" not in logs:
            return
        now = time.monotonic()
        row = {"step": state.global_step, **self._row(logs), "seconds": now - self._last}
        self._last = now
        finite = {
            key: None if isinstance(value, float) and not math.isfinite(value) else value
            for key, value in row.items()
        }
        append_jsonl(self._out_dir / "metrics.jsonl", finite, flush=False)
        self._show(finite)
        norm = logs.get("grad_norm")
        self._overflows = 0 if norm is None or math.isfinite(norm) else self._overflows + 1
        if self._overflows >= (_MOST_OVERFLOWS if args.fp16 else 1):
            raise UserError(
                f"step {state.global_step}: the gradient is not finite (its norm is {norm}); "
                f"{NOT_FINITE}. The run's last checkpoint is without this step"
            )

    def _show(self, row: dict[str, Any]) -> None:
        if self._watch is None:
            return
        try:
            self._watch(row)
        except Exception as fault:  # a picture is not worth hours of training
            warnings.warn(f"{self._title}: watching ended ({fault!r}); it trains on", stacklevel=2)
            self._watch = None

    def on_save(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Mark the checkpoint as whole, once every process has written its part."""
        processes.wait()
        if not state.is_world_process_zero:
            return
        folder = self._out_dir / f"checkpoint-{state.global_step}"
        write_json(folder / COMPLETE, {"step": state.global_step})

    def on_train_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Close the progress."""
        self._bar.close()


class ExactResume:
    """A mixin for trainers: weights come back from a checkpoint as they were saved.

    transformers 5 saves a Qwen2-Audio under the names of release 4, which ``from_pretrained``
    understands. `Trainer`, going on from a checkpoint, does not, and warns about the missing
    names only: the run would go on with the weights that it began with.
    """

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        model = self.model if model is None else model
        sharded = self.is_deepspeed_enabled or self.is_fsdp_enabled
        if sharded or not isinstance(model, Qwen2AudioForConditionalGeneration):
            super()._load_from_checkpoint(resume_from_checkpoint, model)
            return
        saved = type(model).from_pretrained(
            resume_from_checkpoint, dtype=model.dtype, local_files_only=True, use_safetensors=True
        )
        model.load_state_dict(saved.state_dict())


@contextmanager
def quiet() -> Iterator[None]:
    """Without transformers' bars and notes: the journal and its progress say what there is."""
    verbosity, bar = hf_logging.get_verbosity(), hf_logging.is_progress_bar_enabled()
    hf_logging.set_verbosity_error()
    hf_logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        hf_logging.set_verbosity(verbosity)
        if bar:
            hf_logging.enable_progress_bar()


def train_with(trainer: Trainer, journal: Journal, checkpoint: Path | None) -> None:
    """Train to the end, from the checkpoint if there is one, with the journal as only voice."""
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(journal)
    trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))


def save_trained(
    loaded: LoadedModel,
    out_dir: Path,
    method: str,
    questions: Sequence[AudioQuestion],
    settings: Any,
) -> None:
    """Write ``out_dir/model`` once, whatever the number of processes, and wait until it is there.

    Of a PEFT model the adapter goes to ``out_dir/adapter`` first, and is then merged, in place.
    On weights in 4 bits it is not merged: ``out_dir/model`` is the adapter, too, and loads onto
    the same base, with ``quantise`` as it was trained, or merged into all its bits without.
    Both get a model card with what the run knows; ``method`` is the card's, sft or grpo.
    """

    def write() -> None:
        card = training_card(loaded, out_dir, method, questions, settings)
        whole = loaded
        if isinstance(loaded.model, PeftModel):
            save(loaded, out_dir / "adapter", card)
            if is_quantised(loaded.model):
                save(loaded, out_dir / "model", card)
                return
            merged = loaded.model.merge_and_unload()
            whole = LoadedModel(merged, loaded.processor, loaded.name)
        save(whole, out_dir / "model", card)

    processes.in_main(write)


def training_card(
    loaded: LoadedModel,
    out_dir: Path,
    method: str,
    questions: Sequence[AudioQuestion],
    settings: Any,
) -> ModelCard:
    """What the run in ``out_dir`` knows of the model that it trained."""
    rows = read_journal(out_dir / "metrics.jsonl")
    facts = {"steps made": rows[-1].get("step")} if rows else {}
    if rows and "seconds" in rows[-1]:
        facts["minutes of training"] = f"{sum(row['seconds'] for row in rows) / 60:.1f}"
    own = read_json(out_dir / "run.json").get("rewards")
    if own:
        facts["rewards"] = ", ".join(own)
    facts["trained"] = describe_trained(loaded.model, settings.lora_rank, settings.tower_frozen)
    facts["base in 4 bits"] = "yes, NF4" if is_quantised(loaded.model) else "no"
    facts["hardware"] = hardware()
    facts |= {name: version(name) for name in ("torch", "transformers", "trl", "peft")}
    all_settings = {**asdict(settings), "freeze_tower": settings.tower_frozen}
    kept = {key: value for key, value in all_settings.items() if key not in _FREE}
    return ModelCard(
        base=loaded.name,
        method=method,
        questions=len(questions),
        datasets=Counter(question.dataset for question in questions),
        settings=kept,
        facts=facts,
    )
