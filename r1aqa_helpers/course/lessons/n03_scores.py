"""Measurements of notebook 04: what wording costs, how often an interval is correct."""

from collections.abc import Callable, Sequence

import numpy as np
from scipy.stats import binom

from r1aqa_helpers.data import AudioQuestion
from r1aqa_helpers.scoring import string_match

#: Ways to say a correct answer, as models do.
WORDINGS = (
    "{}",
    "It is {}.",
    "A. {}",
    "(A) {}",
    "The audio contains {}.",
    "The answer is {}.",
)

#: An interval in percent from how many were correct, of how many.
Interval = Callable[[int, int], tuple[float, float]]


def lost_to_wording(
    questions: Sequence[AudioQuestion], wordings: Sequence[str] = WORDINGS
) -> dict[str, int]:
    """For each wording, on how many questions MMAU's matcher calls the gold answer wrong in it."""
    return {
        wording: sum(
            not string_match(q.answer or "", wording.format(q.answer), q.choices) for q in questions
        )
        for wording in wordings
    }


def coverage(interval: Interval, n: int, accuracies: Sequence[float] | np.ndarray) -> np.ndarray:
    """How often an interval holds the true accuracy, in percent; exact, nothing is drawn.

    Args:
        interval: called once for each count of correct answers from 0 to n.
        n: questions.
        accuracies: true accuracies in percent, shape (a,).

    Returns:
        Shape (a,): for each accuracy the binomial probability of those counts whose interval
        holds it.
    """
    counts = np.arange(n + 1)
    low, high = np.array([interval(int(k), n) for k in counts]).T
    truth = np.asarray(accuracies, dtype=float)[:, None]
    # 1e-9 is rounding, at 0 and at 100.
    holds = (low - 1e-9 <= truth) & (truth <= high + 1e-9)
    return 100 * (binom.pmf(counts, n, truth / 100) * holds).sum(axis=1)
