"""What happens around the steps of a trainer: log, progress, time limit, exact resume."""

import math
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import (
    Qwen2AudioForConditionalGeneration,
    Trainer,
    TrainerCallback,
    TrainerState,
)
from transformers.utils import logging as hf_logging

from r1aqa_helpers.models.precision import NOT_FINITE, check_finite
from r1aqa_helpers.training import distributed
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import append_jsonl, write_json
from r1aqa_helpers.utils.progress import track
from r1aqa_helpers.utils.run_dir import RUN_FILE, check_there
from r1aqa_helpers.utils.untrusted import first_line, shown

#: The file that marks a checkpoint as whole.
COMPLETE = "complete"

#: Gets each step's row of ``metrics.jsonl`` as soon as it is written; on continuing a run, first
#: the rows of the steps that were made before.
Watch = Callable[[dict[str, Any]], None]

#: A loss scale of float16 begins at 2 to the 16th and is halved at each overflow: after so many
#: in a row it is less than 1, and gradients overflow by themselves.
_MOST_OVERFLOWS = 17


def check_loss(loss: torch.Tensor, step: int) -> torch.Tensor:
    """Return ``loss``; ``UserError`` if it is not finite, where Trainer itself would go on."""
    check_finite(loss, f"step {step}: the loss")
    return loss


def show_to(watch: Watch | None, rows: Iterable[dict[str, Any]], title: str) -> Watch | None:
    """Show ``rows``; returns ``watch``, or None if it failed: it must not end the training."""
    try:
        if watch is not None:
            for row in rows:
                watch(row)
    except Exception as fault:  # a picture is not worth hours of training
        warnings.warn(f"{title}: watching ended ({fault!r}); it trains on", stacklevel=2)
        return None
    return watch


class StepLog(TrainerCallback):
    """Writes a row per step, shows progress, marks whole checkpoints, stops at the time limit."""

    def __init__(
        self,
        out_dir: Path,
        title: str,
        row: Callable[[dict[str, Any]], dict[str, Any]],
        minutes: float | None,
        watch: Watch | None = None,
    ) -> None:
        """``row`` makes the log's row of what the trainer logs; ``minutes`` None: no limit."""
        self._out_dir, self._title, self._row, self._minutes = out_dir, title, row, minutes
        self._watch = watch
        self._overflows = 0  # in a row

    def on_train_begin(self, args: Any, state: TrainerState, control: Any, **kwargs: Any) -> None:
        """Start the clock and the progress bar."""
        self._start = self._last = time.monotonic()
        left = state.max_steps - state.global_step if state.is_world_process_zero else 0
        self._bar = iter(track(range(left), self._title))
        next(self._bar, None)

    def on_step_end(self, args: Any, state: TrainerState, control: Any, **kwargs: Any) -> None:
        """Move the progress bar; stop, with a checkpoint, when the time is over.

        By the main process's clock: one that stopped alone would leave the others waiting.
        """
        next(self._bar, None)
        end = None if self._minutes is None else self._start + 60 * self._minutes
        if end is not None and distributed.run_on_main(lambda: time.monotonic() > end):
            control.should_training_stop = control.should_save = True

    def on_log(
        self, args: Any, state: TrainerState, control: Any, logs: dict[str, Any], **kwargs: Any
    ) -> None:
        """Write a step's row, with null for what is not finite.

        A gradient that is not finite ends the run before the step's checkpoint. In float16 some
        are expected: the trainer skips those steps and scales the loss down.
        """
        if not state.is_world_process_zero or "loss" not in logs:
            return
        now = time.monotonic()
        row = {"step": state.global_step, **self._row(logs), "seconds": now - self._last}
        self._last = now
        finite = {
            key: None if isinstance(value, float) and not math.isfinite(value) else value
            for key, value in row.items()
        }
        check_there(self._out_dir / RUN_FILE)
        append_jsonl(self._out_dir / "metrics.jsonl", finite, flush=False)
        self._watch = show_to(self._watch, [finite], self._title)
        norm = logs.get("grad_norm")
        self._overflows = 0 if norm is None or math.isfinite(norm) else self._overflows + 1
        if self._overflows >= (_MOST_OVERFLOWS if args.fp16 else 1):
            raise UserError(
                f"step {state.global_step}: the gradient is not finite (its norm is {norm}); "
                f"{NOT_FINITE}. The run's last checkpoint is without this step"
            )

    def on_save(self, args: Any, state: TrainerState, control: Any, **kwargs: Any) -> None:
        """Mark the checkpoint as complete, once every process has written its part."""
        distributed.barrier()
        if state.is_world_process_zero:
            folder = self._out_dir / f"checkpoint-{state.global_step}"
            write_json(folder / COMPLETE, {"step": state.global_step, "bytes": file_sizes(folder)})

    def on_train_end(self, args: Any, state: TrainerState, control: Any, **kwargs: Any) -> None:
        """Close the progress bar."""
        self._bar.close()


def file_sizes(checkpoint: Path) -> dict[str, int]:
    """Bytes of each file of a checkpoint, by its path in it; without the mark of a whole one."""
    files = sorted(path for path in checkpoint.rglob("*") if path.is_file())
    sizes = {path.relative_to(checkpoint).as_posix(): path.stat().st_size for path in files}
    sizes.pop(COMPLETE, None)
    return sizes


def unusable(checkpoint: str | Path, why: str) -> UserError:
    """The error of a checkpoint that was whole once; it is left to the user to remove it."""
    return UserError(
        f"{shown(checkpoint)}: the run cannot go on from it ({why}); without this folder, the same"
        " command goes on from the checkpoint before, if there is one"
    )


@contextmanager
def _reading(checkpoint: str | None) -> Iterator[None]:
    """Turn whatever a library says of a damaged file into one line."""
    try:
        yield
    except (UserError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        raise unusable(checkpoint or "", first_line(error)) from error


class ExactResume(Trainer):
    """A mixin for trainers that loads a checkpoint's weights as they were saved, or says why not.

    transformers 5 saves a Qwen2-Audio under the names of release 4. ``from_pretrained`` knows
    them; `Trainer` on resuming does not, and would only warn and keep the initial weights.
    """

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        model = self.model if model is None else model
        sharded = self.is_deepspeed_enabled or self.is_fsdp_enabled
        with _reading(resume_from_checkpoint):
            if sharded or not isinstance(model, Qwen2AudioForConditionalGeneration):
                super()._load_from_checkpoint(resume_from_checkpoint, model)
                return
            saved = Qwen2AudioForConditionalGeneration.from_pretrained(
                resume_from_checkpoint,
                dtype=model.dtype,
                local_files_only=True,
                use_safetensors=True,
            )
            model.load_state_dict(saved.state_dict())

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        with _reading(checkpoint):
            super()._load_optimizer_and_scheduler(checkpoint)

    def _load_scaler(self, checkpoint: str | None) -> None:
        with _reading(checkpoint):
            super()._load_scaler(checkpoint)

    def _load_rng_state(self, checkpoint: str | None) -> None:
        with _reading(checkpoint):
            super()._load_rng_state(checkpoint)

    def _save_checkpoint(self, *arguments: Any, **named: Any) -> None:
        try:
            super()._save_checkpoint(*arguments, **named)
        except (OSError, SafetensorError, RuntimeError) as error:
            raise UserError(
                f"{shown(self.args.output_dir)}: the checkpoint of step {self.state.global_step}"
                f" cannot be written ({first_line(error)}); make room, and give the same command"
                " again: it goes on from the checkpoint before"
            ) from error


@contextmanager
def quiet() -> Iterator[None]:
    """Silence transformers' bars and notes; `StepLog` logs and shows progress."""
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
