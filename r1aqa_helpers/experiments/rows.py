"""The rows of a table of results: asked, scored, written, and reported beside the published ones.

Each method has a folder, named after it: ``journal.jsonl`` (answers as they come),
``predictions.json``, and which questions it answers (``predictions.json.about.json``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import fsum
from pathlib import Path
from typing import Any

from rich.console import Console

from r1aqa_helpers.data import AudioQuestion, identify
from r1aqa_helpers.evaluation.local import Prediction, write_predictions
from r1aqa_helpers.experiments.methods import Method
from r1aqa_helpers.experiments.session import Session
from r1aqa_helpers.hardware import Profile
from r1aqa_helpers.models import LoadedModel, hearing_check
from r1aqa_helpers.reporting import (
    ResultRow,
    comparison,
    confusion_rows,
    load_published,
    measured_row,
    print_tables,
    verdicts,
    write_metadata,
)
from r1aqa_helpers.reporting.report import Answer, Clip, choose_clips, write_report
from r1aqa_helpers.scoring import Score, score
from r1aqa_helpers.utils.io import shown, write_json
from r1aqa_helpers.utils.paths import place
from r1aqa_helpers.utils.provenance import provenance


@dataclass(frozen=True)
class Measurement:
    """What one method did on the test questions."""

    predictions: tuple[Prediction, ...]
    score: Score
    row: ResultRow
    model: str
    """Name or folder of the model that was asked."""
    train_seconds: float | None = None
    """Of its training steps; None where nothing was trained."""

    def as_dict(self) -> dict[str, Any]:
        """The row as ``results.json`` has it."""
        trained = {} if self.train_seconds is None else {"train_seconds": self.train_seconds}
        return {
            **self.row.as_dict(),
            "missing": self.score.missing,
            "unparsed": self.score.unparsed,
            "model": self.model,
            **trained,
        }


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
        self.say(
            f"Listening check: silence moves the choices by {report.change:.3f} nats per token."
        )

    def log(self, method: Method) -> Path:
        """Where the answers of a method are kept as they come."""
        return self.out / method.name / "journal.jsonl"

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
        self.say(f"{method.label}: {found.score.average:.1f} % right.")
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
        return Measurement(tuple(predictions), result, row, place(model))

    def table(
        self,
        seed: int,
        measured: Mapping[Method, Measurement],
        pairs: Sequence[tuple[Method, Method]],
    ) -> dict[str, Any]:
        """What ``results.json`` holds of any run; ``pairs`` are compared by a paired test."""
        rows = [measurement.row for measurement in measured.values()]
        return {
            "profile": self.profile.name,
            "seed": seed,
            **self.origin,
            "test_set": self.test_set.as_dict(),
            "n": self.test_set.n,
            "rows": [measurement.as_dict() for measurement in measured.values()],
            "comparisons": [
                comparison(measured[a].row, measured[b].row, measured[a].score, measured[b].score)
                for a, b in pairs
            ],
            "verdicts": verdicts(load_published(), rows, self.test_set),
        }

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
        matches = measured[chosen_by].score.matches
        correct = {question.id: bool(matches[question.id]) for question in self.test}
        responses = {
            method: {p.id: p.response for p in m.predictions} for method, m in measured.items()
        }
        clips = [
            Clip(
                question,
                tuple(
                    Answer(
                        method.label,
                        responses[method].get(question.id, "–"),
                        bool(m.score.matches[question.id]),
                    )
                    for method, m in measured.items()
                ),
            )
            for question in choose_clips(self.test, correct, results["seed"])
        ]
        write_report(
            self.out / "report.html",
            results,
            load_published(),
            test_set=self.test_set,
            training=training,
            clips=clips,
            chosen_by=chosen_by.label,
            groups=measured[chosen_by].score.groups(),
            confused=confusion_rows(measured[chosen_by].score.confusions()),
        )
        write_json(self.out / "results.json", results)
        rows = [measurement.row for measurement in measured.values()]
        tests = results["comparisons"]
        print_tables(self.console, load_published(), rows, tests, self.test_set)
        self.say(f"Results in {shown(self.out)}: results.json, report.html")
