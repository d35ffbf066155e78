"""Checks of notebook 01: padding, a decoding loop with a cache, the hearing check."""

from types import SimpleNamespace
from typing import Any

import torch

from r1aqa_helpers.course.checks.common import Answer, close, explain, number, parts, tensor
from r1aqa_helpers.course.exercise import exercise, expect

_END, _VOCABULARY = 9, 11


class _Model:
    """Stands in for a model: the next token is the sum of all tokens so far plus 1, modulo 11.

    Its cache is the list of the tokens that it has read.
    """

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []

    def __call__(
        self, input_ids: torch.Tensor, past_key_values: Any = None, **others: Any
    ) -> SimpleNamespace:
        self.calls.append({"tokens": input_ids.shape[-1], "cache": past_key_values, **others})
        seen, rows = list(past_key_values or []), []
        for token in input_ids.flatten().tolist():
            seen.append(token)
            rows.append([float(v == (sum(seen) + 1) % _VOCABULARY) for v in range(_VOCABULARY)])
        return SimpleNamespace(logits=torch.tensor([rows]), past_key_values=seen)


@exercise("01.1", passed="every row ends where its answer begins")
def left_pad(answer: Answer) -> None:
    """Ids filled up on the left, and a mask by length."""
    rows = [[11, 12, 13], [21, 22, 23, 24, 25], [31, 32]]
    ids, mask = parts(answer(rows, 0), "the ids and the mask")
    for got in (ids, mask):
        tensor(got, (3, 5), "three rows as long as the longest")
        expect(got.dtype == torch.long, f"whole numbers (torch.long) are wanted, not {got.dtype}")
    wanted = [[0, 0, 11, 12, 13], [21, 22, 23, 24, 25], [0, 0, 0, 31, 32]]
    other = [[11, 12, 13, 0, 0], [21, 22, 23, 24, 25], [31, 32, 0, 0, 0]]
    mistakes = {"this is padding on the right: the next token would follow the padding": other}
    explain(ids, wanted, mistakes, "a row's own tokens stand at its end, in order, after padding")
    wanted = [[0, 0, 1, 1, 1], [1] * 5, [0, 0, 0, 1, 1]]
    mistakes = {
        "the mask is 1 everywhere: the model would read the padding as text": [[1] * 5] * 3,
    }
    explain(mask, wanted, mistakes, "the mask is 0 for the padding before each row, 1 for the row")
    _, mask = answer([[7, 0, 8], [5]], 0)
    message = "a prompt may hold the pad token itself: lengths say what is padding, not values"
    expect(close(mask, [[1, 1, 1], [0, 0, 1]]), message)


@exercise("01.2", passed="one pass over the prompt, then one token at a time")
def greedy(answer: Answer) -> None:
    """A prefill with the clip, then single tokens with the cache, up to an end token."""
    model = _Model()
    inputs = {"input_ids": torch.tensor([[1, 2]]), "input_features": torch.zeros(1, 2, 3)}
    wanted = _expected([1, 2])
    got = answer(model, dict(inputs), [_END], 64)
    expect(isinstance(got, list), f"a list of tokens is wanted, not {type(got).__name__}")
    first, *later = model.calls
    expect("input_features" in first, "the prefill gets all inputs, the clip's features too")
    expect(
        all(call["cache"] is not None for call in later),
        "a step came without past_key_values: the model has forgotten the prompt",
    )
    expect(
        all(call["tokens"] == 1 for call in later),
        "a step read more than the newest token: what is in the cache would be read twice",
    )
    expect(
        not any("input_features" in call for call in later),
        "the clip went in again: it is in the cache since the prefill",
    )
    expect(
        got[:1] == wanted[:1],
        "the first token is wrong: the *last* position's logits predict the next token",
    )
    expect(got != [*wanted, _END], "the end token belongs to no answer: leave it out")
    expect(len(got) <= len(wanted), "the loop goes on after an end token")
    expect(got == wanted, f"the tokens are {wanted} here, not {got}")
    short = answer(_Model(), dict(inputs), [_END], 2)
    expect(len(short) == 2, f"with most=2 the answer has {len(short)} tokens")
    expect(
        answer(_Model(), dict(inputs), [_END, wanted[2]], 64) == wanted[:2],
        "there may be several end tokens: any of `ends` ends the answer",
    )


def _expected(row: list[int]) -> list[int]:
    """The stand-in's answer to a prompt."""
    said: list[int] = []
    while (token := (sum(row) + sum(said) + 1) % _VOCABULARY) != _END:
        said.append(token)
    return said


@exercise("01.3", passed="the change is zero only for a model that ignores the audio")
def hearing_change(answer: Answer) -> None:
    """Mean of the absolute changes over all choices of all questions."""
    heard = [torch.tensor([-1.0, -3.0]), torch.tensor([-2.0, -2.0, -1.0, -2.5])]
    silent = [torch.tensor([-2.0, -2.0]), torch.tensor([-2.0, -2.0, -3.0, -2.5])]
    got = answer(heard, silent)
    expect(getattr(got, "ndim", 0) == 0, "one number for all questions is wanted")
    expect(close(answer(heard, heard), 0), "the same scores twice are a change of zero")
    # Changes: +1, -1, 0, 0, +2, 0. Their mean is 1/3, of their absolute values 2/3.
    cancel = "rises and falls cancel here: the absolute value comes before the mean"
    mistakes = {
        cancel: 2 / 6,
        "this is the mean of the questions' means: every choice counts once": 3 / 4,
        "this is the sum: more questions would look like better hearing": 4,
    }
    explain(number(got), 4 / 6, mistakes, f"2/3 is wanted here, not {number(got):.4f}", 1e-4)
