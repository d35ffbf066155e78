"""Which learning rate is used: by accuracy on validation, and by nothing else.

A choice is made of `Validated` runs, which hold no test accuracy, and a test can only be asked for
with a `Choice`, so that the rate whose test looked best cannot be reported by mistake.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from r1aqa_helpers.utils.errors import UserError


@dataclass(frozen=True)
class Validated:
    """A run of the search, as far as choosing may know it."""

    rate: float
    correct: int
    n: int


@dataclass(frozen=True)
class Choice:
    """The learning rate of a method in a regime."""

    regime: str
    method: str
    rate: float
    at_end: bool
    """The best of all that were tried is the smallest or largest: there may be a better one."""


def best_rate(candidates: Sequence[Validated]) -> float:
    """The rate with the most correct answers on validation; of equals the smallest.

    Raises ``UserError`` where there is nothing to choose from, or the candidates were not asked
    equally many questions.
    """
    if not candidates:
        raise UserError("choosing a learning rate: no run has been validated")
    if len({candidate.n for candidate in candidates}) > 1:
        raise UserError("choosing a learning rate: runs were validated on different questions")
    return min(candidates, key=lambda one: (-one.correct, one.rate)).rate


def choose(regime: str, method: str, candidates: Sequence[Validated]) -> Choice:
    """`best_rate`, and whether it lies at an end. Raises as `best_rate`."""
    rate, rates = best_rate(candidates), [candidate.rate for candidate in candidates]
    return Choice(regime, method, rate, rate in (min(rates), max(rates)))
