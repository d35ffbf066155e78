"""Checks of notebook 10: the batch of one, the gain of an update, six logs."""

from typing import Any

import torch

from r1aqa_helpers.course.checks.common import Answer, explain, number, of_kind
from r1aqa_helpers.course.exercise import exercise, expect
from r1aqa_helpers.course.lessons.n10 import FAULTS


@exercise("10.1", passed="a row that depends on its neighbours is found, whatever the cause")
def suspects(answer: Answer) -> None:
    """Places of rows whose scores differ by more than the tolerance, NaN included."""
    alone = torch.tensor([-1.0, -2.0, -3.0, -4.0])

    def got(*shifts: float, **named: float) -> Any:
        found = answer(alone, alone + torch.tensor(shifts), **named)
        found = found.tolist() if isinstance(found, torch.Tensor) else found
        return of_kind(found, list, "a list of places")

    up, down = got(0.0, 0.5, 0.0, 0.0), got(0.0, 0.0, -0.5, 0.0)
    expect(up or down, "a row that differs by half a nat is not found, in either direction")
    expect(up and down, "rows are found in one direction only: a mispaired row may gain or lose")
    agree = up == [0, 2, 3] or down == [0, 1, 3]
    expect(not agree, "these are the rows that agree: the others are under suspicion")
    expect(up == [1] and down == [2], "rows 1 and 2, counted from 0, were shifted; not these")
    rounded = got(0.0, 1e-6, -1e-6, 0.0) == []
    expect(rounded, "a millionth counts as a difference: sums in another order differ by that")
    expect(got(0.5, -0.5, 0.0, 0.0) == [0, 1], "two shifts of opposite sign cancel: use each row")
    nan = got(0.0, 0.0, 0.0, float("nan")) == [3]
    expect(nan, "a score that is not a number passed as agreeing: comparing with NaN is false")
    loose = got(0.0, 0.05, 0.0, 0.0, tolerance=0.1) == []
    expect(loose, "with tolerance 0.1 a shift of 0.05 should pass: yours ignores the argument")


@exercise("10.2", passed="one number, positive where the update did what it should")
def gain(answer: Answer) -> None:
    """Mean over answers of advantage times mean change of its own tokens."""
    before = torch.tensor([[-1.0, -2.0, -9.0], [-1.0, -1.0, -1.0]])
    after = torch.tensor([[-0.5, -1.5, -2.0], [-1.5, -1.0, -1.6]])
    mask = torch.tensor([[1.0, 1.0, 0.0], [1.0, 1.0, 1.0]])
    advantages = torch.tensor([1.0, -0.6])
    got = number(answer(before, after, mask, advantages))
    change, lengths = after - before, mask.sum(dim=1)
    own = (change * mask).sum(dim=1)
    mistakes = {
        "the sign is turned round: it is after minus before": -(advantages * own / lengths).mean(),
        "padding is counted: multiply by the mask before you sum": (
            (advantages * change.mean(dim=1)).mean()
        ),
        "each answer is divided by T: divide by its own number of tokens": (
            (advantages * own / 3).mean()
        ),
        "these are sums over tokens: the objective has the mean of each answer's tokens": (
            (advantages * own).mean()
        ),
        "the mean over all tokens weights long answers more: first one mean per answer": (
            (advantages[:, None] * change * mask).sum() / mask.sum()
        ),
        "the advantages are missing: a bad answer should become less likely": (
            (own / lengths).mean()
        ),
        "a sum over answers: the mean is wanted": (advantages * own / lengths).sum(),
    }
    expected = (advantages * own / lengths).mean()
    told = f"the two answers here give {expected:.3f}, not {got:.3f}"
    explain(got, expected, mistakes, told, within=1e-5)


#: What distinguishes a fault from the others, the plainest first: a learner fixes one at a time.
_SIGNS = {
    "D": "run D: its KL in the last steps is exactly 0, so its weights never moved",
    "A": "run A: look at its zero-variance groups in the first steps, before anything was learnt",
    "E": "run E: its KL is high from the second step on, and what becomes of the accuracy?",
    "C": "run C: compare accuracy and format: every answer in tags, and how many correct?",
    "F": "run F: the format is learnt; is the accuracy above chance?",
    "B": "run B: accuracy and format both rise, and KL stays small: what is wrong with it?",
}


@exercise("10.3", passed="each fault is identified by the number that sets it apart")
def diagnoses(answer: Answer) -> None:
    """A letter for each of the six runs -> the fault's name."""
    got = of_kind(answer(), dict, "a dictionary")
    missing = sorted(set(FAULTS) - set(got))
    expect(not missing, f"no verdict on {', '.join(missing)}")
    known = set(FAULTS.values())
    odd = sorted({str(name) for name in got.values()} - known)
    expect(not odd, f"{', '.join(odd)}: is none of {', '.join(sorted(known))}")
    for letter, sign in _SIGNS.items():
        expect(got[letter] == FAULTS[letter], sign)
