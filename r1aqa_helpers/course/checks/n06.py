"""Checks of notebook 06: a learning-rate schedule, choosing a checkpoint, dynamic sampling."""

import itertools
from collections.abc import Callable

from r1aqa_helpers.course.checks.common import Answer, explain, number, parts, try_cases
from r1aqa_helpers.course.exercise import Mistake, exercise, expect


@exercise("06.1", passed="half of the steps, three quarters of the learning")
def rate_spent(answer: Answer) -> None:
    """The rates of the first steps of a linear schedule, as a share of the whole sum."""

    def share(step: int, planned: int) -> float:
        rates = [1 - i / planned for i in range(planned)]
        return sum(rates[:step]) / sum(rates)

    got = number(answer(500, 1000), "a share, one number")
    mistakes = {
        "this is the share of the steps: the early steps have a higher rate": 0.5,
        "this is the rate at that step, not the sum up to it": 1 - 500 / 1000,
        "this is percent: a share goes from 0 to 1": 100 * share(500, 1000),
        "this is what is left: the share that is spent was asked for": 1 - share(500, 1000),
    }
    told = f"after 500 of 1,000 steps {share(500, 1000):.4f} of the sum is spent, not {got:g}"
    explain(got, share(500, 1000), mistakes, told, 5e-3)
    cases = {
        "after all steps everything is spent, 1.0: yours gives {got}": ((4, 4), 1.0),
        "step 1 of 4 has the full rate, 4 of 4 + 3 + 2 + 1 parts: yours gives {got}": ((1, 4), 0.4),
    }
    try_cases(lambda *given: number(answer(*given)), cases)


@exercise("06.3", passed="as good as the best within the error, and the earliest such checkpoint")
def choose_checkpoint(answer: Answer) -> None:
    """The earliest step within one standard error of the best, sqrt(p (1 - p) / n)."""
    correct = {10: 210, 20: 262, 30: 297, 40: 302, 50: 306, 60: 309, 70: 304}
    got = answer(correct, 400)
    expect(got in correct, f"one of the steps is wanted, not {got}")
    mistakes = {
        "step 60 has the highest score; an earlier one is within its error": 60,
        "step 10 is far below the best: the error is a share, and shrinks with n": 10,
    }
    told = f"step {got} is not the earliest within one standard error of the best"
    explain(got, 40, mistakes, told)
    shuffled = {70: 304, 40: 302, 60: 309, 50: 306}
    many = {10: 2100, 20: 3020, 30: 3090}
    cases = {
        "the dict need not be in order: yours took the first that it met": ((shuffled, 400), 40),
        "more questions, smaller error: yours does not follow n": ((many, 4000), 30),
    }
    try_cases(answer, cases)


@exercise("06.2", passed="every group of the step has something to teach, and the cost is counted")
def fill_step(answer: Answer) -> None:
    """Groups that vary, in the order drawn, until there are enough; and how many were drawn."""
    perfect, short, mixed, other = [2.0] * 4, [1.0] * 4, [2.0, 1.0, 1.0, 0.0], [0.0, 1.0, 1.0, 1.0]

    def tried(rewards: list[list[float]], wanted: int, most: int) -> tuple[list, int, int]:
        draw, drawn = _drawn_from(rewards)
        kept, told = parts(answer(draw, wanted, most), "the groups, and how many were drawn")
        return list(kept), told, drawn()

    kept, told, drawn = tried([perfect, mixed, short, other, mixed], 2, 10)
    expect(perfect not in kept, "a group whose rewards are all 2 has no variance: leave it out")
    expect(short not in kept, "all 1 is no variance either: equal rewards, whatever they are")
    expect(drawn <= 4, f"two groups that vary are there after 4 draws: yours drew {drawn}")
    mistakes = {
        "2 is how many were kept; every group that was drawn costs, and counts": 2,
        "the draws that were rejected were counted; the kept ones were drawn, too": drawn - 2,
    }
    expect(kept == [mixed, other], f"the two groups that vary are wanted, in order: not {kept}")
    explain(told, 4, mistakes, f"4 groups were drawn, not {told}")
    kept, told, drawn = tried([perfect, mixed, *itertools.repeat(short, 40)], 2, 5)
    expect(drawn == 5, f"after 5 draws it has to stop, full or not: yours drew {drawn}")
    expect(
        kept == [mixed], "when it stops early, it returns what it has, the one group that varies"
    )


def _drawn_from(rewards: list[list[float]]) -> tuple[Callable[[], list[float]], Callable[[], int]]:
    """A function that gives one group after the other, and one that counts its calls."""
    calls = 0

    def draw() -> list[float]:
        nonlocal calls
        calls += 1
        if calls > len(rewards):
            raise Mistake("your loop never stops: `most` is the largest number of draws")
        return list(rewards[calls - 1])

    return draw, lambda: calls
