"""Checks of notebook 07: two gradients, an interval over seeds, how many seeds are needed."""

import math

import numpy as np
import torch
from scipy import stats

from r1aqa_helpers.course.checks.common import (
    Answer,
    close,
    explain,
    number,
    parts,
    tensor,
    try_cases,
)
from r1aqa_helpers.course.exercise import exercise, expect


@exercise("07.1", passed="one direction, two magnitudes: a reward's grows with p of the label")
def gradients(answer: Answer) -> None:
    """SFT's gradient on the logits, and the expected one of a reward for saying the label."""
    policy = torch.tensor([0.5, 0.3, 0.15, 0.05])
    imitated, rewarded = parts(answer(policy, 2), "SFT's gradient and the reward's")
    imitated = tensor(imitated, (4,), "SFT's gradient, an entry per choice")
    rewarded = tensor(rewarded, (4,), "the reward's gradient, an entry per choice")
    label = torch.eye(4)[2]
    up = label - policy
    swapped = close(imitated, 0.15 * up, 1e-5) and close(rewarded, up, 1e-5)
    expect(not swapped, "the two are exchanged: only the reward waits for the label to be drawn")
    mistakes = {
        "the signs are reversed: up is wanted, not a loss's gradient": -up,
        "SFT's gradient adds up to zero: the policy is subtracted": label,
    }
    explain(imitated, up, mistakes, "SFT's is the label's one-hot vector minus the policy", 1e-5)
    mistakes = {
        "the signs are reversed: up is wanted for the reward, too": -0.15 * up,
    }
    told = "the expectation: probability of the label, times reward 1, times its gradient"
    explain(rewarded, 0.15 * up, mistakes, told, 1e-5)


@exercise("07.2", passed="seed beside seed, and Student's t for few of them")
def paired_interval(answer: Answer) -> None:
    """Mean difference over the common seeds, and its 95 % interval by Student's t."""
    a = {0: 70.0, 1: 74.0, 2: 78.0, 3: 73.0, 9: 90.0}
    b = {3: 71.5, 2: 77.0, 1: 73.5, 0: 68.0}
    got = parts(answer(dict(a), dict(b)), "mean, low, high", size=3)
    mean, low, high = (number(one) for one in got)
    each = np.array([a[seed] - b[seed] for seed in range(4)])
    by_place = np.array([x - y for x, y in zip(a.values(), b.values(), strict=False)])
    mistakes = {
        "the difference is a minus b: yours has the sign reversed": -each.mean(),
        "all seeds of a were taken: seed 9 has no partner in b": np.mean([*a.values()])
        - np.mean([*b.values()]),
    }
    told = f"the mean of the four differences is {each.mean():g}, not {mean:g}"
    explain(mean, each.mean(), mistakes, told)
    expect(low <= high, "the lower end comes first")
    error, t = each.std(ddof=1) / 2, stats.t.ppf(0.975, 3)
    unpaired = math.sqrt(sum(np.var([x[s] for s in range(4)], ddof=1) for x in (a, b)) / 4)
    halves = {
        "with four seeds 1.96 is too small: take Student's t with n - 1 degrees": 1.96 * error,
        "this is the deviation of one difference: divide by the root of n": 2 * t * error,
        "np.std divides by n unless told otherwise: ddof=1": t * each.std() / 2,
        "seeds were paired by their place in the dict, not by their number": t
        * by_place.std(ddof=1)
        / 2,
        "this adds up two variances: take that of the differences, seed by seed": t * unpaired,
        "t.ppf(0.95) leaves 5 % at each end: 95 % leave 2.5 %": stats.t.ppf(0.95, 3) * error,
        "n - 1 degrees of freedom, not n": stats.t.ppf(0.975, 4) * error,
    }
    told = f"the interval reaches {t * error:.3f} to either side, yours {(high - low) / 2:.3f}"
    explain((high - low) / 2, t * error, halves, told, 1e-3)


@exercise("07.3", passed="now a plan can say what it will be able to see")
def seeds_needed(answer: Answer) -> None:
    """The smallest n of which a difference is found with a power of 80 %."""

    def needed(deviation: float, difference: float, level: float = 0.975, free: int = 1) -> int:
        for n in range(2, 10_000):
            factors = stats.t.ppf(level, n - free) + stats.t.ppf(0.8, n - free)
            if factors * deviation / math.sqrt(n) <= difference:
                return n
        raise ValueError("too many")

    got = number(answer(1.5, 1.0), "a number of seeds")
    normal = stats.norm.ppf(0.975) + stats.norm.ppf(0.8)
    mistakes = {
        "with the normal distribution it is too few: take t with n - 1 degrees": math.ceil(
            (1.5 * normal) ** 2
        ),
        "this is for a power of one half: add t.ppf(0.8)": next(
            n for n in range(2, 999) if stats.t.ppf(0.975, n - 1) * 1.5 / math.sqrt(n) <= 1
        ),
        "a two-sided test at 5 % takes t.ppf(0.975)": needed(1.5, 1.0, 0.95),
        "the standard error falls with the root of n, not with n": next(
            n
            for n in range(2, 999)
            if (stats.t.ppf(0.975, n - 1) + stats.t.ppf(0.8, n - 1)) * 1.5 / n <= 1
        ),
        "one seed fewer than needed: the condition has to hold for the n returned": needed(1.5, 1.0)
        - 1,
    }
    told = f"for a deviation of 1.5 and a difference of 1 it is {needed(1.5, 1.0)}, not {got:g}"
    explain(got, needed(1.5, 1.0), mistakes, told)
    cases = {
        "a large difference needs few seeds, but two at least: yours says {got}": ((0.01, 5.0), 2),
        "half the difference, about four times the seeds: yours says {got}": (
            (1.5, 0.5),
            needed(1.5, 0.5),
        ),
    }
    try_cases(answer, cases)
