"""What came out: a row per method and regime, paired comparisons, costs; and what is missing."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from r1aqa_helpers.experiments.methods import METHODS
from r1aqa_helpers.experiments.plan import REGIMES, SEARCH_SEED
from r1aqa_helpers.experiments.records import read_record
from r1aqa_helpers.reporting import DOMAINS
from r1aqa_helpers.reporting.tables import rich_table
from r1aqa_helpers.scoring import holm
from r1aqa_helpers.scoring.bootstrap import Comparison, compare_over_seeds, interval
from r1aqa_helpers.scoring.text import interval_text
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import shown
from r1aqa_helpers.utils.run_dir import RUN_FILE

#: What is compared, fixed before anything was run: Holm's correction is over these.
PAIRS = (
    ("grpo-2", "sft"),
    ("grpo-2", "sft-lora"),
    ("sft-lora", "sft"),
    ("grpo-3", "grpo-2"),
    ("grpo-3", "cota"),
    ("cota", "sft"),
    ("grpo-text-only", "grpo-2"),
    ("grpo-accuracy-only", "grpo-2"),
)
SEEDS = 3


@dataclass(frozen=True)
class MethodRow:
    """How one method did in one regime; accuracies in percent, seconds per run.

    Attributes:
        mean, least, most: over the seeds, on all test questions.
        ci95: of the mean, over questions and seeds at once (`bootstrap.interval`).
        tasks: the mean over the seeds of each task.
        matches: by seed, a 1 or 0 per test question.
        rates: the learning rates that were searched, and accuracy on validation of each.
    """

    regime: str
    method: str
    rate: float
    seeds: tuple[int, ...]
    n: int
    mean: float
    least: float
    most: float
    ci95: tuple[float, float]
    tasks: Mapping[str, float]
    train_cpu: float
    rates: Mapping[float, float]
    matches: Mapping[int, str]

    @property
    def each(self) -> tuple[float, ...]:
        """The accuracy of each seed, in percent."""
        return tuple(100 * m.count("1") / len(m) for _, m in sorted(self.matches.items()))


@dataclass(frozen=True)
class Summary:
    """All rows, all comparisons that can be made, and what is missing, in words."""

    rows: tuple[MethodRow, ...]
    comparisons: tuple[Comparison, ...]
    missing: tuple[str, ...]
    hardware: tuple[str, ...]


def load_records(folder: Path) -> list[dict[str, Any]]:
    """The records of an experiment's folder, or of its folder ``runs``.

    Raises:
        UserError: there is none, one cannot be read, or they were tested on different questions.
    """
    begun = (folder / "runs").is_dir() or (folder / RUN_FILE).exists()
    place = folder / "runs" if begun else folder
    paths = sorted(place.glob("*.json"))
    if not paths:
        raise UserError(f"{shown(place)}: holds no run; give the --out of r1aqa experiment")
    records = [read_record(path) for path in paths]
    asked = {record["questions"]["test"] for record in records if "test" in record}
    if len(asked) > 1:
        raise UserError(f"{shown(place)}: its runs were tested on different questions")
    return records


def summarise(records: Sequence[Mapping[str, Any]], seeds: int = SEEDS) -> Summary:
    """Rows and comparisons of what is there; ``seeds``: how many of each there should be.

    Raises:
        UserError: a method was tested at two rates in one regime, so that one was not chosen.
    """
    rows, missing = [], []
    regimes = [name for name in REGIMES if any(r["regime"] == name for r in records)]
    for regime in regimes:
        for method in REGIMES[regime].methods:
            found = [r for r in records if (r["regime"], r["method"]) == (regime, method)]
            tested = {r["seed"]: r for r in found if "test" in r}
            if len({r["lr"] for r in found if "test" in r}) > 1:
                raise UserError(f"{regime}, {method}: was tested at more than one learning rate")
            wanted = range(SEARCH_SEED, SEARCH_SEED + seeds)
            absent = [str(seed) for seed in wanted if seed not in tested]
            if absent:
                missing.append(f"{regime}, {method}: seed {', '.join(absent)} not tested yet")
            if tested:
                rows.append(_row(regime, method, tested, found))
    by_method = {(row.regime, row.method): row for row in rows}
    comparisons = []
    for regime in regimes:
        for a, b in PAIRS:
            one, other = by_method.get((regime, a)), by_method.get((regime, b))
            if one and other and one.matches.keys() & other.matches.keys():
                comparisons.append(compare_over_seeds(regime, a, b, one.matches, other.matches))
    corrected = holm([comparison.p for comparison in comparisons])
    return Summary(
        tuple(rows),
        tuple(replace(c, holm=p) for c, p in zip(comparisons, corrected, strict=True)),
        tuple(missing),
        tuple(sorted({r["hardware"] for r in records})),
    )


def _row(
    regime: str,
    method: str,
    tested: Mapping[int, Mapping[str, Any]],
    found: Sequence[Mapping[str, Any]],
) -> MethodRow:
    runs = [tested[seed] for seed in sorted(tested)]
    accuracies = [run["test"]["accuracy"] for run in runs]
    matches = {seed: tested[seed]["test"]["matches"] for seed in sorted(tested)}

    return MethodRow(
        regime=regime,
        method=method,
        rate=runs[0]["lr"],
        seeds=tuple(sorted(tested)),
        n=runs[0]["test"]["n"],
        mean=statistics.fmean(accuracies),
        least=min(accuracies),
        most=max(accuracies),
        ci95=interval(matches),
        tasks={
            task: statistics.fmean(run["test"]["tasks"][task]["accuracy"] for run in runs)
            for task in sorted(runs[0]["test"]["tasks"], key=DOMAINS.index)
        },
        train_cpu=statistics.fmean(run["training"]["cpu_seconds"] for run in runs),
        rates={
            run["lr"]: run["validation"]["accuracy"]
            for run in sorted(found, key=lambda run: run["lr"])
            if run["seed"] == SEARCH_SEED
        },
        matches=matches,
    )


def method_label(name: str) -> str:
    """The method's name in tables."""
    return METHODS[name].label


def print_summary(console: Console, summary: Summary) -> None:
    """Accuracies and costs per regime, then all comparisons, then what is missing."""

    def say(text: str) -> None:
        console.print(text, soft_wrap=True, highlight=False, markup=False)

    for name in dict.fromkeys(row.regime for row in summary.rows):
        rows = [row for row in summary.rows if row.regime == name]
        console.print(_accuracies(REGIMES[name].label, rows))
        console.print(_costs(rows))
    if summary.comparisons:
        console.print(_comparisons(summary.comparisons))
        say(
            "p: of McNemar's exact test for each seed; pooled: bootstrap over questions and seeds "
            "at once. Few seeds show the variance of training poorly, so the pooled intervals are "
            "somewhat too narrow. Holm: pooled p, corrected for all comparisons above."
        )
    for line in summary.missing:
        say(f"missing: {line}")
    say(f"Measured on: {'; '.join(summary.hardware)}")


def _accuracies(title: str, rows: list[MethodRow]) -> Table:
    tasks = list(rows[0].tasks)
    cells = [
        [
            method_label(row.method),
            f"{row.mean:.1f}",
            interval_text(row.ci95),
            *(f"{row.tasks[task]:.1f}" for task in tasks),
            " ".join(f"{one:.1f}" for one in row.each),
        ]
        for row in rows
    ]
    title = f"{title}: accuracy in % on {rows[0].n} questions"
    return rich_table(["method", "mean", "95 %", *tasks, "each seed"], cells, title)


def _costs(rows: list[MethodRow]) -> Table:
    cells = [
        [
            method_label(row.method),
            f"{row.rate:.1e}",
            "  ".join(f"{rate:.0e}: {value:.0f}" for rate, value in row.rates.items()),
            f"{row.train_cpu:.0f}",
        ]
        for row in rows
    ]
    title = "learning rate, with accuracy on validation; seconds of processor per run"
    table = rich_table(["method", "chosen", "searched", "training"], cells, title)
    table.columns[2].no_wrap = False
    return table


def _comparisons(comparisons: Sequence[Comparison]) -> Table:
    cells = [
        [
            f"{one.regime}: {one.a} – {one.b}",
            f"{one.difference:+.1f}",
            f"{one.ci95[0]:+.1f} to {one.ci95[1]:+.1f}",
            ", ".join(f"{test.p:.2g}" for test in one.per_seed.values()),
            f"{one.p:.2g}",
            f"{one.holm:.2g}",
        ]
        for one in comparisons
    ]
    columns = ["a – b", "points", "95 %", "p per seed", "pooled", "Holm"]
    table = rich_table(columns, cells, "paired comparisons, in points")
    table.columns[0].no_wrap = table.columns[3].no_wrap = False
    return table
