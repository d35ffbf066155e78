"""Checks of notebook 11: the batch of one, a mask without NaN, six logs, a journal's owner."""

import json
from collections.abc import Callable
from typing import Any

import torch

from r1aqa_helpers.course.broken_runs import FAULTS
from r1aqa_helpers.course.exercise import exercise, expect


@exercise("11.1", passed="a row that depends on its neighbours is found, whatever the cause")
def suspects(answer: Callable[..., list[int]]) -> None:
    """Places of rows whose scores differ by more than the tolerance, NaN included."""
    alone = torch.tensor([-1.0, -2.0, -3.0, -4.0])

    def got(*shifts: float, **named: float) -> Any:
        found = answer(alone, alone + torch.tensor(shifts), **named)
        if isinstance(found, torch.Tensor):
            found = found.tolist()
        expect(
            isinstance(found, list),
            f"a list of places is wanted, not {type(found).__name__}: which rows, not whether any",
        )
        return found

    up = got(0.0, 0.5, 0.0, 0.0)
    expect(
        up == [] or all(isinstance(i, int) and not isinstance(i, bool) for i in up),
        "one truth value per row came back: the places of the rows are wanted",
    )
    down = got(0.0, 0.0, -0.5, 0.0)
    expect(up or down, "a row that differs by half a nat is not found, in either direction")
    expect(up and down, "rows are found in one direction only: a mispaired row may gain or lose")
    expect(
        up != [0, 2, 3] and down != [0, 1, 3],
        "these are the rows that agree: the others are under suspicion",
    )
    expect(up == [1] and down == [2], "rows 1 and 2, counted from 0, were shifted; not these")
    expect(
        got(0.0, 1e-6, -1e-6, 0.0) == [],
        "a millionth counts as a difference: sums in another order differ in their last digits",
    )
    expect(
        got(0.5, -0.5, 0.0, 0.0) == [0, 1],
        "two shifts of opposite sign cancel: look at each row, not at their sum or mean",
    )
    expect(
        got(0.0, 0.0, 0.0, float("nan")) == [3],
        "a score that is not a number passed as agreeing: every comparison with NaN is false",
    )
    expect(
        got(0.0, 0.05, 0.0, 0.0, tolerance=0.1) == [],
        "with tolerance 0.1 a shift of 0.05 should pass: yours does not use the argument",
    )


@exercise("11.2", passed="no row makes NaN, in float16 either, and none is hidden")
def masked_softmax(answer: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> None:
    """Softmax among the places where the mask is True; zeros elsewhere and in empty rows."""
    scores = torch.tensor([[1.0, 2.0, 3.0], [0.5, 0.5, 9.0]])
    mask = torch.tensor([[True, True, False], [False, False, False]])
    plain = answer(scores.clone(), mask[:1].expand(2, 3))
    expect(isinstance(plain, torch.Tensor), f"a tensor is wanted, not {type(plain).__name__}")
    expect(plain.shape == scores.shape, f"shape (2, 3) is wanted, not {tuple(plain.shape)}")
    weights = plain[0]
    expect(
        not torch.allclose(weights[2], scores[0].softmax(0)[2]),
        "a masked place still has its weight: the mask was not applied",
    )
    expect(
        not (torch.allclose(weights.sum(), scores[0].softmax(0)[:2].sum()) and weights[2] == 0),
        "the places left do not add up to 1: mask before the softmax, not after it alone",
    )
    expect(
        torch.allclose(plain[1, :2], torch.tensor([0.5, 0.5])),
        "two equal scores among themselves should get a half each: softmax over the last axis",
    )
    right = torch.cat([scores[0, :2].softmax(0), torch.zeros(1)])
    expect(torch.allclose(weights, right), "the places left should get their own softmax")
    try:
        half = answer(scores.half(), mask)
    except RuntimeError as error:
        expect(
            "overflow" not in str(error) and "Half" not in str(error),
            "in float16 the number that you fill in does not exist: ask torch.finfo for the "
            "lowest of the given type",
        )
        raise
    expect(half.dtype == torch.float16, f"float16 came in and {half.dtype} came out")
    empty = answer(scores.clone(), mask)[1]
    expect(not (empty.isnan().any() or half.isnan().any()), "an empty row still makes NaN")
    expect(
        (empty == 0).all() and (half[1] == 0).all(),
        "an empty row has weights: nothing is there to be looked at, so zeros are wanted",
    )
    broken = torch.tensor([[float("nan"), 1.0, 2.0]])
    expect(
        answer(broken, torch.ones(1, 3, dtype=torch.bool)).isnan().any(),
        "a NaN that came in was turned into a number: it is hidden now, and its cause with it",
    )


#: What tells a fault from the others, said where it was taken for another one.
_TELLS = {
    "A": "run A: look at its dead groups in the first steps, before anything was learnt",
    "B": "run B: right and form both rise, and KL stays small: what is wrong with it?",
    "C": "run C: read right and form together: every answer in tags, and how many right?",
    "D": "run D: its KL in the last steps is exactly 0, so its weights never moved",
    "E": "run E: its KL is high from the second step on, and what becomes of right?",
    "F": "run F: the form is learnt; is right above what guessing gives?",
}


@exercise("11.3", passed="each fault by the number in which it differs from the others")
def diagnoses(answer: Callable[[], dict[str, str]]) -> None:
    """A letter for each of the six runs -> the fault's name."""
    got = answer()
    expect(isinstance(got, dict), f"a dictionary is wanted, not {type(got).__name__}")
    missing = sorted(set(FAULTS) - set(got))
    expect(not missing, f"no verdict on {', '.join(missing)}")
    known = {fault.name for fault in FAULTS.values()}
    odd = sorted({str(name) for name in got.values()} - known)
    expect(not odd, f"{', '.join(odd)}: is none of {', '.join(sorted(known))}")
    # The plainest first, so that a learner mends one thing at a time.
    for letter in "DAECFB":
        expect(got[letter] == FAULTS[letter].name, _TELLS[letter])


@exercise("11.4", passed="a foreign journal is refused by name, and a torn last line asked again")
def left_to_ask(answer: Callable[[list[str], dict, list[str]], list[str]]) -> None:
    """Ids without an answer, in order; ValueError for a foreign header or damage inside."""
    run = {"model": "a", "prompt": 2}
    head, ids = json.dumps(run), ["q3", "q1", "q2"]
    rows = [json.dumps({"id": "q1", "response": "x"})]

    def got(lines: list[str]) -> Any:
        found = answer(lines, dict(run), list(ids))
        expect(isinstance(found, list), f"a list of ids is wanted, not {type(found).__name__}")
        return found

    def refused(header: dict[str, Any]) -> str | None:
        try:
            answer([json.dumps(header), *rows], dict(run), list(ids))
        except ValueError as error:
            return str(error)
        return None

    try:
        fresh = got([])
    except IndexError:
        fresh = None
    expect(fresh is not None, "an empty journal raises IndexError: nothing was asked yet")
    expect(fresh == ids, "with an empty journal every id is to be asked, in the given order")
    own = got([head, *rows])
    expect(own != ["q1"], "these are the ids that were asked: those that were not are wanted")
    expect(sorted(own) == ["q2", "q3"], "q1 has an answer in the journal; q3 and q2 are left")
    expect(own == ["q3", "q2"], "the order of the ids was lost: q3 stands before q2")
    message = refused({**run, "prompt": 1})
    expect(message is not None, "a journal for prompt 1 was taken for one for prompt 2")
    expect("prompt" in message, "the refusal does not name the setting that differs: prompt")
    expect(
        refused({"model": "a"}) is not None and refused({**run, "seed": 1}) is not None,
        "a header with a setting too few or too many was taken: compare the keys of both",
    )
    try:
        torn = got([head, *rows, '{"id": "q2", "resp'])
    except ValueError:
        torn = None
    expect(torn is not None, "a torn last line stops the run: an interruption leaves such a line")
    expect(torn == ["q3", "q2"], "the torn line was counted as done: its answer is not whole")
    try:
        got([head, '{"id": "q2", "resp', *rows])
    except ValueError:
        return
    expect(False, "a torn line in the middle was skipped in silence: that is damage, not a stop")
