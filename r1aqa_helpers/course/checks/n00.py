"""Checks of notebook 00: counting right answers, reading a table, advantages, and chance."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from r1aqa_helpers.course.exercise import exercise, expect


def _number(value: Any, what: str) -> float:
    """A plain number, whatever library it comes from."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    expect(math.isfinite(number), f"{what}: one number is wanted, and {value!r} came")
    return number


def _near(a: float, b: float) -> bool:
    return math.isclose(a, b, abs_tol=1e-6)


@exercise("00.1", passed="accuracy is the share of pairs that agree, in percent")
def accuracy_percent(answer: Callable[[Sequence[str], Sequence[str]], float]) -> None:
    """Accuracy in percent of what was said, against the right answers."""
    said, gold = ["dog", "bell", "cat"], ["dog", "cat", "cat"]
    got = _number(answer(said, gold), "accuracy_percent(['dog', 'bell', 'cat'], …)")
    expect(not _near(got, 2), "that is how many are right; what share of all is it?")
    expect(not _near(got, 2 / 3), "that is a share between 0 and 1; a percentage is wanted")
    expect(not _near(got, 100 / 3), "that is the share of the wrong ones: check the comparison")
    expect(
        not _near(got, 100),
        "'bell' counted as right: compare each answer with the gold answer in the same place",
    )
    expect(
        not (round(got) == 67 and not _near(got, 200 / 3)),
        "2 of 3 is 66.67 percent: do not round before the end",
    )
    expect(_near(got, 200 / 3), f"2 of 3 are right, and your function says {got:g}")
    got = _number(answer(["a"] * 10, ["a"] * 5 + ["b"] * 5), "with ten answers")
    expect(_near(got, 50), f"5 of 10 are right, and it says {got:g}: does it divide by the number?")
    expect(_near(_number(answer(["a"], ["b"]), "with none right"), 0), "none of 1 right is 0")


_TABLE = {"direct": 50.0, "sft": 55.0, "grpo": 60.0}


@exercise("00.2", passed="a gain is a difference in percentage points, and it has a sign")
def gain(answer: Callable[[dict[str, float], str, str], float]) -> None:
    """Percentage points by which one method of a table is better than another."""
    got = _number(answer(dict(_TABLE), "grpo", "direct"), "gain(table, 'grpo', 'direct')")
    expect(not _near(got, -10), "the sign is turned round: better minus baseline")
    expect(not _near(got, 20), "20 is the gain in percent of the baseline; points are wanted")
    expect(not _near(got, 1.2), "1.2 is a ratio: how many times as good; points are a difference")
    expect(not _near(got, 0.1), "0.1 is a share; the table is in percent, and so is its difference")
    expect(_near(got, 10), f"from 50 to 60 percent is not {got:g} points")
    got = _number(answer(dict(_TABLE), "sft", "direct"), "gain(table, 'sft', 'direct')")
    expect(
        _near(got, 5),
        f"for 'sft' against 'direct' it says {got:g}: look up the two names that are given",
    )
    got = _number(answer(dict(_TABLE), "direct", "sft"), "gain(table, 'direct', 'sft')")
    expect(not _near(got, 5), "a method that is worse has a negative gain: keep the sign")
    expect(_near(got, -5), f"for 'direct' against 'sft' it says {got:g}")


@exercise("00.3", passed="an advantage says how much better than its group an answer was")
def advantages(answer: Callable[[list[float]], Sequence[float]]) -> None:
    """Reward minus the mean reward of the group, for each answer of the group."""
    given = [1.0, 0.0, 0.0, 1.0]
    result = answer(given)
    expect(hasattr(result, "__len__"), "one number came back: every answer gets its own advantage")
    expect(len(result) == 4, f"{len(result)} advantages for 4 rewards: one for each is wanted")
    expect(given == [1.0, 0.0, 0.0, 1.0], "the rewards that were given must stay as they are")
    got = [_number(value, "an advantage") for value in result]
    wanted = [0.5, -0.5, -0.5, 0.5]
    expect(
        not all(map(_near, got, [-w for w in wanted])),
        "right answers come out negative: reward minus mean, not mean minus reward",
    )
    expect(
        not all(map(_near, got, [0, -1, -1, 0])),
        "you compared with the best of the group; compare with the mean",
    )
    expect(
        not all(map(_near, got, [2, 0, 0, 2])),
        "you divided by the mean; what is wanted is the distance from it",
    )
    expect(
        not all(map(_near, got, given)),
        "these are the rewards themselves: what the whole group has in common is still in them",
    )
    expect(all(map(_near, got, wanted)), f"for rewards 1, 0, 0, 1 it says {got}")
    got = [_number(value, "an advantage") for value in answer([1.0, 0.0, 0.0, 0.0])]
    expect(
        not all(map(_near, got, [0.5, -0.5, -0.5, -0.5])),
        "0.5 is the mean of that one group: compute the mean from the rewards",
    )
    expect(all(map(_near, got, [0.75, -0.25, -0.25, -0.25])), f"for rewards 1, 0, 0, 0: {got}")
    got = [_number(value, "an advantage") for value in answer([1.0, 1.0])]
    expect(all(map(_near, got, [0, 0])), "a group in which all are right has no advantage to give")


@exercise("00.4", passed="with mixed numbers of choices, average the chances, not the choices")
def chance_percent(answer: Callable[[Sequence[int]], float]) -> None:
    """Accuracy of blind guessing in percent, from each question's number of choices."""
    got = _number(answer([2, 5]), "chance_percent([2, 5])")
    expect(not _near(got, 100 / 3.5), "you averaged the choices first: average the chances")
    expect(not _near(got, 0.35), "0.35 is a share between 0 and 1; a percentage is wanted")
    expect(not _near(got, 25), "25 is right for four choices only: use each question's own number")
    expect(not _near(got, 70), "that is the sum of both chances; the mean is wanted")
    expect(
        not (_near(got, 50) or _near(got, 20)),
        "every question counts, not only the one with the fewest or most choices",
    )
    expect(_near(got, 35), f"half of the time 50, half of the time 20 is not {got:g}")
    got = _number(answer([4, 4, 4, 2]), "chance_percent([4, 4, 4, 2])")
    expect(
        _near(got, 31.25),
        f"for choices 4, 4, 4, 2 it says {got:g}: a number that appears three times counts thrice",
    )
