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
    table = Table(title=f"{title}: accuracy in % on {rows[0].n} questions", box=box.SIMPLE)
    table.add_column("road", no_wrap=True)
    for heading in ("mean", "95 %", "min–max", *tasks, "seeds"):
        table.add_column(heading, justify="right")
    for row in rows:
        low, high = row.ci95
        cells = [f"{row.mean:.1f}", f"{low:.1f}–{high:.1f}", f"{row.least:.1f}–{row.most:.1f}"]
        cells += [f"{row.tasks[task]:.1f}" for task in tasks]
        table.add_row(road_label(row.road), *cells, str(len(row.seeds)))
    return table


def _costs(rows: list[RoadRow]) -> Table:
    table = Table(title="rate (validation %) and seconds per run", box=box.SIMPLE)
    table.add_column("road", no_wrap=True)
    for heading in ("chosen", "searched on validation", "train", "CPU", "test"):
        table.add_column(heading, justify="right")
    for row in rows:
        searched = "  ".join(f"{rate:.0e}: {value:.0f}" for rate, value in row.rates.items())
        seconds = [f"{value:.0f}" for value in (row.train_wall, row.train_cpu, row.test_wall)]
        table.add_row(road_label(row.road), f"{row.rate:.1e}", searched, *seconds)
    return table


def _comparisons(summary: Summary) -> Table:
    table = Table(title="paired comparisons, in points", box=box.SIMPLE)
    table.add_column("a – b")
    for heading in ("difference", "95 %", "p per seed", "pooled", "Holm"):
        table.add_column(heading, justify="right")
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


def _say(console: Console, text: str) -> None:
    console.print(text, soft_wrap=True, highlight=False, markup=False)
