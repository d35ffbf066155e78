"""How sure an accuracy is, and whether two of them differ. Only numbers come in here."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist

from scipy.stats import binomtest

from r1aqa_helpers.errors import UserError
from r1aqa_helpers.files import shown_value

_Z_95 = NormalDist().inv_cdf(0.975)


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
    # At the ends the formula gives 0 and 1 exactly; floating point may miss them by a hair.
    low = 0.0 if correct == 0 else 100 * (centre - half)
    high = 100.0 if correct == n else 100 * (centre + half)
    return low, high


@dataclass(frozen=True)
class McNemar:
    """A paired comparison of systems a and b on the same ``n`` questions."""

    a_only: int  #: questions that only a answered right
    b_only: int  #: questions that only b answered right
    n: int
    difference: float  #: accuracy of a minus accuracy of b, in percentage points
    p: float  #: exact, two-sided


def mcnemar(a: Mapping[str, int], b: Mapping[str, int]) -> McNemar:
    """McNemar's exact test: ``a`` and ``b`` say for each question id whether it was right (1).

    Under the null hypothesis each question that exactly one system answered right is a fair
    coin; p is the two-sided binomial probability, 1 where there is no such question. Raises
    ``UserError`` unless both were asked the same questions.
    """
    if a.keys() != b.keys() or not a:
        odd = sorted(a.keys() ^ b.keys())
        fault = f"{shown_value(odd[0])} is scored in one only" if odd else "no question is scored"
        raise UserError(f"paired test: {fault}; score both on the same questions")
    a_only = sum(1 for key in a if a[key] and not b[key])
    b_only = sum(1 for key in a if b[key] and not a[key])
    discordant = a_only + b_only
    p = float(binomtest(a_only, discordant).pvalue) if discordant else 1.0
    return McNemar(a_only, b_only, len(a), 100 * (a_only - b_only) / len(a), p)
