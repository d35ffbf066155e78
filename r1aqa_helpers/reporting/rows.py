"""The one type of row in all tables of results, published or own, and the files of rows."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Annotated, Any

import pydantic
from pydantic import Field

from r1aqa_helpers.data import QuestionSet, one_set
from r1aqa_helpers.scoring import Score, mcnemar
from r1aqa_helpers.scoring.text import gain_text, interval_text, number_text
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import read_json, write_json
from r1aqa_helpers.utils.paths import DATA, TINY
from r1aqa_helpers.utils.untrusted import plain, shown, shown_value

DOMAINS = ("sound", "music", "speech")
FIGURES = (*DOMAINS, "average")
_PLAIN = "Direct Inference"  # not named where space is short
_HAIR = 1e-9


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("is not printable")
    return text


Text = Annotated[str, pydantic.AfterValidator(_printable)]
Percent = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]


@pydantic.dataclasses.dataclass(frozen=True, config=pydantic.ConfigDict(strict=True))
class ResultRow:
    """How one method did on one set of questions; accuracies in percent, None: not known.

    Attributes:
        method: how the model was trained or asked.
        prompt: number of the prompt, as R1-AQA numbers them.
        sound, music, speech: None as well where the questions have none of this domain.
        ci95: 95 % interval of the average.
        seconds: that answering took; ``train_seconds``: that training took.
        tasks: by task ``accuracy``, ``n`` and ``ci95``, as ``r1aqa score --json`` has them.
        test_sha256: of the questions (`QuestionSet.sha256`).
        missing, unparsed: predictions that are not there, and that name no choice.
        model: as its source calls it.
        variant: what else belongs in the label, such as ``3 seeds``.
        kind: published, human, baseline or own.
        track: the profile or the questions of an own row.
        source: URL or file; ``note``: how the figures came about, and where sources disagree.
        from_mmau_site: starred in the model card: taken from the MMAU site, not run again.
    """

    method: Annotated[Text, Field(min_length=1)]
    prompt: Count | None = None
    sound: Percent | None = None
    music: Percent | None = None
    speech: Percent | None = None
    average: Percent | None = None
    ci95: Annotated[tuple[Percent, Percent], Field(strict=False)] | None = None
    n: Annotated[int, Field(ge=1)] | None = None
    seconds: Seconds | None = None
    tasks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    test_sha256: Text | None = None
    missing: Count | None = None
    unparsed: Count | None = None
    model: Text = ""
    train_seconds: Seconds | None = None
    variant: Text = ""
    kind: str = "own"
    track: Text = ""
    source: Text = ""
    note: Text = ""
    from_mmau_site: bool = False

    @property
    def label(self) -> str:
        """Method, prompt as the paper writes it, and variant."""
        return label(self.method, self.prompt) + (f", {self.variant}" if self.variant else "")

    @property
    def name(self) -> str:
        """What the row is called in a table of published and own rows."""
        if self.kind not in ("published", "human"):
            return self.label
        parts = (self.model, self.method if self.method != _PLAIN else "")
        return ", ".join(part for part in parts if part)

    def cells(self, digits: int = 2) -> list[str]:
        """The accuracies of the domains, and the average, with so many digits."""
        return [number_text(getattr(self, name), digits) for name in FIGURES]

    @property
    def interval(self) -> str:
        """The interval with one digit."""
        return interval_text(self.ci95)

    def as_dict(self) -> dict[str, Any]:
        """The row as ``results.json`` has it."""
        known = {one.name: getattr(self, one.name) for one in fields(self)}
        always = ("method", "prompt", *FIGURES, "ci95", "n", "seconds", "tasks", "test_sha256")
        others = ("missing", "unparsed", "model", "train_seconds", "variant")
        stored = {name: known[name] for name in always}
        stored |= {name: known[name] for name in others if known[name] not in (None, "")}
        return {**stored, "ci95": None if self.ci95 is None else list(self.ci95)}


def label(method: str, prompt: int | None) -> str:
    """A method with its prompt as the paper writes it: ``grpo <2>``."""
    return plain(method if prompt is None else f"{method} <{prompt}>")


@dataclass(frozen=True)
class Published:
    """What was reported for MMAU test-mini, from sources that disagree in places."""

    benchmark: str
    release: str  #: of MMAU test-mini, that the figures are of
    card: tuple[ResultRow, ...]  #: all thirteen rows of the R1-AQA model card, in its order
    paper: tuple[ResultRow, ...]  #: rows that only the paper has: SFT, and GRPO with thinking
    discrepancies: tuple[ResultRow, ...]  #: other figures for the same rows, and further runs


def load_published(path: Path = DATA / "published_results.json") -> Published:
    """The published rows as kept, with sources, in ``data/published_results.json``."""
    stored = read_json(path)

    def rows(name: str) -> tuple[ResultRow, ...]:
        return tuple(
            ResultRow(
                **{**row, "source": row["source"]["url"], "note": row["source"]["note"]},
                kind="published" if row["model"] else "human",
            )
            for row in stored[name]["rows"]
        )

    parts = (rows(name) for name in ("card", "paper", "discrepancies"))
    return Published(stored["benchmark"], stored["release"], *parts)


def measured_row(
    method: str, prompt: int | None, score: Score, seconds: float | None, test_set: QuestionSet
) -> ResultRow:
    """An own row from its score on the questions of ``test_set``."""
    tasks: dict[str, Any] = {n: score.tasks[n].percent for n in DOMAINS if n in score.tasks}
    return ResultRow(
        method=method,
        prompt=prompt,
        **tasks,
        average=score.average,
        ci95=score.ci95,
        n=score.n,
        seconds=seconds,
        tasks={name: part.as_dict() for name, part in score.tasks.items()},
        test_sha256=test_set.sha256,
        missing=score.missing,
        unparsed=score.unparsed,
    )


def load_measured(path: Path = TINY / "reference_run" / "results.json") -> tuple[ResultRow, ...]:
    """The rows of a finished run; by default of the one that the README reports.

    Raises:
        UserError: the file cannot be read, or is no run's ``results.json``; or its rows are of
            different questions.
    """
    stored = read_json(path)
    rows = stored.get("rows") if isinstance(stored, dict) else None
    if not isinstance(rows, list):
        raise UserError(f"{shown(path)}: is no results.json of r1aqa reproduce; give one")
    measured = tuple(read_row(path, row) for row in rows)
    one_set((row.label, row.test_sha256) for row in measured)
    return measured


def comparison(a: ResultRow, b: ResultRow, score_a: Score, score_b: Score) -> dict[str, Any]:
    """How much better a is than b on the same questions, and McNemar's exact p.

    ``difference`` is the average of a minus that of b, in percentage points. Raises
    ``UserError`` where the two were not asked the same questions.
    """
    one_set((row.label, row.test_sha256) for row in (a, b))
    test = mcnemar(score_a.matches, score_b.matches)
    found = {"a": a.method, "b": b.method, "difference": test.difference, "mcnemar_p": test.p}
    return {**found, "a_prompt": a.prompt, "b_prompt": b.prompt}


class _Comparison(pydantic.BaseModel):
    """What `comparison` made, as a file has it."""

    model_config = pydantic.ConfigDict(strict=True)

    a: str
    b: str
    difference: Annotated[float, Field(ge=-100, le=100)]
    mcnemar_p: Annotated[float, Field(ge=0, le=1)]
    a_prompt: Count | None = None
    b_prompt: Count | None = None


def read_comparisons(path: Path, stored: Any) -> list[dict[str, Any]]:
    """The comparisons in a run's ``results.json``, checked as what a stranger sent.

    Raises:
        UserError: with the field that is missing or cannot be.
    """
    try:
        tests = pydantic.TypeAdapter(list[_Comparison]).validate_python(stored)
    except pydantic.ValidationError as fault:
        raise UserError(f"{shown(path)}: field comparisons: {_first(fault)}") from None
    return [test.model_dump() for test in tests]


def comparison_text(test: Mapping[str, Any]) -> str:
    """What `comparison` found, in a line."""
    a, b = (label(test[side], test.get(f"{side}_prompt")) for side in "ab")
    return f"{a} against {b}: {gain_text(test['difference'], test['mcnemar_p'])}"


def write_scored(path: Path, method: str, source: str, score: Score, test_set: QuestionSet) -> None:
    """Write the row of anyone's predictions to ``path``, for `read_scored`.

    ``method`` is what those who scored them call them, ``source`` where they come from in their
    words: a URL, a file, a person.

    Raises:
        UserError: method or source is empty or cannot be shown, or the file not be written.
    """
    for name, text in (("--as", method), ("--source", source)):
        if not text.strip() or not text.isprintable():
            raise UserError(f"{name}: {shown_value(text)} is no name; give printable words")
    row = measured_row(method.strip(), None, score, None, test_set).as_dict()
    kept = ("method", *FIGURES, "ci95", "n", "missing", "unparsed")
    stored = {name: row[name] for name in kept} | {"source": source.strip()}
    write_json(path, {**stored, "test_set": test_set.as_dict()})


def read_scored(path: Path) -> ResultRow:
    """The row that `write_scored` wrote; its track is the set of questions.

    Raises:
        UserError: with the field, where it is none.
    """
    stored = read_json(path)
    row = read_row(path, stored, needed=("source", "missing", "unparsed"))
    try:
        test_set = QuestionSet.from_dict(stored.get("test_set"))
    except UserError as error:
        raise UserError(f"{shown(path)}: {error}") from None
    return replace(row, track=shown(test_set.name), test_sha256=test_set.sha256)


def read_row(path: Path, stored: Any, needed: tuple[str, ...] = ()) -> ResultRow:
    """The row in a JSON object of the file ``path``, checked as what a stranger sent.

    ``needed`` fields must be there besides method, average, ci95 and n.

    Raises:
        UserError: with the field that is missing or cannot be.
    """
    if not isinstance(stored, dict):
        raise UserError(f"{shown(path)}: is no row of results; give one of r1aqa score --out")
    for name in ("method", "average", "ci95", "n", *needed):
        value = stored.get(name)
        if value is None or not str(value).strip():
            raise UserError(f"{shown(path)}: field {name}: is missing")
    # Where a row stands in a table is not for its file to say.
    names = {one.name for one in fields(ResultRow)} - {"kind", "track", "from_mmau_site"}
    try:
        row = ResultRow(**{name: value for name, value in stored.items() if name in names})
    except pydantic.ValidationError as fault:
        raise UserError(f"{shown(path)}: field {_first(fault)}") from None
    low, high = row.ci95 or (math.nan, math.nan)
    if row.average is None or not low - _HAIR <= row.average <= high + _HAIR:
        raise UserError(f"{shown(path)}: field ci95: {low:g} to {high:g} leaves the average out")
    return row


def _first(fault: pydantic.ValidationError) -> str:
    """Where the first thing is that is wrong, what stands there, and what is wrong with it."""
    first = fault.errors(include_url=False)[0]
    place = ".".join(map(str, first["loc"]))
    return f"{place}: is {shown_value(first['input'])}: {first['msg']}"
