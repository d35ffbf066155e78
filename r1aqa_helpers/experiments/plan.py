"""Which runs there are, which questions each sees, and which learning rate is tested.

Questions are drawn by the seed, so that all methods see the same ones. A rate is chosen of
`Validated` runs, which hold no test accuracy, and a test can only be asked for with a `Choice`: the
rate whose test looked best cannot be reported by mistake.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from r1aqa_helpers.data import AudioQuestion, read_questions
from r1aqa_helpers.experiments.methods import BASE, METHODS, THOUGHT, Method
from r1aqa_helpers.hardware import Profile
from r1aqa_helpers.tiny.data import prepare, recipes
from r1aqa_helpers.tiny.reasoning import true_answer, with_reasoning
from r1aqa_helpers.tiny.scenes import Scene
from r1aqa_helpers.training import run_schedule
from r1aqa_helpers.utils.errors import UserError

#: The same for all methods: centre of the search for a learning rate in full training, and what it
#: is multiplied by. While the best is at an end, one more rate beyond that end is tried, at most
#: `FURTHER` in all.
CENTRE = 1e-4
MULTIPLIERS = (1 / 3, 1.0, 3.0)
BEYOND = 3.0
FURTHER = 3
#: The seed of the search; the run at the chosen rate counts as one of the seeds.
SEARCH_SEED = 0


@dataclass(frozen=True)
class Regime:
    """How much there is to learn from, and what is made harder, if anything.

    Attributes:
        name: in file names.
        label: in tables.
        methods: names of the methods that are compared in it.
        questions: how many different training questions; None: all.
        steps: None: the profile's.
        wrong_labels: the share of the questions whose label is wrong; None: as in their file.
        task: the only task that is trained and validated on; None: all.
        seeds: trainings of each method.
        more_seeds: the same, of some methods, where they differ.
    """

    name: str
    label: str
    methods: tuple[str, ...]
    questions: int | None = None
    steps: int | None = None
    wrong_labels: float | None = None
    task: str | None = None
    seeds: int = 5
    more_seeds: Mapping[str, int] = field(default_factory=dict, hash=False)

    def seeds_of(self, method: str, most: int | None = None) -> range:
        """The seeds of a method, at most ``most``; the first is the search's."""
        planned = self.more_seeds.get(method, self.seeds)
        return range(SEARCH_SEED, SEARCH_SEED + (planned if most is None else min(planned, most)))


#: The untrained rows: asked once, without a seed.
UNTRAINED = Regime("untrained", "not trained", tuple(method.name for method in BASE), seeds=0)
#: The same labels for all methods. The differences that matter most have the most seeds.
TABLE = Regime(
    "table",
    "800 questions, each seen once",
    tuple(METHODS),
    questions=800,
    more_seeds=dict.fromkeys(("sft", "grpo-2", "grpo-3"), 8),
)
#: Steps of SFT, with batches of 8, that take about as many seconds of processor time as GRPO <2>
#: in the table: ``training.cpu_seconds``, means of eight runs, 125 s of GRPO <2> and 66 s of full
#: SFT, times the profile's 100 steps.
EQUAL_STEPS = 190
_IMITATION = ("sft", "cota")
#: The same processor time as GRPO <2> in the table, spent on new questions.
EQUAL_COMPUTE = Regime(
    "equal-compute",
    "as much processor time as GRPO <2>",
    _IMITATION,
    questions=8 * EQUAL_STEPS,
    steps=EQUAL_STEPS,
)
#: With batches of 8, 1,000 steps go twice through 4,000 questions.
ALL = Regime("all", "all 4,000 questions, seen twice", _IMITATION, steps=1000)
_TWO = ("sft", "grpo-2")
#: With batches of 8: 13 steps go once through 100 questions (four of them come twice).
FEW = Regime("few", "100 questions, seen once", _TWO, questions=100, steps=13)
WRONG = Regime("wrong-labels", "30 % wrong labels", _TWO, questions=800, wrong_labels=0.3)
SOUND = Regime("sound-only", "trained on sound only", _TWO, questions=800, task="sound")

#: What ``r1aqa experiment run`` does, in this order.
PLAN = (UNTRAINED, TABLE, EQUAL_COMPUTE, ALL, FEW, WRONG, SOUND)
REGIMES = {regime.name: regime for regime in PLAN}


def selected(only: Collection[str]) -> tuple[Regime, ...]:
    """The part of the plan that ``only`` names: regimes, or methods in all regimes.

    Methods from whose models others start come along. Raises ``UserError`` for an unknown name.
    """
    known = {regime.name for regime in PLAN} | {name for one in PLAN for name in one.methods}
    if unknown := sorted(set(only) - known):
        raise UserError(f"--only {unknown[0]}: unknown, choose of {', '.join(sorted(known))}")
    chosen = []
    for regime in PLAN:
        named = {name for name in regime.methods if {name, regime.name} & set(only)}
        named |= {one.start for name in named if (one := METHODS.get(name)) and one.start}
        if methods := tuple(name for name in regime.methods if name in named):
            chosen.append(replace(regime, methods=methods))
    return tuple(chosen)


@dataclass(frozen=True)
class Run:
    """One training, its validation, and where its rate was chosen its test."""

    regime: Regime
    method: Method
    rate: float
    seed: int

    @property
    def name(self) -> str:
        """Of its file and folder."""
        return f"{cell_name(self.regime, self.method)}-lr{self.rate:.1e}-seed{self.seed}"


def cell_name(regime: Regime, method: Method) -> str:
    """Of a method in a regime, in file names."""
    return f"{regime.name}-{method.name}"


def shared_settings(profile: Profile) -> dict[str, dict[str, Any]]:
    """What all runs have of the profile: its settings by algorithm, but the learning rates."""
    return {
        name: {key: value for key, value in getattr(profile, name).items() if key != "lr"}
        for name in ("sft", "grpo")
    }


# --- learning rates -----------------------------------------------------------------------


@dataclass(frozen=True)
class Validated:
    """A run of the search, as far as choosing may know it: correct answers of ``n``."""

    rate: float
    correct: int
    n: int


@dataclass(frozen=True)
class Choice:
    """The learning rate of a method in a regime.

    ``at_end``: it is the smallest or largest of all that were tried, so there may be a better one.
    """

    regime: str
    method: str
    rate: float
    at_end: bool


def search_rates(method: Method) -> tuple[float, ...]:
    """The learning rates that are tried first, from the smallest."""
    return tuple(CENTRE * method.rate * multiplier for multiplier in MULTIPLIERS)


def rate_beyond(candidates: Sequence[Validated]) -> float | None:
    """The one rate more that is to be tried; None where the search has ended.

    It lies beyond the best one, where that is at an end and no `FURTHER` were tried yet.
    Raises as `best_rate`.
    """
    best, rates = best_rate(candidates), [candidate.rate for candidate in candidates]
    if len(rates) == len(MULTIPLIERS) + FURTHER:
        return None
    if best == min(rates):
        return best / BEYOND
    return best * BEYOND if best == max(rates) else None


def best_rate(candidates: Sequence[Validated]) -> float:
    """The rate with the most correct answers on validation; of equals the smallest.

    Raises ``ValueError`` where there are none, or they were asked different numbers of questions.
    """
    if len({candidate.n for candidate in candidates}) != 1:
        raise ValueError("learning rates are chosen of runs that answered the same questions")
    return min(candidates, key=lambda one: (-one.correct, one.rate)).rate


def choose(regime: str, method: str, candidates: Sequence[Validated]) -> Choice:
    """`best_rate`, and whether it lies at an end. Raises as `best_rate`."""
    rate, rates = best_rate(candidates), [candidate.rate for candidate in candidates]
    return Choice(regime, method, rate, rate in (min(rates), max(rates)))


# --- questions ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Splits:
    """The questions of the three splits, and the recipes of the training clips by question id."""

    train: Sequence[AudioQuestion]
    validation: Sequence[AudioQuestion]
    test: Sequence[AudioQuestion]
    scenes: Mapping[str, Scene]


def tiny_splits() -> Splits:
    """tiny-avqa and tiny-mmau; clips are rendered where they are missing."""
    data = prepare()
    train, validation, test = map(read_questions, (data.train, data.validation, data.test))
    return Splits(train, validation, test, recipes("train"))


def training_questions(run: Run, splits: Splits) -> list[AudioQuestion]:
    """What the run is trained on. Fewer questions are the first ones of a larger draw.

    `train_method` replaces labels where a method learns something else.
    """
    regime, chosen = run.regime, list(splits.train)
    if regime.task is not None:
        chosen = [question for question in chosen if question.task == regime.task]
    if regime.questions is not None:
        order = run_schedule(len(chosen), min(regime.questions, len(chosen)), run.seed)
        chosen = [chosen[index] for index in order]
    if regime.wrong_labels is not None:
        chosen = mislabelled(chosen, splits.scenes, regime.wrong_labels, run.seed)
    return with_reasoning(chosen, splits.scenes) if run.method.learns == THOUGHT else chosen


def validation_questions(run: Run, splits: Splits) -> list[AudioQuestion]:
    """What its learning rate is chosen on: of the tasks that it was trained on."""
    wanted = run.regime.task
    return [q for q in splits.validation if wanted in (None, q.task)]


def mislabelled(
    questions: Sequence[AudioQuestion], scenes: Mapping[str, Scene], share: float, seed: int
) -> list[AudioQuestion]:
    """The questions with ``share`` of all labels wrong, those among them that were so before.

    A wrong label is one of the question's other choices.
    """
    rng = np.random.default_rng(seed)
    truths = [true_answer(question, scenes[question.id]) for question in questions]
    correct = [i for i, q in enumerate(questions) if q.answer == truths[i]]
    more = round(share * len(questions)) - (len(questions) - len(correct))
    rows = list(questions)
    for i in sorted(rng.permutation(correct)[: max(0, more)].tolist()):
        others = [choice for choice in rows[i].choices if choice != truths[i]]
        rows[i] = replace(rows[i], answer=others[int(rng.integers(len(others)))])
    return rows
