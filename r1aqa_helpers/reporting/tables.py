"""The tables that a reproduction prints: measured, verdicts, and published, each by itself."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from r1aqa_helpers.data import QuestionSet, one_set
from r1aqa_helpers.reporting.rows import (
    DOMAINS,
    Published,
    ResultRow,
    comparison_text,
    label,
)
from r1aqa_helpers.reporting.verdict import MEANING, UNLIKE, no_verdict, verdicts
from r1aqa_helpers.scoring.text import interval_text, number_text
from r1aqa_helpers.utils.untrusted import plain

#: Columns of a run's rows, of published rows, and of verdicts.
MEASURED = ("method", "prompt", *DOMAINS, "average", "95 % CI", "n", "seconds")
PUBLISHED = ("model", "method", *DOMAINS, "average")
VERDICTS = ("row", "part", "published", "measured", "95 % CI", "n", "verdict")


def measured_cells(row: ResultRow) -> list[str]:
    """A run's row, as `MEASURED` has it."""
    prompt = "–" if row.prompt is None else f"<{row.prompt}>"
    seconds = number_text(row.seconds, 0)
    return [row.method, prompt, *row.cells(), row.interval, str(row.n), seconds]


def published_cells(row: ResultRow) -> list[str]:
    """A published row, as `PUBLISHED` has it."""
    return [row.model or "–", row.method + "*" * row.from_mmau_site, *row.cells()]


def verdict_cells(found: Iterable[Mapping[str, Any]]) -> Iterator[list[str]]:
    """What `verdicts` found, a line for the average and for each task, as `VERDICTS` has it."""
    for row in found:
        for name, part in row["parts"].items():
            figures = [number_text(part[which], 2) for which in ("published", "measured")]
            figures += [interval_text(part["ci95"]), str(part["n"]), part["verdict"]]
            yield [label(row["method"], row["prompt"]), name, *figures]


def rich_table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], title: str | None = None, left: int = 1
) -> Table:
    """A table of ``left`` columns of text and then of figures; a row that is empty is a rule.

    Names come from files, so that nothing in them is read as markup.
    """
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    for place, name in enumerate(columns):
        # Of two columns of text the first may wrap, so that the table keeps to 80 columns.
        wraps = place == 0 and left > 1
        table.add_column(
            Text(plain(name)), justify="left" if place < left else "right", no_wrap=not wraps
        )
    for row in rows:
        if row:
            table.add_row(*(Text(plain(cell)) for cell in row))
        else:
            table.add_section()
    return table


def verdict_table(found: Sequence[Mapping[str, Any]]) -> Table:
    """What `verdicts` found: a line for the average and for each task of each row."""
    rows: list[list[str]] = []
    last = None
    for first, *rest in verdict_cells(found):
        if first != last:
            rows.append([])
        rows.append([first if first != last else "", *rest])
        last = first
    title = "Published beside measured (accuracy, %)"
    table = rich_table(VERDICTS, rows[1:], title, left=2)
    table.columns[-1].justify = "left"
    return table


def print_tables(
    console: Console,
    published: Published,
    measured: Sequence[ResultRow],
    comparisons: Sequence[Mapping[str, Any]],
    test_set: QuestionSet,
) -> None:
    """Print what this run measured with its paired tests and, clearly apart, what was reported.

    Verdicts stand between, or why there are none. Raises ``UserError`` where the rows are not
    all of ``test_set``.
    """
    one_set([("these questions", test_set.sha256), *((r.label, r.test_sha256) for r in measured)])
    title = "Measured in this run (accuracy, %; the interval is the average's)"
    console.print(rich_table(MEASURED, map(measured_cells, measured), title))
    console.print(Text(f"Questions: {test_set.text}"))
    for test in comparisons:
        console.print(Text(comparison_text(test)))
    console.print()
    reason = no_verdict(published, test_set)
    if reason is None:
        console.print(verdict_table(verdicts(published, measured, test_set)))
        console.print(Text(f"{MEANING} {UNLIKE}"))
    else:
        console.print(Text(reason))
    console.print()
    title = "Published: the 7B model and others, on MMAU test-mini (accuracy, %)"
    rows = [*map(published_cells, published.card), [], *map(published_cells, published.paper)]
    console.print(rich_table(PUBLISHED, rows, title, left=2))
    console.print(
        Text(
            f"Not measured here. {published.benchmark}. * From the MMAU site, not run again by the "
            "authors. Upper rows: the model card; lower rows: only in the paper. Sources and "
            "discrepancies: data/published_results.json."
        )
    )
