"""What both jobs have: a folder, a clock, a model that is loaded and heard, and its answers."""

import gc
import time
from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from r1aqa_helpers.answering import Prediction, answer_questions, write_predictions
from r1aqa_helpers.files import shown
from r1aqa_helpers.models import LoadedModel, hearing_check, load_for
from r1aqa_helpers.paths import place
from r1aqa_helpers.profiles import Profile
from r1aqa_helpers.provenance import provenance
from r1aqa_helpers.questions import AudioQuestion, QuestionSet
from r1aqa_helpers.results import measured_row, write_about
from r1aqa_helpers.scoring import score

from .methods import Measurement, Method


class OutOfTime(Exception):
    """The minutes are over; all that was done is kept."""


class Clock:
    """How long a run may still take."""

    def __init__(self, minutes: float | None) -> None:
        self._end = None if minutes is None else time.monotonic() + 60 * minutes

    @property
    def minutes_left(self) -> float | None:
        """None without a limit."""
        return None if self._end is None else (self._end - time.monotonic()) / 60

    def check(self) -> None:
        """Raise ``OutOfTime`` where none are left."""
        if self._end is not None and time.monotonic() >= self._end:
            raise OutOfTime


@dataclass
class Run:
    """The parts of one run that use a model."""

    profile: Profile
    out: Path
    clock: Clock
    console: Console
    test: Sequence[AudioQuestion]
    test_set: QuestionSet

    @property
    def where(self) -> dict[str, Any]:
        """When, by which code and on what the answers were made, for whoever reads the results."""
        return provenance()

    def load(self, model: str) -> LoadedModel:
        """The model of that name or folder, as the profile wants it."""
        # A trainer's reference cycles may still hold the model before.
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        loaded = load_for(self.profile, model)
        if Path(model).is_relative_to(self.out):
            # So that a run's folder may be moved between two of its parts.
            loaded.name = str(Path(model).relative_to(self.out))
        return loaded

    def listen(self, loaded: LoadedModel) -> None:
        """The hearing check, reported."""
        report = hearing_check(loaded, self.test)
        self.say(
            f"Listening check: silence moves the choices by {report.change:.3f} nats per token."
        )

    def answer(
        self, method: Method, loaded: LoadedModel, train_seconds: float | None = None
    ) -> Measurement:
        """The row of a method: every question answered, or taken from the journal."""
        self.clock.check()
        self.say(f"{method.label}: {len(self.test)} questions.")
        predictions = answer_questions(
            loaded,
            self.test,
            prompt=method.prompt,
            batch_tokens=self.profile.eval_tokens,
            max_new_tokens=self.profile.max_new_tokens,
            log=self.journal(method),
        )
        return self.measured(method, predictions, loaded.name, train_seconds)

    def journal(self, method: Method) -> Path:
        """Where the answers of a method are kept as they come."""
        return self.out / method.folder / "journal.jsonl"

    def predictions_file(self, method: Method) -> Path:
        """Where all of them are in the end."""
        return self.out / method.folder / "predictions.json"

    def measured(
        self,
        method: Method,
        predictions: Sequence[Prediction],
        model: str,
        train_seconds: float | None = None,
    ) -> Measurement:
        """Write the predictions of a method, and score them."""
        path = self.predictions_file(method)
        write_predictions(path, self.test, predictions)
        write_about(path, self.test_set, model=place(model), prompt=method.prompt, **self.where)
        found = self.scored(method, predictions, model, train_seconds)
        self.say(f"{method.label}: {found.score.average:.1f} % right.")
        if found.score.missing:
            self.say(
                f"{method.label}: {found.score.missing} of {found.score.n} questions have no"
                f" answer and count as wrong; see {shown(self.journal(method))}"
            )
        return found

    def scored(
        self,
        method: Method,
        predictions: Sequence[Prediction],
        model: str,
        train_seconds: float | None = None,
    ) -> Measurement:
        """The row of a method from its predictions."""
        result = score(self.test, {p.id: p.answer for p in predictions})
        seconds = fsum(p.seconds for p in predictions)  # the same in any order
        row = measured_row(method.name, method.prompt, result, seconds, self.test_set)
        return Measurement(tuple(predictions), result, row, place(model), train_seconds)

    def say(self, text: str) -> None:
        """Print a line as it stands."""
        self.console.print(text, soft_wrap=True, highlight=False, markup=False)
