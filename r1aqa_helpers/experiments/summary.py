"""What came out: a row per method and regime, the planned comparisons, costs; what is missing."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from r1aqa_helpers.experiments.methods import ROWS
from r1aqa_helpers.experiments.plan import REGIMES, SEARCH_SEED, UNTRAINED
from r1aqa_helpers.experiments.records import read_record
from r1aqa_helpers.reporting import DOMAINS
from r1aqa_helpers.reporting.tables import rich_table
from r1aqa_helpers.scoring import holm
from r1aqa_helpers.scoring.seeds import (
    Comparison,
    compare_over_seeds,
    crossed,
    next_seed,
    table,
)
from r1aqa_helpers.scoring.text import interval_text
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.run_dir import RUN_FILE
from r1aqa_helpers.utils.untrusted import shown


class Pair(NamedTuple):
    """Two methods to be compared, a in ``regime`` and b in ``other``, where that is another."""

    a: str
    b: str
    regime: str = "table"
    other: str | None = None


#: What is compared, fixed before anything was run: Holm's correction is over all of these.
FAMILY = (
    Pair("grpo-2", "sft"),
    Pair("grpo-2", "sft-lora"),
    Pair("grpo-2", "direct-2", other=UNTRAINED.name),
    Pair("grpo-3", "zero-shot-cot", other=UNTRAINED.name),
    Pair("grpo-3", "grpo-2"),
    Pair("grpo-3", "cota"),
    Pair("cota", "sft"),
    Pair("cota", "zero-shot-cot", other=UNTRAINED.name),
    Pair("cold-start", "grpo-3"),
    Pair("cold-start", "cota"),
    Pair("sft-grpo", "grpo-2"),
    Pair("sft-grpo", "sft"),
    Pair("rejection", "sft"),
    Pair("rejection", "grpo-2"),
    Pair("sft-random", "direct-2", other=UNTRAINED.name),
    Pair("grpo-text-only", "grpo-2"),
    Pair("grpo-accuracy-only", "grpo-2"),
    Pair("grpo-2", "sft", "few"),
    Pair("grpo-2", "sft", "wrong-labels"),
    Pair("grpo-2", "sft", "sound-only"),
    Pair("grpo-2", "sft", other="equal-compute"),
    Pair("cota", "sft", "all"),
)


#: Points by which an untrained row may move: sums in another order break ties otherwise.
UNTRAINED_BAND = 1.0


@dataclass(frozen=True)
class MethodRow:
    """How one method did in one regime; accuracies in percent, costs and counts per run.

    Attributes:
        rate: the learning rate; None for an untrained row.
        at_end: whether it is at the end of what was searched.
        seeds: none for an untrained row.
        mean, least, most: over the seeds, on all test questions.
        ci95: of the mean, for other seeds and other questions (`seeds.crossed`).
        band: where it lies when it is measured again on these questions: one more seed
            (`seeds.next_seed`), or an untrained row, by `UNTRAINED_BAND`; None for one seed.
        loss_band: the same for the mean loss of a training: a term of the loss that is dropped
            changes it more than the accuracy; None for an untrained row, and for one seed.
        tasks: the mean over the seeds of each task.
        format: share of the answers in the format that the prompt asks for; None where it asks
            for none.
        cut: answers that were cut at the token limit.
        costs: of a training, with what it starts from: see `records.costs`.
        rates: the learning rates that were searched, and accuracy on validation of each.
        matches: by seed, a 1 or 0 per test question; an untrained row has one, `SEARCH_SEED`.
    """

    regime: str
    method: str
    rate: float | None
    at_end: bool
    seeds: tuple[int, ...]
    n: int
    mean: float
    least: float
    most: float
    ci95: tuple[float, float]
    band: tuple[float, float] | None
    loss_band: tuple[float, float] | None
    tasks: Mapping[str, float]
    format: float | None
    cut: float | None
    costs: Mapping[str, float]
    rates: Mapping[float, float]
    matches: Mapping[int, str]

    @property
    def each(self) -> tuple[float, ...]:
        """The accuracy of each seed, in percent."""
        return tuple(100 * m.count("1") / len(m) for _, m in sorted(self.matches.items()))

    @property
    def train_cpu(self) -> float:
        """Seconds of processor time per training."""
        return self.costs.get("cpu_seconds", 0.0)


@dataclass(frozen=True)
class Summary:
    """All rows, all comparisons that can be made, and what is missing, in words."""

    rows: tuple[MethodRow, ...]
    comparisons: tuple[Comparison, ...]
    missing: tuple[str, ...]
    hardware: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """As ``r1aqa experiment summary --json`` prints it."""
        rows = [{**asdict(row), "each": row.each} for row in self.rows]
        comparisons = [
            {**asdict(one), "difference": one.difference, "verdict": one.verdict}
            for one in self.comparisons
        ]
        return {
            "rows": rows,
            "comparisons": comparisons,
            "missing": self.missing,
            "hardware": self.hardware,
        }


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
    asked = {
        (record["questions"].get("test"), record["test"]["n"], *sorted(record["test"]["tasks"]))
        for record in records
        if "test" in record
    }
    if len(asked) > 1:
        raise UserError(f"{shown(place)}: its runs were tested on different questions")
    return records


def summarise(records: Sequence[Mapping[str, Any]], seeds: int | None = None) -> Summary:
    """Rows and comparisons of what is there; ``seeds``: at most so many of each are expected.

    Raises:
        UserError: a method was tested at two rates in one regime, so that one was not chosen.
    """
    rows, missing = {}, []
    for regime in REGIMES.values():
        if not any(record["regime"] == regime.name for record in records):
            if regime is not UNTRAINED:
                missing.append(f"{regime.name} ({regime.label}): not run yet")
            continue
        for method in regime.methods:
            found = [r for r in records if (r["regime"], r["method"]) == (regime.name, method)]
            tested = {r["seed"]: r for r in found if "test" in r}
            if len({record["lr"] for record in tested.values()}) > 1:
                raise UserError(
                    f"{regime.name}, {method}: was tested at more than one learning rate"
                )
            absent = [str(s) for s in regime.seeds_of(method, seeds) if s not in tested]
            if absent:
                missing.append(f"{regime.name}, {method}: seed {', '.join(absent)} not tested yet")
            elif not tested:
                missing.append(f"{regime.name}, {method}: not tested yet")
            if tested:
                rows[regime.name, method] = _row(regime.name, method, tested, found)
    return Summary(
        tuple(rows.values()),
        _compared(rows),
        tuple(missing),
        tuple(sorted({r["hardware"] for r in records})),
    )


def _compared(rows: Mapping[tuple[str, str], MethodRow]) -> tuple[Comparison, ...]:
    """The comparisons of `FAMILY` for which there are two common seeds, corrected for all of it.

    Those that are missing count as without a difference, so that p values can only fall.
    """
    found = []
    for pair in FAMILY:
        one = rows.get((pair.regime, pair.a))
        other = rows.get((pair.other or pair.regime, pair.b))
        if one is None or other is None:
            continue
        theirs = other.matches
        if not other.seeds:  # the same answers beside every seed
            theirs = dict.fromkeys(one.matches, theirs[SEARCH_SEED])
        if len(one.matches.keys() & theirs.keys()) > 1:
            name = pair.b if pair.other in (None, UNTRAINED.name) else f"{pair.other}/{pair.b}"
            found.append(compare_over_seeds(pair.regime, pair.a, name, one.matches, theirs))
    corrected = holm([one.p for one in found] + [1.0] * (len(FAMILY) - len(found)))
    return tuple(replace(one, holm=p) for one, p in zip(found, corrected, strict=False))


def _row(
    regime: str,
    method: str,
    tested: Mapping[int | None, Mapping[str, Any]],
    found: Sequence[Mapping[str, Any]],
) -> MethodRow:
    seeds = tuple(sorted(seed for seed in tested if seed is not None))
    runs = [tested[seed] for seed in seeds] or list(tested.values())
    accuracies = [run["test"]["accuracy"] for run in runs]
    matches = {
        seed: run["test"]["matches"]
        for seed, run in zip(seeds or (SEARCH_SEED,), runs, strict=True)
    }
    spent = [run.get("costs") or _seconds(run) for run in runs]
    return MethodRow(
        regime=regime,
        method=method,
        rate=runs[0]["lr"],
        at_end=any(run.get("rate_at_end", False) for run in runs),
        seeds=seeds,
        n=runs[0]["test"]["n"],
        mean=statistics.fmean(accuracies),
        least=min(accuracies),
        most=max(accuracies),
        ci95=crossed(table(matches, list(matches))).ci95,
        band=_band(accuracies, bool(seeds)),
        loss_band=next_seed([statistics.fmean(run["traits"]["loss"]) for run in runs])
        if len(seeds) > 1
        else None,
        tasks={
            task: statistics.fmean(run["test"]["tasks"][task]["accuracy"] for run in runs)
            for task in sorted(runs[0]["test"]["tasks"], key=DOMAINS.index)
        },
        format=_mean([run["test"].get("format") for run in runs]),
        cut=_mean([run["test"].get("cut") for run in runs]),
        costs={
            name: statistics.fmean(one[name] for one in spent)
            for name in spent[0]
            if all(name in one for one in spent)
        },
        rates={
            run["lr"]: run["validation"]["accuracy"]
            for run in sorted(found, key=lambda run: run["lr"] or 0)
            if run["seed"] == SEARCH_SEED
        },
        matches=matches,
    )


def _band(accuracies: Sequence[float], trained: bool) -> tuple[float, float] | None:
    if not trained:
        return accuracies[0] - UNTRAINED_BAND, accuracies[0] + UNTRAINED_BAND
    return next_seed(accuracies) if len(accuracies) > 1 else None


def _seconds(run: Mapping[str, Any]) -> dict[str, float]:
    """What is known of the costs where a record has no part of them."""
    return {"cpu_seconds": run["training"]["cpu_seconds"]} if "training" in run else {}


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None


def method_label(name: str) -> str:
    """The method's name in tables; with another regime before it, as in a `Comparison`'s b."""
    regime, _, method = name.rpartition("/")
    label = ROWS[method].label
    return f"{label} ({REGIMES[regime].label})" if regime else label


def p_text(p: float, least: float) -> str:
    """A p value; "≤" where the test could not give a smaller one than ``least``."""
    return f"≤ {least:.2g}" if p <= least else f"{p:.2g}"


def print_summary(console: Console, summary: Summary) -> None:
    """Accuracies and costs per regime, then all comparisons, then what is missing."""

    def say(text: str) -> None:
        console.print(text, soft_wrap=True, highlight=False, markup=False)

    for name in dict.fromkeys(row.regime for row in summary.rows):
        rows = [row for row in summary.rows if row.regime == name]
        console.print(_accuracies(REGIMES[name].label, rows))
        console.print(_answers(rows))
        if any(row.seeds for row in rows):
            console.print(_costs(rows))
            console.print(_rates(rows))
    if summary.comparisons:
        console.print(_differences(summary.comparisons))
        console.print(_tests(summary.comparisons))
        say(
            "95 %, p: for other seeds and other questions; Holm: p, corrected for all "
            f"{len(FAMILY)} planned comparisons. t, permutation: paired tests over the seeds, on "
            "these questions. least: the difference that would be found with 80 % power."
        )
    for line in summary.missing:
        say(f"missing: {line}")
    say(f"Measured on: {'; '.join(map(shown, summary.hardware))}")


def _accuracies(title: str, rows: list[MethodRow]) -> Table:
    tasks = list(rows[0].tasks)
    cells = [
        [
            method_label(row.method),
            f"{row.mean:.1f}",
            interval_text(row.ci95),
            "–" if row.band is None else interval_text(row.band),
            *(f"{row.tasks[task]:.1f}" for task in tasks),
            " ".join(f"{one:.1f}" for one in row.each),
        ]
        for row in rows
    ]
    title = f"{title}: accuracy in % on {rows[0].n} questions"
    made = rich_table(["method", "mean", "95 %", "next seed", *tasks, "each seed"], cells, title)
    made.columns[-1].no_wrap = False
    return made


def _answers(rows: list[MethodRow]) -> Table:
    cells = [
        [
            method_label(row.method),
            "–" if row.format is None else f"{row.format:.1f}",
            "–" if row.cut is None else f"{row.cut:.1f}",
        ]
        for row in rows
    ]
    title = "test answers in the prompt's format, in %, and how many were cut"
    return rich_table(["method", "format", "cut"], cells, title)


def _costs(rows: list[MethodRow]) -> Table:
    names = ("cpu_seconds", "answers_sampled", "tokens_sampled", "tokens_learnt")
    cells = [
        [
            method_label(row.method),
            *(f"{row.costs[name]:,.0f}" if name in row.costs else "–" for name in names),
        ]
        for row in rows
    ]
    columns = ["method", "processor s", "answers", "their tokens", "tokens of labels"]
    return rich_table(columns, cells, "costs of a training")


def _rates(rows: list[MethodRow]) -> Table:
    cells = [
        [
            method_label(row.method),
            f"{row.rate:.1e}" + " at the end" * row.at_end,
            "  ".join(f"{rate:.0e}: {value:.0f}" for rate, value in row.rates.items()),
        ]
        for row in rows
    ]
    title = "learning rate, with accuracy on validation"
    made = rich_table(["method", "chosen", "searched"], cells, title)
    made.columns[2].no_wrap = False
    return made


def _pair(one: Comparison) -> str:
    return f"{one.regime}: {one.a} – {one.b}"


def _differences(comparisons: Sequence[Comparison]) -> Table:
    cells = [
        [
            _pair(one),
            f"{one.difference:+.1f}",
            f"{one.ci95[0]:+.1f} to {one.ci95[1]:+.1f}",
            f"{one.smallest:.1f}",
            f"{one.holm:.2g}",
            one.verdict,
        ]
        for one in comparisons
    ]
    columns = ["a – b", "points", "95 %", "least", "Holm", "a is"]
    made = rich_table(columns, cells, "paired comparisons, in points")
    made.columns[0].no_wrap = made.columns[5].no_wrap = False
    return made


def _tests(comparisons: Sequence[Comparison]) -> Table:
    cells = [
        [
            _pair(one),
            str(len(one.seeds)),
            f"{one.p:.2g}",
            f"{one.seed_p:.2g}",
            p_text(one.permutation_p, one.least_p),
        ]
        for one in comparisons
    ]
    columns = ["a – b", "seeds", "p", "t", "permutation"]
    made = rich_table(columns, cells, "the same comparisons: p values before correction")
    made.columns[0].no_wrap = False
    return made
