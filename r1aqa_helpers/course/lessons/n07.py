"""What notebook 08 computes: gradients of both methods, the committed experiment, its claims."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import binom

from r1aqa_helpers.course.session import Lab
from r1aqa_helpers.data import AudioQuestion
from r1aqa_helpers.experiments.methods import Method
from r1aqa_helpers.experiments.plan import (
    REGIMES,
    SEARCH_SEED,
    UNTRAINED,
    Run,
    tiny_splits,
    training_questions,
)
from r1aqa_helpers.experiments.summary import (
    FAMILY,
    MethodRow,
    Summary,
    load_records,
    method_label,
    summarise,
)
from r1aqa_helpers.models import LoadedModel
from r1aqa_helpers.scoring import extract_answer, mcnemar, score
from r1aqa_helpers.scoring.seeds import Comparison, compare_over_seeds, crossed, table
from r1aqa_helpers.scoring.statistics import McNemar
from r1aqa_helpers.training import TrainingSettings
from r1aqa_helpers.training.grpo.run import train_grpo
from r1aqa_helpers.training.sft import train_sft
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.paths import DATA

#: Where the experiment's runs are committed.
FOLDER = DATA / "results" / "tiny"
TABLE = "table"

#: What a comparison can come to; see `claim`.
ONE, AHEAD, BEHIND, WITHIN, OPEN = CLAIMS = (
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
    def regimes(self) -> list[str]:
        """Names of the regimes with a tested training, the table first."""
        return list(dict.fromkeys(row.regime for row in self.summary.rows if row.seeds))

    @property
    def planned(self) -> list[Comparison]:
        """The planned comparisons within the table, and with the untrained model."""
        return [c for c in self.summary.comparisons if _in_table(c.regime, c.b)]

    @property
    def apart(self) -> list[Comparison]:
        """The planned comparisons in, or with, another regime."""
        return [c for c in self.summary.comparisons if not _in_table(c.regime, c.b)]

    @property
    def missing(self) -> list[str]:
        """What of the plan is not there, in words: seeds, methods, whole regimes."""
        begun = {UNTRAINED.name, *(record["regime"] for record in self.records)}
        absent = [name for name in REGIMES if name not in begun]
        return [*self.summary.missing, *(f"{name}: not run yet" for name in absent)]

    def told(self, a: str, b: str, margin: float, regime: str = TABLE) -> str:
        """A planned comparison in a line, or that there are not two trainings of each yet.

        ``b`` is named as in a `Comparison`, with another regime before it where it is of one.
        """
        for one in self.summary.comparisons:
            if (one.regime, one.a, one.b) == (regime, a, b):
                return sentence(one, margin)
        return f"{_label(regime, a, b)}: not run yet"

    def told_apart(self, margin: float) -> list[str]:
        """Every planned comparison in, or with, another regime, in a line as `told` has it."""
        alone = (None, UNTRAINED.name)
        pairs = [(p, p.b if p.other in alone else f"{p.other}/{p.b}") for p in FAMILY]
        asked = [(p, b) for p, b in pairs if not _in_table(p.regime, b)]
        return [self.told(p.a, b, margin, p.regime) for p, b in asked]

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

    def strict(self, method: str) -> tuple[float, float]:
        """Of its tests, in percent, mean over the seeds: exactly correct; naming no choice."""
        tests = [run["test"] for run in self.runs(method)]
        exact = np.mean([test["strict"]["accuracy"] for test in tests])
        silent = np.mean([100 * test["unparsed"] / test["n"] for test in tests])
        return float(exact), float(silent)


def committed(folder: Path = FOLDER) -> Committed:
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
    for line in found.missing:
        print("missing:", line)
    return found


def base_matches(questions: Sequence[AudioQuestion], answers: Mapping[str, str]) -> str:
    """A 1 or 0 per question, as a record has them, of recorded answers (responses by id)."""
    said = {name: extract_answer(text) for name, text in answers.items()}
    return "".join(str(match) for match in score(questions, said).matches.values())


def paired(
    a: MethodRow,
    b: MethodRow | str,
    questions: Sequence[AudioQuestion] = (),
    task: str | None = None,
) -> Comparison:
    """Method a against method b, or against one fixed model's matches.

    Holm's correction is left open: such comparisons come after those that were planned.

    Args:
        questions: in the order of the matches; needed with ``task``.
        task: compare on this task's questions alone.
    """

    def part(matches: Mapping[int, str]) -> dict[int, str]:
        if task is None:
            return dict(matches)
        kept = [i for i, question in enumerate(questions) if question.task == task]
        return {seed: "".join(text[i] for i in kept) for seed, text in matches.items()}

    other = dict.fromkeys(a.matches, b) if isinstance(b, str) else b.matches
    name = "base" if isinstance(b, str) else b.method
    return compare_over_seeds(a.regime, a.method, name, part(a.matches), part(other))


def per_seed(a: MethodRow, b: MethodRow) -> dict[int, McNemar]:
    """McNemar's test of a against b for each seed that both have."""
    seeds = sorted(a.matches.keys() & b.matches.keys())
    verdicts = [
        [{str(i): int(m) for i, m in enumerate(row.matches[seed])} for row in (a, b)]
        for seed in seeds
    ]
    return {seed: mcnemar(*pair) for seed, pair in zip(seeds, verdicts, strict=True)}


def claim(low: float, high: float, p: float, seeds: int, margin: float) -> str:
    """What a comparison of two methods allows to claim of the first: one of `CLAIMS`.

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


def asked_of(method: Method, lab: Lab) -> list[AudioQuestion]:
    """What the method is trained on with the seed; on the tiny track the table's questions."""
    if not lab.profile.tiny_questions:
        return lab.train_questions()
    return training_questions(Run(REGIMES[TABLE], method, method.rate, lab.seed), tiny_splits())


def first_steps(
    method: Method,
    loaded: LoadedModel,
    questions: Sequence[AudioQuestion],
    settings: TrainingSettings,
    folder: Path,
    steps: int,
    watch: Callable[[Mapping[str, Any]], None],
) -> list[dict[str, Any]]:
    """Begin a whole run and stop it after so many steps; ``loaded`` is trained in place.

    The learning rate falls as it does in the whole run, so that these are its very first steps.

    Args:
        watch: called with each step's row, as in `train_sft` and `train_grpo`.

    Returns:
        The rows of the steps, as in ``metrics.jsonl``.

    Raises:
        ValueError: the run has not so many steps.
    """
    if not 0 < steps <= settings.steps:
        raise ValueError(f"{steps} of {settings.steps} steps were asked for")
    rows: list[dict[str, Any]] = []

    def count(row: Mapping[str, Any]) -> None:
        rows.append(dict(row))
        watch(row)
        if len(rows) == steps:
            raise KeyboardInterrupt  # as if somebody had pressed the stop button

    try:
        if method.algorithm == "sft":
            train_sft(loaded, questions, settings, folder, watch=count)
        else:
            train_grpo(loaded, questions, settings, folder, rewards=method.rewards, watch=count)
    except KeyboardInterrupt:
        if len(rows) < steps:
            raise
    return rows
