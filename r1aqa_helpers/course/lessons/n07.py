"""What notebook 07 computes: gradients of both methods, the recorded experiment, its claims."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import binom

from r1aqa_helpers.course.tables import Table
from r1aqa_helpers.experiments.plan import REGIMES, SEARCH_SEED, UNTRAINED
from r1aqa_helpers.experiments.summary import (
    FAMILY,
    MethodRow,
    Summary,
    load_records,
    method_label,
    summarise,
)
from r1aqa_helpers.reporting import load_published
from r1aqa_helpers.reporting.verdict import QWEN
from r1aqa_helpers.scoring import mcnemar
from r1aqa_helpers.scoring.seeds import Comparison, crossed, table
from r1aqa_helpers.scoring.statistics import McNemar
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.paths import TINY_RESULTS

TABLE = "table"

#: What a comparison can come to; see `claim`.
ONE, AHEAD, BEHIND, WITHIN, OPEN = (
    "one training each",
    "ahead",
    "behind",
    "within the margin",
    "inconclusive",
)


def group_gradient(p: np.ndarray, size: int = 8) -> np.ndarray:
    """The expected gradient of ``size`` answers with GRPO's advantages, a mean over them.

    With k correct of ``size``, the deviation of the rewards over ``size`` - 1, as TRL has it.
    """
    k = np.arange(size + 1)
    deviation = np.sqrt(k * (size - k) / (size * (size - 1)))
    mixed = deviation > 0
    of_group = np.where(mixed, k * (size - k) / size**2 / np.maximum(deviation, 1e-9), 0.0)
    return binom.pmf(k, size, np.asarray(p)[..., None]) @ of_group


@dataclass(frozen=True)
class Committed:
    """The runs of the experiment that are there, and their summary."""

    records: list[dict[str, Any]]
    summary: Summary

    @property
    def planned(self) -> list[Comparison]:
        """The planned comparisons within the table, and with the untrained model."""
        return [c for c in self.summary.comparisons if _in_table(c.regime, c.b)]

    @property
    def apart(self) -> list[Comparison]:
        """The planned comparisons in, or with, another regime."""
        return [c for c in self.summary.comparisons if not _in_table(c.regime, c.b)]

    def statement(self, a: str, b: str, margin: float, regime: str = TABLE) -> str:
        """A planned comparison in a line, or that there are not two trainings of each yet.

        ``b`` is named as in a `Comparison`, with another regime before it where it is of one.
        """
        for one in self.summary.comparisons:
            if (one.regime, one.a, one.b) == (regime, a, b):
                return sentence(one, margin)
        return f"{_label(regime, a, b)}: not run yet"

    def statements_elsewhere(self, margin: float) -> list[str]:
        """Every planned comparison in, or with, another regime, in a line as `statement` has it."""
        alone = (None, UNTRAINED.name)
        pairs = [(p, p.b if p.other in alone else f"{p.other}/{p.b}") for p in FAMILY]
        asked = [(p, b) for p, b in pairs if not _in_table(p.regime, b)]
        return [self.statement(p.a, b, margin, p.regime) for p, b in asked]

    def rows(self, regime: str = TABLE) -> list[MethodRow]:
        """The methods that were tested in a regime."""
        return [row for row in self.summary.rows if row.regime == regime]

    def row(self, method: str, regime: str = TABLE) -> MethodRow:
        """One method in one regime. Raises ``UserError`` where it was not tested."""
        for row in self.rows(regime):
            if row.method == method:
                return row
        raise UserError(f"{regime}, {method}: no tested run is here")

    def runs(self, method: str, regime: str = TABLE) -> list[dict[str, Any]]:
        """The records of its tested runs, by seed."""
        found = [r for r in self.records if (r["regime"], r["method"]) == (regime, method)]
        return sorted((r for r in found if "test" in r), key=lambda record: record["seed"])

    def trait(self, method: str, name: str) -> np.ndarray | None:
        """A column of the log over the tenths of the training, the mean over the seeds, (10,).

        None where the method's log has no such column: SFT has no rewards.
        """
        kept = [run["traits"].get(name) for run in self.runs(method)]
        if not kept or any(values is None for values in kept):
            return None
        return np.mean(np.array(kept, dtype=float), axis=0)


def committed(folder: Path = TINY_RESULTS) -> Committed:
    """The experiment as it is committed; prints how many runs, from when, on what.

    Raises ``UserError`` as `load_records`.
    """
    records = load_records(folder)
    trained = [record for record in records if "training" in record]
    tested = sum("test" in record for record in trained)
    days = sorted({record["date"] for record in records if "date" in record}) or ["no date"]
    when = " to ".join(dict.fromkeys((days[0], days[-1])))
    print(f"{len(trained)} trained models, {tested} of them tested, {when}")
    found = Committed(records, summarise(records))
    print("measured on:", "; ".join(found.summary.hardware))
    for line in found.summary.missing:
        print("missing:", line)
    return found


def per_seed(a: MethodRow, b: MethodRow) -> dict[int, McNemar]:
    """McNemar's test of a against b for each seed that both have."""
    seeds = sorted(a.matches.keys() & b.matches.keys())
    verdicts = [
        [{str(i): int(m) for i, m in enumerate(row.matches[seed])} for row in (a, b)]
        for seed in seeds
    ]
    return {seed: mcnemar(*pair) for seed, pair in zip(seeds, verdicts, strict=True)}


def claim(low: float, high: float, p: float, seeds: int, margin: float) -> str:
    """What a comparison of two methods allows to claim of the first, in five sentences.

    ``low`` and ``high`` are the ends of the 95 % interval in points; ``p`` is corrected for
    all the comparisons that were planned; ``margin`` is the difference, said beforehand, under
    which nobody would care.
    """
    if seeds < 2:
        return ONE
    if p < 0.05 and low > 0:
        return AHEAD
    if p < 0.05 and high < 0:
        return BEHIND
    return WITHIN if -margin < low and high < margin else OPEN


def claimed(one: Comparison, margin: float) -> str:
    """`claim` of a comparison; by its plain p where it was not among the planned ones."""
    p = one.p if one.holm is None else one.holm
    return claim(*one.ci95, p, len(one.seeds), margin)


def sentence(one: Comparison, margin: float) -> str:
    """A comparison in a line: difference, interval, corrected p, claim."""
    low, high = one.ci95
    corrected = "" if one.holm is None else f", Holm's p {one.holm:.2g}"
    return (
        f"{pair_label(one)}: {one.difference:+.1f} ({low:+.1f} to {high:+.1f})"
        f"{corrected}: {claimed(one, margin)}"
    )


def pair_label(one: Comparison) -> str:
    """The two methods of a comparison, as tables name them."""
    return _label(one.regime, one.a, one.b)


def _label(regime: str, *names: str) -> str:
    a, b = (name if name == "base" else method_label(name) for name in names)
    where = "" if regime == TABLE else f"{REGIMES[regime].label}: "
    return f"{where}{a} − {b}"


def _in_table(regime: str, b: str) -> bool:
    return regime == TABLE and "/" not in b


def searched(records: Sequence[Mapping[str, Any]], method: str) -> list[Any]:
    """The records of a method's search for the table's learning rate, from the smallest rate."""
    wanted = (TABLE, method, SEARCH_SEED)
    found = [r for r in records if (r["regime"], r["method"], r["seed"]) == wanted]
    return sorted(found, key=lambda record: record["lr"])


def noise_intervals(
    a: MethodRow, b: MethodRow, draws: int = 4000
) -> dict[str, tuple[float, float]]:
    """95 % intervals of a minus b, in points: of drawn questions, of drawn trainings, of both.

    Of the seeds that both methods have; that of both kinds at once is of `seeds.crossed`.
    """
    seeds = sorted(a.matches.keys() & b.matches.keys())
    signs, rng = table(a.matches, seeds) - table(b.matches, seeds), np.random.default_rng(0)
    found = {}
    for name, means in (("questions alone", signs.mean(0)), ("trainings alone", signs.mean(1))):
        share = np.full(len(means), 1 / len(means))
        drawn = 100 * rng.multinomial(len(means), share, draws) @ means / len(means)
        found[name] = tuple(float(end) for end in np.percentile(drawn, [2.5, 97.5]))
    return {**found, "both": crossed(signs).ci95}


def choosing_table(found: Committed, methods: Sequence[tuple[str, str]]) -> Table:
    """How often tested models choose at all, and how often they are correct where they do.

    Args:
        methods: regime and method of each row; those without a tested run are left out.
    """
    rows = []
    for regime, method in methods:
        tests = [run["test"] for run in found.runs(method, regime)]
        if not tests:
            continue
        correct = np.mean([test["accuracy"] for test in tests])
        silent = np.mean([100 * test["unparsed"] / test["n"] for test in tests])
        of_chosen = 100 * correct / (100 - silent)
        cells = (correct, silent, of_chosen)
        name = ("untrained, " if regime == UNTRAINED.name else "") + method_label(method)
        rows.append((name, str(len(tests)), *(f"{cell:.1f}" for cell in cells)))
    heads = ("", "trainings", "correct", "no choice named", "correct, of those that choose")
    return Table("Test answers in percent, means over the trainings", rows, heads)


def thinking_table(found: Committed, methods: Sequence[tuple[str, str]]) -> Table:
    """Accuracy and thoughts of what was asked with prompt <3>; arguments as `choosing_table`'s."""
    rows = []
    for regime, method in methods:
        if not found.runs(method, regime):
            continue
        row, length = found.row(method, regime), found.trait(method, "completion_length")
        low, high = row.ci95
        rows.append(
            (
                ("untrained, " if regime == UNTRAINED.name else "") + method_label(method),
                str(len(row.seeds) or 1),
                f"{row.mean:.1f} ({low:.1f} to {high:.1f})",
                "–" if row.format is None else f"{row.format:.1f}",
                "–" if length is None else f"{length[0]:.0f} to {length[-1]:.0f}",
            )
        )
    heads = ("", "trainings", "correct, %", "think and answer in tags, %", "tokens in training")
    return Table("What thinking came to on the test", rows, heads)


#: Comparisons that the paper's table allows: methods here, rows there, and what differs there
#: between the two rows besides the method.
_IN_THE_PAPER = (
    ("grpo-2", "sft", "GRPO (Ours)", "SFT Full + Prompt <1>", "prompt, framework"),
    ("grpo-2", "sft-lora", "GRPO (Ours)", "SFT LoRA + Prompt <1>", "prompt, framework, adapter"),
    ("grpo-3", "grpo-2", "GRPO + Prompt <3>", "GRPO (Ours)", "nothing that is known"),
    ("grpo-3", "zero-shot-cot", "GRPO + Prompt <3>", "Zero-Shot-CoT", "prompt, other authors"),
    ("grpo-3", "cota", "GRPO + Prompt <3>", "CoTA", "data, prompt, other authors"),
    ("cota", "zero-shot-cot", "CoTA", "Zero-Shot-CoT", "prompt, other authors"),
    ("grpo-2", "direct-2", "GRPO (Ours)", "Direct Inference", "prompt, other authors"),
)


def beside_the_paper(found: Committed) -> Table:
    """The paper's differences, those of the same pair here, and whether the order is the same."""
    published = load_published()
    reported = {(r.model, r.method): r.average for r in (*published.card, *published.paper)}
    here = {(one.a, one.b): one for one in found.planned}
    rows = []
    for a, b, row_a, row_b, besides in _IN_THE_PAPER:
        averages = [reported[QWEN, row] for row in (row_a, row_b)]
        theirs, half = averages[0] - averages[1], _half_width(averages)
        one = here.get((a, b))
        name = f"{method_label(a)} − {method_label(b)}"
        measured, order = "not run yet", "–"
        if one is not None:
            low, high = one.ci95
            measured = f"{one.difference:+.1f} ({low:+.1f} to {high:+.1f})"
            order = _order(theirs, one)
        reach = f"{theirs:+.1f} ({theirs - half:+.1f} to {theirs + half:+.1f})"
        rows.append((name, reach, besides, measured, order))
    heads = ("", "reported, 7B", "what else differs there", "tiny track", "the paper's order here")
    return Table("Differences in points, 95 %: two models, two tests", rows, heads)


def _half_width(averages: Sequence[float]) -> float:
    """Of the 95 % interval of a difference of two averages on 1,000 questions each, unpaired."""
    return 1.96 * sum(one * (100 - one) / 1000 for one in averages) ** 0.5


def _order(theirs: float, one: Comparison) -> str:
    if one.verdict == "no significant difference":
        return "no difference found"
    return "yes" if (theirs > 0) == (one.difference > 0) else "no, reversed"
