"""Checks of notebook 00: rewards compared with their group."""

from r1aqa_helpers.course.checks.common import Answer, close, explain
from r1aqa_helpers.course.exercise import exercise, expect


@exercise("00.1", passed="an advantage says how much better than its group an answer was")
def centred(answer: Answer) -> None:
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
