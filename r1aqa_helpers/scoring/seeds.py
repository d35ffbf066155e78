"""Comparing methods that were trained with several seeds and tested on the same questions.

A claim about a method is about its next training on the next question, so that both seeds and
questions vary. `crossed` estimates the variance of the mean of a (seeds, questions) table from the
mean squares of a two-way layout with random effects. Its coverage is checked by simulation in
tests/scoring/test_seeds.py.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from r1aqa_helpers.utils.errors import UserError

SIGNIFICANT = 0.05
#: The power at which `Comparison.smallest` is found.
POWER = 0.8


@dataclass(frozen=True)
class Estimate:
    """A mean in percent (or points), its standard error, and the degrees of freedom of that."""

    mean: float
    error: float
    freedom: float

    @property
    def ci95(self) -> tuple[float, float]:
        """The 95 % interval, by Student's t."""
        half = float(stats.t.ppf(0.975, self.freedom)) * self.error
        return self.mean - half, self.mean + half

    @property
    def p(self) -> float:
        """Two-sided, against a mean of zero."""
        if self.error == 0:
            return 1.0 if self.mean == 0 else 0.0
        return float(2 * stats.t.sf(abs(self.mean) / self.error, self.freedom))


def crossed(values: np.ndarray) -> Estimate:
    """The mean of a (seeds, questions) array in percent, for other seeds and other questions.

    The variance is (MS_seeds + MS_questions - MS_residual) / size, and at least as large as either
    effect's alone; its degrees of freedom are Satterthwaite's. With one seed only the questions'
    share of it is known.

    Source: S. R. Searle, G. Casella, C. E. McCulloch, Variance Components (1992), chapter 4;
    F. E. Satterthwaite, Biometrics Bulletin 2 (1946).
    """
    seeds, questions = values.shape
    mean = values.mean()
    if seeds == 1:
        error = values.std(ddof=1) / np.sqrt(questions)
        return Estimate(100 * float(mean), 100 * float(error), questions - 1)
    by_seed, by_question = values.mean(1), values.mean(0)
    rest = values - by_seed[:, None] - by_question + mean
    squares = np.array(
        [
            questions * ((by_seed - mean) ** 2).sum() / (seeds - 1),
            seeds * ((by_question - mean) ** 2).sum() / (questions - 1),
            (rest**2).sum() / ((seeds - 1) * (questions - 1)),
        ]
    )
    total = max(squares[0] + squares[1] - squares[2], squares[0], squares[1])
    parts = squares**2 / np.array([seeds - 1, questions - 1, (seeds - 1) * (questions - 1)])
    freedom = total**2 / parts.sum() if total else seeds - 1
    return Estimate(100 * float(mean), 100 * float(np.sqrt(total / values.size)), float(freedom))


def next_seed(accuracies: Sequence[float], level: float = 0.95) -> tuple[float, float]:
    """The prediction interval of one more seed's accuracy, on the same questions.

    Raises ``ValueError`` for fewer than two.
    """
    if len(accuracies) < 2:
        raise ValueError("a prediction interval needs two seeds or more")
    spread = np.std(accuracies, ddof=1) * np.sqrt(1 + 1 / len(accuracies))
    half = float(stats.t.ppf((1 + level) / 2, len(accuracies) - 1) * spread)
    mean = float(np.mean(accuracies))
    return mean - half, mean + half


@dataclass(frozen=True)
class Comparison:
    """Method a against method b in a regime; all figures in percentage points of accuracy.

    Attributes:
        seeds: those that both have, of which each gives one difference.
        differences: a minus b, by seed.
        ci95, p: for other seeds and other questions, see `crossed`.
        seed_p: paired t test of the seeds' differences: other seeds, these questions.
        permutation_p: exact, by all changes of sign of the seeds' differences.
        least_p: the smallest that this permutation test can give with so many seeds.
        smallest: the difference that would be found with a probability of `POWER` at 5 %.
        holm: p, corrected for the family of comparisons; None until it has been.
    """

    regime: str
    a: str
    b: str
    seeds: tuple[int, ...]
    differences: tuple[float, ...]
    ci95: tuple[float, float]
    p: float
    seed_p: float
    permutation_p: float
    least_p: float
    smallest: float
    holm: float | None = None

    @property
    def difference(self) -> float:
        """The mean over the seeds."""
        return float(np.mean(self.differences))

    @property
    def verdict(self) -> str:
        """Of a, at 5 % after Holm: "ahead", "behind", or "no significant difference"."""
        p = self.p if self.holm is None else self.holm
        if p >= SIGNIFICANT:
            return "no significant difference"
        return "ahead" if self.difference > 0 else "behind"


def compare_over_seeds(
    regime: str, a: str, b: str, matches_a: Mapping[int, str], matches_b: Mapping[int, str]
) -> Comparison:
    """Compare two methods, given by seed a text of a 1 or 0 per test question, in one order.

    Raises:
        UserError: fewer than two seeds in common, or other questions.
    """
    seeds = tuple(sorted(matches_a.keys() & matches_b.keys()))
    if len(seeds) < 2:
        raise UserError(f"comparing {a} with {b}: they need two tested seeds in common")
    if len({len(m[seed]) for m in (matches_a, matches_b) for seed in seeds}) > 1:
        raise UserError(f"comparing {a} with {b}: they were tested on different questions")
    values = table(matches_a, seeds) - table(matches_b, seeds)
    found, each = crossed(values), 100 * values.mean(1)
    signs = np.array(list(itertools.product((1, -1), repeat=len(seeds))))
    sums = abs(signs @ each)
    level = float(stats.t.ppf(1 - SIGNIFICANT / 2, found.freedom))
    level += float(stats.t.ppf(POWER, found.freedom))
    spread = float(each.std(ddof=1))
    return Comparison(
        regime,
        a,
        b,
        seeds,
        tuple(float(one) for one in each),
        found.ci95,
        found.p,
        float(stats.ttest_1samp(each, 0).pvalue) if spread else float(not each.any()),
        float((sums >= abs(each.sum()) - 1e-9).mean()),
        2 / len(signs),
        level * found.error,
    )


def table(matches: Mapping[int, str], seeds: Sequence[int]) -> np.ndarray:
    """(seeds, questions) of 0 and 1."""
    return np.array([list(map(int, matches[seed])) for seed in seeds])
