"""What every job does in its folder: keep to a time limit, load models, train them, ask them."""

import gc
import hashlib
import json
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from r1aqa_helpers.data import AudioQuestion
from r1aqa_helpers.evaluation.local import Prediction, answer_questions
from r1aqa_helpers.experiments.methods import Method, train_method
from r1aqa_helpers.hardware import Profile
from r1aqa_helpers.models import LoadedModel, load_for
from r1aqa_helpers.utils.io import read_log
from r1aqa_helpers.utils.run_dir import check_writable


class OutOfTime(Exception):
    """The minutes are over; all that was done is kept."""


class Session:
    """One call of a job, which a later call continues."""

    def __init__(
        self, profile: Profile, out: Path, minutes: float | None, say: Callable[[str], None]
    ) -> None:
        """``minutes``: the time limit; ``say`` prints a line.

        Raises:
            UserError: ``out`` cannot be written.
        """
        check_writable(out)
        self.profile, self.out, self.minutes, self.say = profile, out, minutes, say
        self._end = None if minutes is None else time.monotonic() + 60 * minutes

    @property
    def minutes_left(self) -> float | None:
        """None without a limit."""
        return None if self._end is None else max(0.0, (self._end - time.monotonic()) / 60)

    def check_time(self) -> None:
        """Raise `OutOfTime` where no minutes are left."""
        if self.minutes_left == 0:
            raise OutOfTime

    def say_out_of_time(self) -> None:
        """How to go on after `OutOfTime`."""
        self.say(f"{self.minutes:g} minutes are over; the same command goes on from here.")

    def load(self, model: str) -> LoadedModel:
        """The model of that name or folder, as the profile wants it."""
        gc.collect()  # a trainer's reference cycles may still hold the model before
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        loaded = load_for(self.profile, model)
        if Path(model).is_relative_to(self.out):
            # So that the folder may be moved between two calls.
            loaded.name = str(Path(model).relative_to(self.out))
        return loaded

    def train(
        self,
        method: Method,
        settings: Any,
        questions: Sequence[AudioQuestion],
        folder: Path,
        begin: Callable[[LoadedModel], None] = lambda loaded: None,
    ) -> None:
        """Train the profile's model in ``folder``, unless it is there with all its steps.

        ``begin`` is called with the model before its first step. Raises `OutOfTime` where the
        minutes end before the last step.
        """
        model = folder / "model"
        # A model of fewer steps was written when the minutes ended, and is to be trained on.
        if model.is_dir() and _steps(folder) >= settings.steps:
            return
        self.check_time()
        shutil.rmtree(model, ignore_errors=True)
        loaded = self.load(self.profile.model)
        begin(loaded)
        limited = replace(settings, minutes=self.minutes_left)
        train_method(method, loaded, questions, limited, folder)
        if _steps(folder) < settings.steps:
            shutil.rmtree(model)
            raise OutOfTime

    def ask(
        self, loaded: LoadedModel, questions: Sequence[AudioQuestion], prompt: int, log: Path
    ) -> list[Prediction]:
        """Greedy answers to the questions; those that ``log`` has are not asked again."""
        return answer_questions(
            loaded,
            questions,
            prompt=prompt,
            batch_tokens=self.profile.eval_tokens,
            max_new_tokens=self.profile.max_new_tokens,
            log=log,
        )


def training_seconds(folder: Path) -> float:
    """Seconds of all steps of the training in ``folder``."""
    return sum(row["seconds"] for row in read_log(folder / "metrics.jsonl"))


def digest(rows: Sequence[Sequence[Any]]) -> str:
    """16 hexadecimal digits of ``rows``, such as the parts of questions that identify them."""
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:16]


def _steps(folder: Path) -> int:
    """Steps that the training in ``folder`` has made."""
    rows = read_log(folder / "metrics.jsonl")
    return rows[-1]["step"] if rows else 0
