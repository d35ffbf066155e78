"""The rows of a run, and how one compares with another on the same questions."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from r1aqa_helpers.errors import UserError
from r1aqa_helpers.files import read_json, shown
from r1aqa_helpers.paths import TINY
from r1aqa_helpers.questions import QuestionSet, one_set
from r1aqa_helpers.scoring import Score, mcnemar

from .published import DOMAINS


@dataclass(frozen=True)
class MeasuredRow:
    """One row of a run's table, as it stands in ``results.json``; accuracies in percent."""

    method: str
    prompt: int
    sound: float | None  #: None where the questions have none of this domain
    music: float | None
    speech: float | None
    average: float
    ci95: tuple[float, float]  #: Wilson's interval of the average
    n: int
    seconds: float  #: that the method took
    #: by task: ``accuracy``, ``n`` and ``ci95``, as ``r1aqa score --json`` has them
    tasks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    test_sha256: str | None = None  #: of the questions (`QuestionSet.sha256`); None: not kept

    @property
    def label(self) -> str:
        """With the paper's way of writing a prompt."""
        return f"{self.method} <{self.prompt}>"

    def as_dict(self) -> dict:
        """The row as JSON has it."""
        return {**asdict(self), "ci95": list(self.ci95)}


def load_measured(path: Path = TINY / "reference_run" / "results.json") -> tuple[MeasuredRow, ...]:
    """The rows of a finished run; by default of the one that the README reports.

    Raises:
        UserError: the file cannot be read, or is no run's ``results.json``; or its rows are of
            different questions.
    """
    stored, known = read_json(path), {field.name for field in fields(MeasuredRow)}
    late = {"tasks", "test_sha256"}  # runs from before these were kept are read, too
    try:
        rows = [
            {name: row[name] for name in known if name in row or name not in late}
            for row in stored["rows"]
        ]
    except (KeyError, TypeError):
        raise UserError(f"{shown(path)}: is no results.json of r1aqa reproduce; give one") from None
    measured = tuple(MeasuredRow(**{**row, "ci95": tuple(row["ci95"])}) for row in rows)
    one_set((row.label, row.test_sha256) for row in measured)
    return measured


def measured_row(
    method: str, prompt: int, score: Score, seconds: float, test_set: QuestionSet
) -> MeasuredRow:
    """A run's row from its score on the questions of ``test_set``."""
    accuracy = {
        domain: score.tasks[domain].percent if domain in score.tasks else None for domain in DOMAINS
    }
    return MeasuredRow(
        method=method,
        prompt=prompt,
        **accuracy,
        average=score.average,
        ci95=score.ci95,
        n=score.n,
        seconds=seconds,
        tasks={name: part.as_dict() for name, part in score.tasks.items()},
        test_sha256=test_set.sha256,
    )


def comparison(a: MeasuredRow, b: MeasuredRow, score_a: Score, score_b: Score) -> dict:
    """How much better a is than b on the same questions, and McNemar's exact p.

    ``difference`` is the average of a minus that of b, in percentage points. Raises
    ``UserError`` where the two were not asked the same questions.
    """
    one_set((row.label, row.test_sha256) for row in (a, b))
    test = mcnemar(score_a.matches, score_b.matches)
    return {
        "a": a.method,
        "b": b.method,
        "difference": test.difference,
        "mcnemar_p": test.p,
        "a_prompt": a.prompt,
        "b_prompt": b.prompt,
    }
