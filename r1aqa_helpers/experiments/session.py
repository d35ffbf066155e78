"""What every job does in its folder: keep to a time limit, load models, train them, ask them.

`TableRun` also makes the rows of a table of results. Each method has a folder, named after it:
``log.jsonl`` (answers as they come), ``predictions.json``, and which questions it answers
(``predictions.json.about.json``).
"""

import gc
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import fsum
from pathlib import Path
from typing import Any, NamedTuple

import torch
from rich.console import Console

from r1aqa_helpers.data import AudioQuestion, identify
from r1aqa_helpers.evaluation.local import Prediction, answer_questions, write_predictions
from r1aqa_helpers.experiments.methods import Method, train_method
from r1aqa_helpers.hardware import Profile
from r1aqa_helpers.models import LoadedModel, hearing_check, load_for
from r1aqa_helpers.reporting import (
    ResultRow,
    comparison,
    load_published,
    measured_row,
    print_tables,
    verdicts,
)
from r1aqa_helpers.reporting.report import Answer, Clip, choose_clips, write_report
from r1aqa_helpers.scoring import Score, score, write_metadata
from r1aqa_helpers.training import steps_made
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import read_log, write_json
from r1aqa_helpers.utils.paths import place
from r1aqa_helpers.utils.provenance import provenance
from r1aqa_helpers.utils.run_dir import check_writable
from r1aqa_helpers.utils.untrusted import shown


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
        start: Path | None = None,
    ) -> None:
        """Train a model in ``folder``, unless it is there with all its steps.

        ``begin`` is called with the model before its first step; ``start`` is the model's folder,
        by default the profile's model. Raises `OutOfTime` where the minutes end before the last
        step.
        """
        model = folder / "model"
        if is_trained(folder, settings.steps):
            return
        self.check_time()
        shutil.rmtree(model, ignore_errors=True)
        loaded = self.load(self.profile.model if start is None else str(start))
        begin(loaded)
        limited = replace(settings, minutes=self.minutes_left)
        longest = self.profile.grpo.get("max_completion", self.profile.max_new_tokens)
        train_method(method, loaded, questions, limited, folder, longest)
        if steps_made(folder) < settings.steps:
            shutil.rmtree(model)
            raise OutOfTime

    def ask(
        self, loaded: LoadedModel, questions: Sequence[AudioQuestion], prompt: int, log: Path
    ) -> list[Prediction]:
        """Greedy answers to the questions; those that ``log`` has are not asked again.

        Raises ``UserError``, after the others have been asked, where one cannot be.
        """
        said = answer_questions(
            loaded,
            questions,
            prompt=prompt,
            batch_tokens=self.profile.eval_tokens,
            max_new_tokens=self.profile.max_new_tokens,
            log=log,
        )
        if len(said) < len(questions):
            raise UserError(
                f"{shown(log)}: {len(questions) - len(said)} of {len(questions)} answers are"
                " missing; fix what the warnings name, and give the same command again"
            )
        return said


class Measurement(NamedTuple):
    """What one method did on the test questions."""

    predictions: Sequence[Prediction]
    score: Score
    row: ResultRow


class TableRun(Session):
    """A session whose methods answer the same test questions."""

    def __init__(
        self,
        profile: Profile,
        out: Path,
        minutes: float | None,
        console: Console | None,
        test: Sequence[AudioQuestion],
        questions: Path,
    ) -> None:
        """``test``: the questions of the file ``questions``, all with gold answers.

        Raises:
            UserError: a question has no gold answer, or ``out`` cannot be written.
        """
        self.console = console or Console()
        score(test, {})  # finds a question without a gold answer now, not after hours of work
        self.test, self.test_set = test, identify(test, questions)
        #: When, by which code and on what the answers are made.
        self.origin: dict[str, Any] = provenance()
        super().__init__(profile, out, minutes, self._print)

    def _print(self, text: str) -> None:
        self.console.print(text, soft_wrap=True, highlight=False, markup=False)

    def check_hearing(self, loaded: LoadedModel) -> None:
        """The hearing check, with its outcome printed. Raises as `hearing_check`."""
        report = hearing_check(loaded, self.test)
        self.say(f"Hearing check: silence moves the choices by {report.change:.3f} nats per token.")

    def log(self, method: Method) -> Path:
        """Where the answers of a method are kept as they come."""
        return self.out / method.name / "log.jsonl"

    def predictions_file(self, method: Method) -> Path:
        """Where all of them are in the end."""
        return self.out / method.name / "predictions.json"

    def begin_row(self, method: Method) -> None:
        """Say which row comes. Raises `OutOfTime` where no minutes are left."""
        self.check_time()
        self.say(f"{method.label}: {len(self.test)} questions.")

    def answer(self, method: Method, loaded: LoadedModel) -> Measurement:
        """The row of a method: every question answered, or taken from the log."""
        self.begin_row(method)
        predictions = self.ask(loaded, self.test, method.prompt, self.log(method))
        return self.measured(method, predictions, loaded.name)

    def measured(
        self, method: Method, predictions: Sequence[Prediction], model: str
    ) -> Measurement:
        """Write the predictions of a method, and score them."""
        path = self.predictions_file(method)
        write_predictions(path, self.test, predictions)
        write_metadata(path, self.test_set, model=place(model), prompt=method.prompt, **self.origin)
        found = self.scored(method, predictions, model)
        self.say(f"{method.label}: {found.score.average:.1f} % correct.")
        if found.score.missing:
            self.say(
                f"{method.label}: {found.score.missing} of {found.score.n} questions have no"
                f" answer and count as wrong; see {shown(self.log(method))}"
            )
        return found

    def scored(self, method: Method, predictions: Sequence[Prediction], model: str) -> Measurement:
        """The row of a method from its predictions."""
        result = score(self.test, {p.id: p.answer for p in predictions})
        seconds = fsum(p.seconds for p in predictions)  # the same in any order
        row = measured_row(method.row, method.prompt, result, seconds, self.test_set)
        return Measurement(predictions, result, replace(row, model=place(model)))

    def write(
        self,
        results: Mapping[str, Any],
        measured: Mapping[Method, Measurement],
        chosen_by: Method,
        training: Mapping[str, Sequence[Mapping[str, Any]]],
    ) -> None:
        """Write ``report.html``, then ``results.json``, and print the tables.

        Half of the report's clips are of questions that ``chosen_by`` answered correctly.
        ``training``: rows of ``metrics.jsonl`` by algorithm.
        """
        chosen = choose_clips(self.test, measured[chosen_by].score.matches, results["seed"])
        responses = {
            method: {one.id: one.response for one in found.predictions}
            for method, found in measured.items()
        }

        def said(method: Method, question: AudioQuestion) -> Answer:
            correct = bool(measured[method].score.matches[question.id])
            return Answer(method.label, responses[method].get(question.id, "–"), correct)

        write_report(
            self.out / "report.html",
            results,
            load_published(),
            test_set=self.test_set,
            training=training,
            clips=[Clip(q, tuple(said(method, q) for method in measured)) for q in chosen],
            chosen_by=chosen_by.label,
            score=measured[chosen_by].score,
        )
        write_json(self.out / "results.json", results)
        rows, tests = [one.row for one in measured.values()], results["comparisons"]
        print_tables(self.console, load_published(), rows, tests, self.test_set)
        self.say(f"Results in {shown(self.out)}: results.json, report.html")

    def results(
        self,
        seed: int,
        measured: Mapping[Method, Measurement],
        pairs: Sequence[tuple[Method, Method]],
    ) -> dict[str, Any]:
        """What ``results.json`` holds of any run; ``pairs`` are compared by a paired test."""
        rows = [one.row for one in measured.values()]
        return {
            "profile": self.profile.name,
            "seed": seed,
            **self.origin,
            "test_set": self.test_set.as_dict(),
            "n": self.test_set.n,
            "rows": [row.as_dict() for row in rows],
            "comparisons": [
                comparison(measured[a].row, measured[b].row, measured[a].score, measured[b].score)
                for a, b in pairs
            ],
            "verdicts": verdicts(load_published(), rows, self.test_set),
        }


def is_trained(folder: Path, steps: int) -> bool:
    """Whether the training in ``folder`` has ended.

    A model of fewer steps was written when the minutes ended, and is to be trained on.
    """
    return (folder / "model").is_dir() and steps_made(folder) >= steps


def training_seconds(folder: Path) -> float:
    """Seconds of all steps of the training in ``folder``."""
    return sum(row["seconds"] for row in read_log(folder / "metrics.jsonl"))
