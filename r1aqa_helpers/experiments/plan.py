"""Which runs there are, which questions each sees, and which learning rate is tested.

Questions are drawn by the seed, so that all methods see the same ones. A rate is chosen of
`Validated` runs, which hold no test accuracy, and a test can only be asked for with a `Choice`: the
rate whose test looked best cannot be reported by mistake.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from r1aqa_helpers.data import AudioQuestion, read_questions
from r1aqa_helpers.experiments.methods import METHODS, Method
from r1aqa_helpers.tiny.data import prepare, recipes
from r1aqa_helpers.tiny.reasoning import true_answer, with_reasoning
from r1aqa_helpers.tiny.scenes import Scene
from r1aqa_helpers.training import run_schedule

#: The same for all methods: centre of the search for a learning rate in full training, and what it
#: is multiplied by. Where the best is at an end, one more rate beyond that end is tried.
CENTRE = 1e-4
MULTIPLIERS = (1 / 3, 1.0, 3.0)
BEYOND = 3.0
#: The seed of the search; the run at the chosen rate counts as one of the seeds.
SEARCH_SEED = 0


@dataclass(frozen=True)
class Regime:
    """What is made harder, or nothing.

    Attributes:
        name: in file names.
        label: in tables.
        methods: names of the methods that are compared in it.
        questions: how many different training questions; None: a new one for every example.
        steps: None: the profile's.
        wrong_labels: the share of the questions whose label is wrong; None: as in their file.
        task: the only task that is trained and validated on; None: all.
    """

    name: str
    label: str
    methods: tuple[str, ...]
    questions: int | None = None
    steps: int | None = None
    wrong_labels: float | None = None
    task: str | None = None


TABLE = Regime("table", "800 questions, each seen once", tuple(METHODS))
_TWO = ("sft", "grpo-2")
#: With batches of 8: 13 steps go once through 100 questions (four of them come twice).
FEW = Regime("few", "100 questions, seen once", _TWO, questions=100, steps=13)
WRONG = Regime("wrong-labels", "30 % wrong labels", _TWO, questions=800, wrong_labels=0.3)
EPOCHS = Regime("epochs", "200 questions, four times", _TWO, questions=200)
SOUND = Regime("sound-only", "trained on sound only", _TWO, task="sound")

#: What ``r1aqa experiment NAME`` runs.
PLANS: dict[str, tuple[Regime, ...]] = {"table": (TABLE,), "regimes": (FEW, WRONG, EPOCHS, SOUND)}
REGIMES = {regime.name: regime for plan in PLANS.values() for regime in plan}


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
        return f"{self.regime.name}-{self.method.name}-lr{self.rate:.1e}-seed{self.seed}"


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


def rate_beyond(rates: tuple[float, ...], best: float) -> float | None:
    """The one rate more that is tried where the best of ``rates`` is at an end; else None."""
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
    """What the run is trained on. Fewer questions are the first ones of a larger draw."""
    regime, chosen = run.regime, list(splits.train)
    if regime.task is not None:
        chosen = [question for question in chosen if question.task == regime.task]
    if regime.questions is not None:
        order = run_schedule(len(chosen), min(regime.questions, len(chosen)), run.seed)
        chosen = [chosen[index] for index in order]
    if regime.wrong_labels is not None:
        chosen = mislabelled(chosen, splits.scenes, regime.wrong_labels, run.seed)
    return with_reasoning(chosen, splits.scenes) if run.method.needs_reasoning else chosen


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
