"""Checks of notebook 11: the batch of one, a mask without NaN, six logs, another run's log."""

import json
from typing import Any

import torch

from r1aqa_helpers.course.checks.common import Answer, close, of_kind, tensor
from r1aqa_helpers.course.exercise import Mistake, exercise, expect
from r1aqa_helpers.course.lessons.n10 import FAULTS


@exercise("11.1", passed="a row that depends on its neighbours is found, whatever the cause")
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


@exercise("11.2", passed="no row makes NaN, not even in float16, and no NaN is hidden")
def masked_softmax(answer: Answer) -> None:
    """Softmax among the places where the mask is True; zeros elsewhere and in empty rows."""
    scores = torch.tensor([[1.0, 2.0, 3.0], [0.5, 0.5, 9.0]])
    mask = torch.tensor([[True, True, False], [False, False, False]])
    plain = tensor(answer(scores.clone(), mask[:1].expand(2, 3)), (2, 3), "a weight per score")
    expected = torch.cat([scores[0, :2].softmax(0), torch.zeros(1)])
    expect(close(plain[0], expected), "the places left get their own softmax: mask before it")
    try:
        half = answer(scores.half(), mask)
    except RuntimeError as error:
        large = "overflow" in str(error) or "Half" in str(error)
        expect(not large, "float16 has no such number: ask torch.finfo for the type's lowest")
        raise
    expect(half.dtype == torch.float16, f"float16 came in and {half.dtype} came out")
    empty = answer(scores.clone(), mask)[1]
    expect(not (empty.isnan().any() or half.isnan().any()), "an empty row still makes NaN")
    zeros = (empty == 0).all() and (half[1] == 0).all()
    expect(zeros, "an empty row has weights: nothing is there to be looked at")
    broken = answer(torch.tensor([[float("nan"), 1.0, 2.0]]), torch.ones(1, 3, dtype=torch.bool))
    expect(broken.isnan().any(), "a NaN that came in was turned into a number: its cause is hidden")


#: What distinguishes a fault from the others, the plainest first: a learner fixes one at a time.
_SIGNS = {
    "D": "run D: its KL in the last steps is exactly 0, so its weights never moved",
    "A": "run A: look at its zero-variance groups in the first steps, before anything was learnt",
    "E": "run E: its KL is high from the second step on, and what becomes of the accuracy?",
    "C": "run C: compare accuracy and format: every answer in tags, and how many correct?",
    "F": "run F: the format is learnt; is the accuracy above chance?",
    "B": "run B: accuracy and format both rise, and KL stays small: what is wrong with it?",
}


@exercise("11.3", passed="each fault is identified by the number that sets it apart")
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


@exercise("11.4", passed="another run's log is rejected, and a torn last line is asked again")
def left_to_ask(answer: Answer) -> None:
    """Ids without an answer, in order; ValueError for a foreign header or damage inside."""
    run, ids = {"model": "a", "prompt": 2}, ["q3", "q1", "q2"]
    head, row, torn = json.dumps(run), '{"id": "q1", "response": "x"}', '{"id": "q2", "resp'

    def got(*lines: str) -> Any:
        """The ids, or the error."""
        try:
            found = answer(list(lines), dict(run), list(ids))
        except (ValueError, IndexError) as error:
            return error
        return of_kind(found, list, "a list of ids")

    fresh, own = got(), got(head, row)
    empty = isinstance(fresh, IndexError)
    expect(not empty, "an empty log raises IndexError: nothing was asked yet")
    expect(fresh == ids, "with an empty log every id is to be asked, in the given order")
    if isinstance(own, Exception):
        raise own
    expect(sorted(own) == ["q2", "q3"], "q1 has an answer in the log; q3 and q2 are left")
    expect(own == ["q3", "q2"], "the order of the ids was lost: q3 stands before q2")
    other = got(json.dumps({**run, "prompt": 1}), row)
    refused = isinstance(other, ValueError)
    expect(refused, "a log for prompt 1 was taken for one for prompt 2")
    expect("prompt" in str(other), "the refusal does not name the setting that differs: prompt")
    keys = [got(json.dumps(header), row) for header in ({"model": "a"}, {**run, "seed": 1})]
    refused = all(isinstance(one, ValueError) for one in keys)
    expect(refused, "a header with a setting too few or too many was taken: compare the keys")
    last = got(head, row, torn)
    stopped = isinstance(last, ValueError)
    expect(not stopped, "a torn last line stops the run: an interruption leaves such a line")
    expect(last == ["q3", "q2"], "the torn line was counted as done: its answer is not whole")
    if not isinstance(got(head, torn, row), ValueError):
        raise Mistake("a torn line in the middle was skipped silently: that is damage")
