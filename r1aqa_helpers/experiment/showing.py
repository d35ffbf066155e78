"""The summary as tables on a terminal."""

from rich import box
from rich.console import Console
from rich.table import Table

from r1aqa_helpers.experiment.plan import REGIMES
from r1aqa_helpers.experiment.summary import RoadRow, Summary, road_label


def print_summary(console: Console, summary: Summary) -> None:
    """Accuracies and costs per regime, then all comparisons, then what is missing."""
    for name in dict.fromkeys(row.regime for row in summary.rows):
        rows = [row for row in summary.rows if row.regime == name]
        console.print(_accuracies(REGIMES[name].label, rows))
        console.print(_costs(rows))
    if summary.comparisons:
        console.print(_comparisons(summary))
        _say(
            console,
            "p: of McNemar's exact test for each seed; pooled: bootstrap over questions and "
            "seeds at once. Few seeds show the luck of training poorly, so the pooled intervals "
            "are somewhat too narrow. Holm: pooled p, corrected for all comparisons above.",
        )
    for line in summary.missing:
        _say(console, f"missing: {line}")
    _say(console, f"Measured on: {'; '.join(summary.hardware)}")


def _accuracies(title: str, rows: list[RoadRow]) -> Table:
    tasks = list(rows[0].tasks)
    table = _table(f"{title}: accuracy in % on {rows[0].n} questions")
    for heading in ("mean", "95 %", *tasks, "each seed"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        low, high = row.ci95
        cells = [f"{row.mean:.1f}", f"{low:.1f}–{high:.1f}"]
        cells += [f"{row.tasks[task]:.1f}" for task in tasks]
        table.add_row(road_label(row.road), *cells, " ".join(f"{one:.1f}" for one in row.each))
    return table


def _costs(rows: list[RoadRow]) -> Table:
    table = _table("learning rate, with accuracy on validation; seconds of processor per run")
    for heading in ("chosen", "searched", "training"):
        table.add_column(heading, justify="right", no_wrap=heading != "searched")
    for row in rows:
        searched = "  ".join(f"{rate:.0e}: {value:.0f}" for rate, value in row.rates.items())
        table.add_row(road_label(row.road), f"{row.rate:.1e}", searched, f"{row.train_cpu:.0f}")
    return table


def _comparisons(summary: Summary) -> Table:
    table = Table(title="paired comparisons, in points", box=box.SIMPLE, padding=(0, 1, 0, 0))
    table.add_column("a – b")
    for heading in ("points", "95 %", "p per seed", "pooled", "Holm"):
        table.add_column(heading, justify="right", no_wrap=heading != "p per seed")
    for one in summary.comparisons:
        table.add_row(
            f"{one.regime}: {one.a} – {one.b}",
            f"{one.difference:+.1f}",
            f"{one.ci95[0]:+.1f} to {one.ci95[1]:+.1f}",
            ", ".join(f"{test.result.p:.2g}" for test in one.per_seed),
            f"{one.p:.2g}",
            f"{one.holm:.2g}",
        )
    return table


def _table(title: str) -> Table:
    table = Table(title=title, box=box.SIMPLE, padding=(0, 1, 0, 0))
    table.add_column("road", no_wrap=True)
    return table


def _say(console: Console, text: str) -> None:
    console.print(text, soft_wrap=True, highlight=False, markup=False)
