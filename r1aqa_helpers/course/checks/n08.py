"""Checks of notebook 08: two pushes, the search for a rate, two kinds of luck, what to claim."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from r1aqa_helpers.course.comparison import AHEAD, BEHIND, CLAIMS, ONE, OPEN, WITHIN
from r1aqa_helpers.course.exercise import exercise, expect


def _pair(result: Any, wanted: str) -> tuple[Any, Any]:
    expect(isinstance(result, tuple) and len(result) == 2, f"a pair is wanted: {wanted}")
    return result


@exercise("08.1", passed="one direction, two strengths: rewards ask how likely the label is")
def two_pushes(
    answer: Callable[[torch.Tensor, int], tuple[torch.Tensor, torch.Tensor]],
) -> None:
    """SFT's gradient on the logits, and the expected one of a reward for saying the label."""
    policy = torch.tensor([0.5, 0.3, 0.15, 0.05])
    imitated, rewarded = _pair(answer(policy, 2), "SFT's push and the reward's")
    for name, push in (("SFT's", imitated), ("the reward's", rewarded)):
        expect(
            isinstance(push, torch.Tensor) and push.shape == (4,),
            f"{name} push has an entry for each of the four choices",
        )
    right = torch.eye(4)[2] - policy

    def same(a: torch.Tensor, b: torch.Tensor) -> bool:
        return torch.allclose(a.float(), b, atol=1e-5)

    expect(
        not same(imitated, -right) and not same(rewarded, -0.15 * right),
        "the signs are turned round: a push up is wanted, not the gradient of a loss",
    )
    expect(
        not same(imitated, torch.eye(4)[2]),
        "SFT's push adds up to zero: what one choice gains the others lose, so the policy is"
        " subtracted",
    )
    expect(
        not (same(imitated, 0.15 * right) and same(rewarded, right)),
        "the two are exchanged: it is the reward that has to wait for the label to be drawn",
    )
    expect(same(imitated, right), "SFT pushes by the one-hot vector of the label minus the policy")
    expect(
        not same(rewarded, right),
        "an answer is drawn only now and then, and only the label earns: how often is it drawn?",
    )
    expect(
        not same(rewarded, policy * right),
        "each entry was weighed with its own probability: all of them belong to the same draw,"
        " the label, and weigh alike",
    )
    expect(
        same(rewarded, 0.15 * right),
        "the expectation is over the draws: probability of the label, times reward 1, times its"
        " gradient; all other draws earn 0",
    )


@exercise("08.2", passed="validation chose, and said where to look next; the test stayed shut")
def search_rate(
    answer: Callable[[Sequence[Mapping[str, float]]], tuple[float, float | None]],
) -> None:
    """The best rate on validation, the smallest of equals; three times beyond where at an end."""

    def runs(*rows: tuple[float, int, int]) -> list[dict[str, float]]:
        return [dict(zip(("rate", "validation", "test"), row, strict=True)) for row in rows]

    def wanted(rows: list[dict[str, float]]) -> tuple[Any, Any]:
        return _pair(answer(rows), "the chosen rate, and the rate to try next, or None")

    inside = runs((3e-5, 60, 70), (1e-4, 80, 71), (3e-4, 75, 90))
    rate, after = wanted(inside)
    expect(rate != 3e-4, "3e-4 looks best on the test: the test has chosen")
    expect(rate != 80, "a rate is wanted, not its number of right answers")
    expect(rate == 1e-4, f"1e-4 has the most right on validation, not {rate:g}")
    expect(
        after is None,
        "1e-4 has neighbours on both sides that are worse: the search ends, with None",
    )
    above = wanted(runs((3e-4, 90, 50), (3e-5, 60, 50), (1e-4, 80, 50)))
    expect(
        above[0] == 3e-4 and above[1] is not None,
        "here the best is the largest rate that was tried: a better one may lie beyond it"
        " (the runs come in any order)",
    )
    expect(
        abs(above[1] - 9e-4) < 1e-9,
        f"beyond 3e-4 the next rate is three times as large, 9e-4, not {above[1]:g}",
    )
    below = wanted(runs((3e-5, 90, 50), (1e-4, 80, 50), (3e-4, 70, 50)))
    expect(
        below[0] == 3e-5 and below[1] is not None and abs(below[1] - 1e-5) < 1e-9,
        "below the smallest rate the next one is a third of it, 1e-5 here",
    )
    even = wanted(runs((1e-4, 80, 50), (3e-5, 70, 50), (3e-4, 80, 60)))
    expect(
        even == (1e-4, None),
        "of equals on validation the smallest rate is taken, and 1e-4 has neighbours on both sides",
    )


@exercise("08.3", passed="luck of the questions and luck of the training, in one interval")
def two_lucks(
    answer: Callable[[np.ndarray, np.ndarray, np.ndarray], tuple[float, float]],
) -> None:
    """The 2.5th and 97.5th percentile of mean differences over drawn seeds and questions."""
    rng = np.random.default_rng(3)
    seeds, questions, draws = 3, 120, 3000
    torn = np.zeros((seeds, questions))
    torn[0, :36], torn[1, :36], torn[2, :12] = 1, -1, 1
    by_seed = rng.integers(0, seeds, (draws, seeds))
    by_question = rng.integers(0, questions, (draws, questions))

    def ends(means: np.ndarray, low: float = 2.5) -> np.ndarray:
        return np.percentile(100 * means, [low, 100 - low])

    picked = [torn[np.ix_(s, q)] for s, q in zip(by_seed, by_question, strict=True)]
    both = np.array([part.mean() for part in picked])
    only_questions = torn.mean(axis=0)[by_question].mean(axis=1)
    only_seeds = torn.mean(axis=1)[by_seed].mean(axis=1)
    low, high = map(float, _pair(answer(torn, by_seed, by_question), "the lower and the upper end"))
    expect(low <= high, "the lower end comes first")
    expect(max(abs(low), abs(high)) > 1, "points are wanted: shares of questions, times 100")

    def near(wanted: np.ndarray) -> bool:
        return bool(np.allclose((low, high), wanted, atol=0.05))

    expect(
        not near(ends(only_questions)),
        "only questions were drawn: three trainings that disagree still count as if there were"
        " no others; draw seeds as well",
    )
    expect(
        not near(ends(only_seeds)),
        "only seeds were drawn: the test's questions are a sample, too",
    )
    expect(
        not near(ends(both, 5)),
        "from 5 to 95 lie 90 % of the draws: 95 % leave 2.5 at either end",
    )
    expect(
        not near(-ends(both)[::-1]),
        "the sign is turned round: the matrix already holds a minus b",
    )
    se = 100 * both.std() / np.sqrt(draws)
    expect(
        high - low > 8 * se,
        "this is the interval of the draws' mean, which shrinks with the number of draws",
    )
    expect(
        near(ends(both)),
        f"the ends should be {ends(both)[0]:.1f} and {ends(both)[1]:.1f}, not {low:.1f} and"
        f" {high:.1f}: one draw takes some seeds and some questions, both with replacement",
    )
    # A single resample is its own interval: its block, a third of it on question 0.
    thirds = np.where(np.arange(questions) % 3 == 0, 0, 100)
    alone = answer(torn, np.array([[0, 1, 2]]), thirds[None])
    expect(
        np.allclose(alone, 100 / 9, atol=0.05),
        "each question was given one of the seeds: every drawn seed meets every drawn question,"
        " in the block where they cross",
    )


@exercise("08.4", passed="five sentences, and for each table only one of them is true")
def claim(answer: Callable[[float, float, float, int, float], str]) -> None:
    """One of `CLAIMS`, from an interval, a corrected p, the number of seeds and a margin."""

    def said(low: float, high: float, p: float, seeds: int = 3, margin: float = 2.0) -> str:
        found = answer(low, high, p, seeds, margin)
        expect(found in CLAIMS, f"one of {', '.join(CLAIMS)} is wanted, not {found!r}")
        return found

    expect(
        said(3.9, 12.3, 0.001, seeds=1) == ONE,
        "with one training each, nothing is known of the luck of training: however small p is,"
        " it is a claim about two models, not about two methods",
    )
    expect(said(1.0, 6.0, 0.01) == AHEAD, "an interval above zero with p 0.01: ahead")
    expect(
        said(-6.0, -1.0, 0.01) == BEHIND,
        "an interval below zero with p 0.01: the first is behind; look at the side of zero",
    )
    expect(
        said(0.2, 5.0, 0.2) != AHEAD,
        "the p after Holm's correction is 0.2: one of many looks, and no alarm; the interval alone"
        " knows nothing of the other looks",
    )
    expect(
        said(-0.8, 1.2, 0.7) != OPEN,
        "this interval lies wholly within the margin of 2 points: that much is known, and it is"
        " more than 'not told apart'",
    )
    expect(said(-0.8, 1.2, 0.7) == WITHIN, "an interval inside the margin: within the margin")
    expect(
        said(-3.0, 4.0, 0.7) != WITHIN,
        "an interval from -3 to 4 holds differences beyond the margin of 2: no difference found is"
        " not the same as no difference",
    )
    expect(said(-3.0, 4.0, 0.7) == OPEN, "zero inside, the margin crossed: not told apart")
    expect(
        said(-1.8, 2.6, 0.6) == OPEN,
        "both ends must lie within the margin, not only one of them or the middle",
    )
    expect(
        said(-0.8, 1.2, 0.7, margin=1.0) == OPEN,
        "the margin is an argument: from -0.8 to 1.2 crosses a margin of 1 point",
    )
    expect(
        said(0.3, 1.5, 0.01) == AHEAD,
        "small and certain is ahead first; that it is less than the margin is a second sentence",
    )
