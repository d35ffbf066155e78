"""Checks of notebook 08: two gradients, search for a rate, two kinds of noise, what to claim."""

from typing import Any

import numpy as np
import torch

from r1aqa_helpers.course.checks.common import Answer, close, explain, number, parts, tensor
from r1aqa_helpers.course.exercise import exercise, expect
from r1aqa_helpers.course.lessons.n07 import AHEAD, BEHIND, CLAIMS, ONE, OPEN, WITHIN


@exercise("08.1", passed="one direction, two magnitudes: a reward's grows with p of the label")
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


@exercise("08.2", passed="chosen on validation, with the rate to try next; the test was not used")
def search_rate(answer: Answer) -> None:
    """The best rate on validation, the smallest of equals; three times beyond where at an end."""

    def searched(*rows: tuple[float, int, int]) -> tuple[Any, Any]:
        names = ("rate", "validation", "test")
        tried = [dict(zip(names, row, strict=True)) for row in rows]
        return parts(answer(tried), "the chosen rate, and the rate to try next, or None")

    rate, after = searched((3e-5, 60, 70), (1e-4, 80, 71), (3e-4, 75, 90))
    mistakes = {
        "3e-4 looks best on the test: the test has chosen": 3e-4,
    }
    explain(rate, 1e-4, mistakes, f"1e-4 has the best validation accuracy, not {rate:g}", 1e-9)
    expect(after is None, "1e-4 is better than its neighbours on both sides: the next is None")
    rate, after = searched((3e-4, 90, 50), (3e-5, 60, 50), (1e-4, 80, 50))
    beyond = "here the best is the largest rate tried: a better one may lie beyond it"
    expect(rate == 3e-4 and after is not None, f"{beyond} (the runs come in any order)")
    rate, after = searched((3e-5, 90, 50), (1e-4, 80, 50), (3e-4, 70, 50))
    third = rate == 3e-5 and after is not None and close(after, 1e-5, 1e-9)
    expect(third, "below the smallest rate the next one is a third of it, 1e-5 here")
    even = searched((1e-4, 80, 50), (3e-5, 70, 50), (3e-4, 80, 60))
    expect(tuple(even) == (1e-4, None), "of equals on validation the smallest rate is taken")


@exercise("08.3", passed="sampling noise of the questions and seed variance, in one interval")
def noise(answer: Answer) -> None:
    """The 2.5th and 97.5th percentile of mean differences over drawn seeds and questions."""
    rng = np.random.default_rng(3)
    seeds, questions, draws = 3, 120, 3000
    torn = np.zeros((seeds, questions))
    torn[0, :36], torn[1, :36], torn[2, :12] = 1, -1, 1
    by_seed = rng.integers(0, seeds, (draws, seeds))
    by_question = rng.integers(0, questions, (draws, questions))
    pairs = zip(by_seed, by_question, strict=True)
    both = np.array([torn[np.ix_(s, q)].mean() for s, q in pairs])

    def ends(means: np.ndarray, low: float = 2.5) -> np.ndarray:
        return np.percentile(100 * means, [low, 100 - low])

    got = parts(answer(torn, by_seed, by_question), "the lower and the upper end")
    low, high = (number(end) for end in got)
    expect(low <= high, "the lower end comes first")
    expect(max(abs(low), abs(high)) > 1, "points are wanted: shares of questions, times 100")
    mistakes = {
        "only questions were drawn: draw seeds as well": ends(torn.mean(0)[by_question].mean(1)),
        "only seeds were drawn: questions are a sample, too": ends(torn.mean(1)[by_seed].mean(1)),
        "from 5 to 95 lie 90 % of the draws: 95 % leave 2.5 at either end": ends(both, 5),
        "the sign is reversed: the matrix already holds a minus b": -ends(both)[::-1],
    }
    narrow = high - low < 8 * 100 * both.std() / np.sqrt(draws)
    other = "one draw takes some seeds and some questions, both with replacement"
    if narrow:
        other = "this is the interval of the draws' mean, which shrinks with more draws"
    explain((low, high), ends(both), mistakes, other, 0.05)
    # A single resample is its own interval: its block, a third of it on question 0.
    thirds = np.where(np.arange(questions) % 3 == 0, 0, 100)
    alone = answer(torn, np.array([[0, 1, 2]]), thirds[None])
    crossed = close(alone, (100 / 9, 100 / 9), 0.05)
    expect(crossed, "each question got one seed: every drawn seed meets every drawn question")


@exercise("08.4", passed="five conclusions, and each table supports exactly one")
def claim(answer: Answer) -> None:
    """One of `CLAIMS`, from an interval, a corrected p, the number of seeds and a margin."""
    cases = [
        ((3.9, 12.3, 0.001, 1, 2.0), ONE, "one training each: nothing is known of other seeds"),
        ((1.0, 6.0, 0.01, 3, 2.0), AHEAD, "an interval above zero with p 0.01: ahead"),
        ((-6.0, -1.0, 0.01, 3, 2.0), BEHIND, "an interval below zero with p 0.01: behind"),
        ((-0.8, 1.2, 0.7, 3, 2.0), WITHIN, "this interval lies wholly within the margin of 2"),
        ((-3.0, 4.0, 0.7, 3, 2.0), OPEN, "-3 to 4: no difference found is not no difference"),
        ((0.2, 5.0, 0.2, 3, 2.0), OPEN, "Holm's p is 0.2: the interval alone does not decide"),
        ((-1.8, 2.6, 0.6, 3, 2.0), OPEN, "both ends must lie within the margin, not only one"),
        ((-0.8, 1.2, 0.7, 3, 1.0), OPEN, "the margin is an argument: here it is 1 point"),
        ((0.3, 1.5, 0.01, 3, 2.0), AHEAD, "small and certain is ahead first"),
    ]
    for arguments, expected, message in cases:
        found = answer(*arguments)
        expect(found in CLAIMS, f"one of {', '.join(CLAIMS)} is wanted, not {found!r}")
        expect(found == expected, f"{message} (your answer: {found})")
