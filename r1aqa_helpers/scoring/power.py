"""How many questions are enough: sample size and power of a comparison of two accuracies.

Either each system has questions of its own (``discordant`` is None), or both have the same, and
``discordant`` is the share in percent that exactly one of them answers correctly. By the normal
approximation; McNemar's exact test needs a few more questions.
"""

import math
from statistics import NormalDist

_NORMAL = NormalDist()


def questions_needed(
    a: float, b: float, discordant: float | None = None, power: float = 80.0, alpha: float = 5.0
) -> int:
    """How many questions show that accuracy ``a`` differs from ``b``, two-sided.

    Args:
        a, b: true accuracies, in percent.
        discordant: as above.
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
