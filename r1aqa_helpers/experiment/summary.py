"""What came out: a row per road and regime, paired comparisons, costs; and what is missing."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from r1aqa_helpers.errors import UserError
from r1aqa_helpers.experiment.comparing import Comparison, compare, interval
from r1aqa_helpers.experiment.plan import REGIMES, SEARCH_SEED
from r1aqa_helpers.experiment.record import read_record
from r1aqa_helpers.files import shown
from r1aqa_helpers.results import DOMAINS
from r1aqa_helpers.roads import ROADS
from r1aqa_helpers.run_folder import RUN_FILE
from r1aqa_helpers.scoring import holm

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
class RoadRow:
    """How one road did in one regime; accuracies in percent, seconds per run.

    Attributes:
        mean, least, most: over the seeds, on all test questions.
        ci95: of the mean, over questions and seeds at once (`comparing.interval`).
        tasks: the mean over the seeds of each task.
        matches: by seed, a 1 or 0 per test question.
        rates: the learning rates that were searched, and accuracy on validation of each.
    """

    regime: str
    road: str
    rate: float
    seeds: tuple[int, ...]
    n: int
    mean: float
    least: float
    most: float
    ci95: tuple[float, float]
    tasks: Mapping[str, float]
    validation: float
    train_wall: float
    train_cpu: float
    test_wall: float
    rates: Mapping[float, float]
    matches: Mapping[int, str]

    @property
    def each(self) -> tuple[float, ...]:
        """The accuracy of each seed, in percent."""
        return tuple(100 * m.count("1") / len(m) for _, m in sorted(self.matches.items()))


@dataclass(frozen=True)
class Summary:
    """All rows, all comparisons that can be made, and what is missing, in words."""

    rows: tuple[RoadRow, ...]
    comparisons: tuple[Comparison, ...]
    missing: tuple[str, ...]
    hardware: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """The summary as JSON has it."""
        return asdict(self)


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
        UserError: a road was tested at two rates in one regime, so that one was not chosen.
    """
    rows, missing = [], []
    regimes = [name for name in REGIMES if any(r["regime"] == name for r in records)]
    for regime in regimes:
        for road in REGIMES[regime].roads:
            found = [r for r in records if (r["regime"], r["road"]) == (regime, road)]
            tested = {r["seed"]: r for r in found if "test" in r}
            if len({r["lr"] for r in found if "test" in r}) > 1:
                raise UserError(f"{regime}, {road}: was tested at more than one learning rate")
            wanted = range(SEARCH_SEED, SEARCH_SEED + seeds)
            absent = [str(seed) for seed in wanted if seed not in tested]
            if absent:
                missing.append(f"{regime}, {road}: seed {', '.join(absent)} not tested yet")
            if tested:
                rows.append(_row(regime, road, tested, found))
    by_road = {(row.regime, row.road): row for row in rows}
    comparisons = []
    for regime in regimes:
        for a, b in PAIRS:
            one, other = by_road.get((regime, a)), by_road.get((regime, b))
            if one and other and one.matches.keys() & other.matches.keys():
                comparisons.append(compare(regime, a, b, one.matches, other.matches))
    corrected = holm([comparison.p for comparison in comparisons])
    return Summary(
        tuple(rows),
        tuple(replace(c, holm=p) for c, p in zip(comparisons, corrected, strict=True)),
        tuple(missing),
        tuple(sorted({r["hardware"] for r in records})),
    )


def _row(
    regime: str,
    road: str,
    tested: Mapping[int, Mapping[str, Any]],
    found: Sequence[Mapping[str, Any]],
) -> RoadRow:
    runs = [tested[seed] for seed in sorted(tested)]
    accuracies = [run["test"]["accuracy"] for run in runs]
    matches = {seed: tested[seed]["test"]["matches"] for seed in sorted(tested)}

    def mean(part: str, field: str) -> float:
        return statistics.fmean(run[part][field] for run in runs)

    return RoadRow(
        regime=regime,
        road=road,
        rate=runs[0]["lr"],
        seeds=tuple(sorted(tested)),
        n=runs[0]["test"]["n"],
        mean=statistics.fmean(accuracies),
        least=min(accuracies),
        most=max(accuracies),
        ci95=interval(matches),
        tasks={
            task: statistics.fmean(run["test"]["tasks"][task]["accuracy"] for run in runs)
            for task in sorted(runs[0]["test"]["tasks"], key=_place)
        },
        validation=mean("validation", "accuracy"),
        train_wall=mean("training", "wall_seconds"),
        train_cpu=mean("training", "cpu_seconds"),
        test_wall=mean("test", "wall_seconds"),
        rates={
            run["lr"]: run["validation"]["accuracy"]
            for run in sorted(found, key=lambda run: run["lr"])
            if run["seed"] == SEARCH_SEED
        },
        matches=matches,
    )


def _place(task: str) -> tuple[int, str]:
    """Tasks in the order of all tables."""
    return (DOMAINS.index(task) if task in DOMAINS else len(DOMAINS), task)


def road_label(name: str) -> str:
    """The road's name in tables."""
    return ROADS[name].label
