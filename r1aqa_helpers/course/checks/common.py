"""What the checks share: kinds of answers, comparison, and the mistake behind a wrong value."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from r1aqa_helpers.course.exercise import Mistake, expect

#: A learner's function; its stub in the notebook has the signature.
Answer = Callable[..., Any]


def close(a: Any, b: Any, within: float = 1e-6) -> bool:
    """Whether numbers, sequences, arrays or tensors have one shape and nearly equal values."""
    try:
        one, other = _array(a), _array(b)
    except (TypeError, ValueError):
        return False
    return one.shape == other.shape and np.allclose(one, other, rtol=0, atol=within)


def _array(value: Any) -> np.ndarray:
    if isinstance(value, torch.Tensor):
        value = value.detach().double().numpy()
    return np.asarray(value, dtype=float)


def of_kind(got: Any, kinds: type | tuple[type, ...], wanted: str) -> Any:
    """``got``, where it is of the kind; True and False are no numbers."""
    fits = isinstance(got, kinds) and not (isinstance(got, bool) and kinds is not bool)
    expect(fits, f"this should be {wanted}, not {type(got).__name__}")
    return got


def number(got: Any, wanted: str = "one number") -> float:
    """A finite number, whatever library it comes from."""
    try:
        value = float(got)
    except (TypeError, ValueError):
        value = float("nan")
    expect(np.isfinite(value), f"this should be {wanted}, not {got!r}")
    return value


def parts(got: Any, wanted: str, size: int = 2) -> Sequence[Any]:
    """A tuple or list of so many parts; ``wanted`` names them."""
    whole = isinstance(got, tuple | list) and len(got) == size
    expect(whole, f"{size} values are wanted: {wanted}")
    return got


def tensor(got: Any, shape: tuple[int, ...], wanted: str) -> torch.Tensor:
    """A tensor of that shape, cut off from its graph."""
    of_kind(got, torch.Tensor, f"a tensor, {wanted}")
    found = tuple(got.shape)
    expect(found == shape, f"this should be {wanted}, shape {shape}, not {found}")
    return got.detach()


def explain(
    got: Any,
    expected: Any,
    mistakes: Mapping[str, Any],
    otherwise: str,
    within: float = 1e-6,
) -> None:
    """Accept what is close to ``expected``; say which known mistake anything else is.

    Args:
        mistakes: message -> the value that this mistake gives.
        otherwise: the message for a value that is none of them.

    Raises:
        Mistake: ``got`` is not correct.
    """
    if close(got, expected, within):
        return
    for message, wrong in mistakes.items():
        expect(not close(got, wrong, within), message)
    raise Mistake(otherwise)


def try_cases(answer: Answer, cases: Mapping[str, tuple[Any, Any]]) -> None:
    """Call ``answer`` on each case: message -> (argument, or a tuple of them; the expected result).

    ``{got}`` in a message becomes what came instead.

    Raises:
        Mistake: with the first case's message that gives something else.
    """
    for message, (arguments, expected) in cases.items():
        got = answer(*(arguments if isinstance(arguments, tuple) else (arguments,)))
        same = close(got, expected) if isinstance(expected, float) else got == expected
        expect(same, message.replace("{got}", repr(got)))
