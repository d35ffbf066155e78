"""A row for the table from anyone's predictions: what was scored, whose it is, and from where."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from r1aqa_helpers.errors import UserError
from r1aqa_helpers.files import read_json, shown, shown_value, write_json
from r1aqa_helpers.questions import QuestionSet
from r1aqa_helpers.scoring import Score

from .published import DOMAINS


@dataclass(frozen=True)
class ScoredRow:
    """How a file of predictions scored; accuracies in percent.

    Attributes:
        method: what the predictions are called by those who scored them.
        source: where they come from, in their words: a URL, a file, a person.
        sound, music, speech: None where the questions have none of this domain.
        missing, unparsed: predictions that are not there, and that name no choice.
    """

    method: str
    source: str
    sound: float | None
    music: float | None
    speech: float | None
    average: float
    ci95: tuple[float, float]
    n: int
    missing: int
    unparsed: int
    test_set: QuestionSet


def write_scored(
    path: Path, method: str, source: str, score: Score, test_set: QuestionSet
) -> ScoredRow:
    """Write the row to ``path``.

    Raises:
        UserError: method or source is empty or cannot be shown, or the file not be written.
    """
    for name, text in (("--as", method), ("--source", source)):
        if not text.strip() or not text.isprintable():
            raise UserError(f"{name}: {shown_value(text)} is no name; give printable words")
    domains = {name: score.tasks[name].percent if name in score.tasks else None for name in DOMAINS}
    row = ScoredRow(
        method=method.strip(),
        source=source.strip(),
        **domains,
        average=score.average,
        ci95=score.ci95,
        n=score.n,
        missing=score.missing,
        unparsed=score.unparsed,
        test_set=test_set,
    )
    write_json(path, {**asdict(row), "ci95": list(row.ci95)})
    return row


def read_scored(path: Path) -> ScoredRow:
    """The row that `write_scored` wrote, checked as what a stranger sent.

    Raises:
        UserError: with the field, where it is none.
    """
    stored = read_json(path)
    if not isinstance(stored, dict):
        raise UserError(f"{shown(path)}: is no row of r1aqa score --out; give one")
    for name in ("method", "source"):
        text = stored.get(name)
        if not isinstance(text, str) or not text.strip() or not text.isprintable():
            raise _wrong(path, name, text, "printable words")
    for name in ("average", *DOMAINS):
        if not (name != "average" and stored.get(name) is None) and not _is_percent(stored, name):
            raise _wrong(path, name, stored.get(name), "an accuracy in percent")
    ends = stored.get("ci95")
    if not (
        isinstance(ends, list)
        and len(ends) == 2
        and all(_is_percent({"end": end}, "end") for end in ends)
        and ends[0] <= stored["average"] <= ends[1]
    ):
        raise _wrong(path, "ci95", ends, "the two ends of an interval round the average")
    for name, least in (("n", 1), ("missing", 0), ("unparsed", 0)):
        count = stored.get(name)
        if isinstance(count, bool) or not isinstance(count, int) or count < least:
            raise _wrong(path, name, count, f"a whole number from {least}")
    try:
        test_set = QuestionSet.from_dict(stored.get("test_set"))
    except UserError as error:
        raise UserError(f"{shown(path)}: {error}") from None
    if not test_set.name.isprintable():
        raise _wrong(path, "test_set", test_set.name, "a set with a printable name")
    values = {field.name: stored.get(field.name) for field in fields(ScoredRow)}
    return ScoredRow(**{**values, "ci95": tuple(ends), "test_set": test_set})


def _is_percent(stored: Mapping[str, Any], name: str) -> bool:
    value = stored.get(name)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value) and 0 <= value <= 100


def _wrong(path: Path, name: str, value: object, wanted: str) -> UserError:
    return UserError(f"{shown(path)}: field {name}: is {shown_value(value)}, not {wanted}")
