"""Which runs there are: regimes, methods, learning rates, seeds."""

from dataclasses import dataclass

from r1aqa_helpers.experiments.methods import METHODS, Method

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


def search_rates(method: Method) -> tuple[float, ...]:
    """The learning rates that are tried first, from the smallest."""
    return tuple(CENTRE * method.rate * multiplier for multiplier in MULTIPLIERS)


def rate_beyond(rates: tuple[float, ...], best: float) -> float | None:
    """The one rate more that is tried where the best of ``rates`` is at an end; else None."""
    if best == min(rates):
        return best / BEYOND
    return best * BEYOND if best == max(rates) else None
