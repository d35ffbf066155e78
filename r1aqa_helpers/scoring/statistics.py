"""How sure an accuracy is, whether two differ, how many questions show it. Only numbers come in."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from scipy.stats import binomtest

from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.untrusted import shown_value

_NORMAL = NormalDist()
_Z_95 = _NORMAL.inv_cdf(0.975)


def wilson_interval(correct: int, n: int) -> tuple[float, float]:
    """Wilson's 95 % score interval of the accuracy ``correct / n``, in percent.

    Source: E. B. Wilson, Probable inference, the law of succession, and statistical
    inference, JASA 22 (1927). Raises ``ValueError`` unless ``0 <= correct <= n`` and ``n > 0``.
    """
    if not 0 <= correct <= n or n == 0:
        raise ValueError(f"{correct} correct of {n} is not an accuracy")
    share, z2 = correct / n, _Z_95**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z_95 * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    # At the ends the formula gives 0 and 1 exactly; floating point may miss them.
    low = 0.0 if correct == 0 else 100 * (centre - half)
    high = 100.0 if correct == n else 100 * (centre + half)
    return low, high


@dataclass(frozen=True)
class McNemar:
    """A paired comparison of systems a and b on the same ``n`` questions."""

    a_only: int  #: questions that only a answered correctly
    b_only: int  #: questions that only b answered correctly
    n: int
    difference: float  #: accuracy of a minus accuracy of b, in percentage points
    p: float  #: exact, two-sided


def mcnemar(a: Mapping[str, int], b: Mapping[str, int]) -> McNemar:
    """McNemar's exact test: ``a`` and ``b`` say for each question id whether it was correct (1).

    p is the two-sided binomial probability of the questions that exactly one of them answered
    correctly; 1 without such a question. Raises ``UserError`` unless both have the same questions.

    Source: Q. McNemar, Note on the sampling error of the difference between correlated
    proportions or percentages, Psychometrika 12 (1947), in its exact form.
    """
    a_only, b_only = _discordant(a, b)
    p = mcnemar_p(a_only, b_only)
    return McNemar(a_only, b_only, len(a), 100 * (a_only - b_only) / len(a), p)


def mcnemar_p(a_only: int, b_only: int) -> float:
    """The exact two-sided p of `mcnemar`, from the two counts of discordant questions alone."""
    discordant = a_only + b_only
    return float(binomtest(a_only, discordant).pvalue) if discordant else 1.0


def _discordant(a: Mapping[str, int], b: Mapping[str, int]) -> tuple[int, int]:
    """How many questions only a, and only b, answered correctly."""
    if a.keys() != b.keys() or not a:
        odd = sorted(a.keys() ^ b.keys())
        fault = f"{shown_value(odd[0])} is scored in one only" if odd else "no question is scored"
        raise UserError(f"paired test: {fault}; score both on the same questions")
    a_only = sum(1 for key in a if a[key] and not b[key])
    b_only = sum(1 for key in a if b[key] and not a[key])
    return a_only, b_only


def bootstrap_difference(
    a: Mapping[str, int], b: Mapping[str, int], resamples: int = 10_000, seed: int = 0
) -> tuple[float, float]:
    """A 95 % interval of a's accuracy minus b's on the same questions, in percentage points.

    Questions are drawn with replacement, each with both its verdicts; the interval runs from the
    2.5th to the 97.5th percentile. Only the counts of questions that favour a, b and neither
    matter, so one multinomial draw stands for a resample. Raises ``UserError`` as `mcnemar`.

    Source: B. Efron, Bootstrap methods: another look at the jackknife, Annals of Statistics 7
    (1979); percentiles: B. Efron and R. Tibshirani, An introduction to the bootstrap (1993), 13.
    """
    a_only, b_only = _discordant(a, b)
    n = len(a)
    shares = np.array([a_only, b_only, n - a_only - b_only]) / n
    draws = np.random.default_rng(seed).multinomial(n, shares, size=resamples)
    differences = 100 * (draws[:, 0] - draws[:, 1]) / n
    low, high = np.percentile(differences, [2.5, 97.5])
    return float(low), float(high)


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values of several comparisons, corrected for their number, in the order given.

    Comparing each with 0.05 keeps the chance of even one false alarm among them all below 5 %.
    Raises ``ValueError`` for anything but probabilities.

    Source: S. Holm, A simple sequentially rejective multiple test procedure, Scandinavian
    Journal of Statistics 6 (1979).
    """
    if wrong := [p for p in p_values if not 0 <= p <= 1]:
        raise ValueError(f"{wrong[0]} is not a p-value")
    p, order = np.array(p_values), np.argsort(p_values)
    scaled = np.minimum(1, p[order] * np.arange(len(p), 0, -1))
    p[order] = np.maximum.accumulate(scaled)
    return p.tolist()


def questions_needed(
    a: float, b: float, discordant: float | None = None, power: float = 80.0, alpha: float = 5.0
) -> int:
    """How many questions show that accuracy ``a`` differs from ``b``, two-sided.

    By the normal approximation; McNemar's exact test needs a few more questions.

    Args:
        a, b: true accuracies, in percent.
        discordant: the share of questions, in percent, that exactly one of them answers correctly,
            where both have the same questions; None: each has questions of its own.
        power: the chance of finding the difference, in percent.
        alpha: the chance of an alarm where there is none, in percent.

    Raises:
        ValueError: the accuracies are equal, or no two systems have such shares.

    Source: on separate questions J. L. Fleiss, Statistical methods for rates and proportions
    (1981), 3.2, without continuity correction; on the same ones R. J. Connor, Sample size for
    testing differences in proportions for the paired-sample design, Biometrics 43 (1987).
    """
    difference, null, true = _deviations(a, b, discordant)
    if difference == 0:
        raise ValueError(f"{a} and {b} are equal; no number of questions can distinguish them")
    z = _NORMAL.inv_cdf(1 - alpha / 200)
    z_power = _NORMAL.inv_cdf(power / 100)
    return math.ceil(((z * null + z_power * true) / difference) ** 2)


def detection_power(
    n: int, a: float, b: float, discordant: float | None = None, alpha: float = 5.0
) -> float:
    """The chance, in percent, that ``n`` questions show that ``a`` differs from ``b``.

    The inverse of `questions_needed`, with its arguments and errors. Equal accuracies are
    allowed: what is then found is a false alarm, on one side alpha / 2.
    """
    difference, null, true = _deviations(a, b, discordant)
    if true == 0:  # every question favours the same system, or none favours any
        return 100.0 if difference else 0.0
    z = _NORMAL.inv_cdf(1 - alpha / 200)
    return 100 * _NORMAL.cdf((difference * math.sqrt(n) - z * null) / true)


def _deviations(a: float, b: float, discordant: float | None) -> tuple[float, float, float]:
    """The absolute difference, and its standard deviation per question under null and as given."""
    for share in (a, b, 0.0 if discordant is None else discordant):
        if not 0 <= share <= 100:
            raise ValueError(f"{share} is not a share in percent")
    p, q = a / 100, b / 100
    difference = abs(p - q)
    if discordant is None:
        mean = (p + q) / 2
        null, true = 2 * mean * (1 - mean), p * (1 - p) + q * (1 - q)
        return difference, math.sqrt(null), math.sqrt(true)
    share = discordant / 100
    # At least one system is correct, or wrong, on every question on which they differ.
    if not difference - 1e-12 <= share <= min(p + q, 2 - p - q) + 1e-12:
        raise ValueError(
            f"accuracies of {a} % and {b} % cannot differ on {discordant} % of the questions"
        )
    return difference, math.sqrt(share), math.sqrt(max(0.0, share - difference**2))
