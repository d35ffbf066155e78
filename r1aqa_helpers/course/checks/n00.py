"""Checks of notebook 00: counting correct answers, reading a table, advantages, chance."""

from r1aqa_helpers.course.checks.common import Answer, close, explain, number, try_cases
from r1aqa_helpers.course.exercise import exercise, expect


@exercise("00.1", passed="accuracy is the share of pairs that agree, in percent")
def accuracy_percent(answer: Answer) -> None:
    """Accuracy in percent of what was said, against the gold answers."""
    got = number(answer(["dog", "bell", "cat"], ["dog", "cat", "cat"]))
    mistakes = {
        "that is how many are correct; what share of all is it?": 2,
        "that is a share between 0 and 1; a percentage is wanted": 2 / 3,
        "that is the share of the wrong ones: check the comparison": 100 / 3,
    }
    explain(got, 200 / 3, mistakes, f"2 of 3 are correct, and your function says {got:g}")
    cases = {
        "5 of 10 are correct, not {got} %": (
            (["a"] * 10, ["a"] * 5 + ["b"] * 5),
            50.0,
        ),
    }
    try_cases(answer, cases)


@exercise("00.2", passed="a gain is a difference in percentage points, and it has a sign")
def gain(answer: Answer) -> None:
    """Percentage points by which one method of a table is better than another."""
    table = {"direct": 50.0, "sft": 55.0, "grpo": 60.0}
    got = number(answer(dict(table), "grpo", "direct"))
    mistakes = {
        "the sign is reversed: better minus baseline": -10,
        "20 is the gain in percent of the baseline; points are wanted": 20,
    }
    explain(got, 10, mistakes, f"from 50 to 60 percent is not {got:g} points")
    cases = {
        "{got}: a worse method has a negative gain, keep the sign": (
            (table, "direct", "sft"),
            -5.0,
        ),
    }
    try_cases(answer, cases)


@exercise("00.3", passed="an advantage says how much better than its group an answer was")
def advantages(answer: Answer) -> None:
    """Reward minus the mean reward of the group, for each answer of the group."""
    given = [1.0, 0.0, 0.0, 1.0]
    got = answer(given)
    expect(hasattr(got, "__len__"), "one number came back: every answer gets its own advantage")
    expect(len(got) == 4, f"{len(got)} advantages for 4 rewards: one for each is wanted")
    expect(given == [1.0, 0.0, 0.0, 1.0], "the rewards that were given must stay as they are")
    mistakes = {
        "correct answers come out negative: reward minus mean is wanted": [-0.5, 0.5, 0.5, -0.5],
        "these are the rewards themselves: subtract the mean of the group": given,
    }
    explain(got, [0.5, -0.5, -0.5, 0.5], mistakes, f"for rewards 1, 0, 0, 1 it says {got}")
    got = answer([1.0, 0.0, 0.0, 0.0])
    mistakes = {"0.5 is the mean of that one group: compute the mean": [0.5, -0.5, -0.5, -0.5]}
    explain(got, [0.75, -0.25, -0.25, -0.25], mistakes, f"for rewards 1, 0, 0, 0 it says {got}")
    expect(close(answer([1.0, 1.0]), [0, 0]), "where all are correct every advantage is 0")


@exercise("00.4", passed="with mixed numbers of choices, average the chances, not the choices")
def chance_percent(answer: Answer) -> None:
    """Accuracy of blind guessing in percent, from each question's number of choices."""
    got = number(answer([2, 5]))
    mistakes = {
        "you averaged the choices first: average the chances": 100 / 3.5,
        "0.35 is a share between 0 and 1; a percentage is wanted": 0.35,
        "25 is correct for four choices only: use each question's own number": 25,
    }
    explain(got, 35, mistakes, f"half of the time 50, half of the time 20 is not {got:g}")
    message = "choices 4, 4, 4, 2 give {got}: a number that appears three times counts thrice"
    try_cases(answer, {message: ([4, 4, 4, 2], 31.25)})
