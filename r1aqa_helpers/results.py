"""Reported beside measured: the published rows with their sources, and the rows of a run.

Nothing here computes an accuracy; scores come from ``scoring``.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from r1aqa_helpers.errors import UserError
from r1aqa_helpers.files import read_json, shown
from r1aqa_helpers.paths import DATA, TINY
from r1aqa_helpers.scoring import Score, mcnemar

DOMAINS = ("sound", "music", "speech")


@dataclass(frozen=True)
class PublishedRow:
    """One row of a published table; accuracies in percent, to the digits that were printed."""

    model: str  #: empty for the human row
    method: str
    from_mmau_site: bool  #: starred in the card: taken from the MMAU site, not run again
    sound: float
    music: float
    speech: float
    average: float
    source: str  #: URL
    note: str  #: how the figure came about, and where sources disagree


@dataclass(frozen=True)
class Published:
    """What was reported for MMAU test-mini, from two sources that disagree in places."""

    benchmark: str
    card: tuple[PublishedRow, ...]  #: all thirteen rows of the R1-AQA model card, in its order
    paper: tuple[PublishedRow, ...]  #: rows that only the paper has: SFT, and GRPO with thinking


def load_published(path: Path = DATA / "published_results.json") -> Published:
    """The published rows as kept, with sources, in ``data/published_results.json``."""
    stored = read_json(path)

    def rows(name: str) -> tuple[PublishedRow, ...]:
        return tuple(
            PublishedRow(**{**row, "source": row["source"]["url"], "note": row["source"]["note"]})
            for row in stored[name]["rows"]
        )

    return Published(stored["benchmark"], rows("card"), rows("paper"))


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

    def as_dict(self) -> dict:
        """The row as JSON has it."""
        return {**asdict(self), "ci95": list(self.ci95)}


def load_measured(path: Path = TINY / "reference_run" / "results.json") -> tuple[MeasuredRow, ...]:
    """The rows of a finished run; by default of the one that the README reports.

    Raises:
        UserError: the file cannot be read, or is no run's ``results.json``.
    """
    stored, known = read_json(path), {field.name for field in fields(MeasuredRow)}
    try:
        rows = [{name: row[name] for name in known} for row in stored["rows"]]
    except (KeyError, TypeError):
        raise UserError(f"{shown(path)}: is no results.json of r1aqa reproduce; give one") from None
    return tuple(MeasuredRow(**{**row, "ci95": tuple(row["ci95"])}) for row in rows)


def measured_row(method: str, prompt: int, score: Score, seconds: float) -> MeasuredRow:
    """A run's row from its score."""
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
    )


def comparison(a: str, b: str, score_a: Score, score_b: Score) -> dict:
    """How much better a is than b on the same questions, and McNemar's exact p.

    ``difference`` is the average of a minus that of b, in percentage points. Raises
    ``UserError`` where the two were not asked the same questions.
    """
    test = mcnemar(score_a.matches, score_b.matches)
    return {"a": a, "b": b, "difference": test.difference, "mcnemar_p": test.p}


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _domains(row: PublishedRow | MeasuredRow) -> list[str]:
    return [_figure(getattr(row, name)) for name in (*DOMAINS, "average")]


def _table(title: str, texts: Sequence[str], figures: Sequence[str]) -> Table:
    """A table of texts, then figures, that keeps to the 80 columns of a pipe or a log.

    Only the first of several texts may wrap.
    """
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    for name in texts:
        table.add_column(name, no_wrap=name == texts[-1])
    for name in figures:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def measured_table(rows: Sequence[MeasuredRow]) -> Table:
    """The rows of a run: accuracies in percent, the average with its 95 % interval."""
    table = _table(
        "Measured in this run (accuracy, %; the interval is the average's)",
        ["method"],
        ["prompt", *DOMAINS, "average", "95 % CI", "n", "seconds"],
    )
    for row in rows:
        low, high = row.ci95
        table.add_row(
            Text(row.method),
            Text(f"<{row.prompt}>"),
            *_domains(row),
            f"{low:.1f}–{high:.1f}",
            str(row.n),
            f"{row.seconds:.0f}",
        )
    return table


def published_table(published: Published) -> Table:
    """The published rows: the card's thirteen, then those that only the paper has."""
    table = _table(
        "Published: the 7B model and others, on MMAU test-mini (accuracy, %)",
        ["model", "method"],
        [*DOMAINS, "average"],
    )
    for rows in (published.card, published.paper):
        for row in rows:
            star = "*" if row.from_mmau_site else ""
            # Text, because "[1]" and the like would be read as markup.
            table.add_row(Text(row.model or "–"), Text(row.method + star), *_domains(row))
        table.add_section()
    return table


def print_tables(
    console: Console,
    published: Published,
    measured: Sequence[MeasuredRow],
    comparisons: Sequence[dict],
) -> None:
    """Print what this run measured with its paired tests and, clearly apart, what was reported."""
    console.print(measured_table(measured))
    for test in comparisons:
        console.print(
            Text(
                f"{test['a']} against {test['b']}: {test['difference']:+.1f} points, "
                f"McNemar's exact test p = {test['mcnemar_p']:.2g}"
            )
        )
    console.print()
    console.print(published_table(published))
    console.print(
        Text(
            f"Not measured here. {published.benchmark}. * From the MMAU site, not run again by the "
            "authors. Upper rows: the model card; lower rows: only in the paper. Sources and "
            "discrepancies: data/published_results.json."
        )
    )
