"""The tables that a reproduction prints: measured, verdicts, and published, each by itself."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from r1aqa_helpers.questions import QuestionSet, one_set

from .measured import MeasuredRow
from .published import DOMAINS, Published, PublishedRow
from .verdict import MEANING, no_verdict, verdicts


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


def verdict_table(found: Sequence[Mapping[str, Any]]) -> Table:
    """What `verdicts` found: a line for the average and for each task of each row."""
    table = _table(
        "Published beside measured (accuracy, %)",
        ["row", "part"],
        ["published", "measured", "95 % CI", "n"],
    )
    table.add_column("verdict", no_wrap=True)
    for row in found:
        label = f"{row['method']} <{row['prompt']}>"
        for name, part in row["parts"].items():
            low, high = part["ci95"]
            table.add_row(
                Text(label),
                name,
                f"{part['published']:.2f}",
                f"{part['measured']:.2f}",
                f"{low:.1f}–{high:.1f}",
                str(part["n"]),
                part["verdict"],
            )
            label = ""
        table.add_section()
    return table


def print_tables(
    console: Console,
    published: Published,
    measured: Sequence[MeasuredRow],
    comparisons: Sequence[Mapping[str, Any]],
    test_set: QuestionSet,
) -> None:
    """Print what this run measured with its paired tests and, clearly apart, what was reported.

    Verdicts stand between, or why there are none. Raises ``UserError`` where the rows are not
    all of ``test_set``.
    """
    one_set([("these questions", test_set.sha256), *((r.label, r.test_sha256) for r in measured)])
    console.print(measured_table(measured))
    console.print(Text(f"Questions: {test_set.text}"))
    for test in comparisons:
        console.print(
            Text(
                f"{test['a']} <{test['a_prompt']}> against {test['b']} <{test['b_prompt']}>:"
                f" {test['difference']:+.1f} points, McNemar's exact test"
                f" p = {test['mcnemar_p']:.2g}"
            )
        )
    console.print()
    reason = no_verdict(published, test_set)
    if reason is None:
        console.print(verdict_table(verdicts(published, measured, test_set)))
        console.print(Text(MEANING))
    else:
        console.print(Text(reason))
    console.print()
    console.print(published_table(published))
    console.print(
        Text(
            f"Not measured here. {published.benchmark}. * From the MMAU site, not run again by the "
            "authors. Upper rows: the model card; lower rows: only in the paper. Sources and "
            "discrepancies: data/published_results.json."
        )
    )
