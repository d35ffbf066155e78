"""Exercise checks: a learner's answer goes in, one line that names the mistake comes out."""

import functools
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

#: What a check prints in front of its line: not begun, correct, wrong.
OPEN, CORRECT, WRONG = "○", "✓", "✗"


class Mistake(Exception):
    """What is wrong with an answer, in words for the learner."""


@dataclass(frozen=True)
class Exercise:
    """One exercise's check, callable on an answer.

    Attributes:
        number: notebook and exercise, like "06.1".
        verify: raises ``Mistake`` where an answer is wrong.
        passed: what a correct answer shows, printed after the tick.
    """

    number: str
    verify: Callable[..., None]
    passed: str

    def verdict(self, *answer: Any) -> tuple[str, str]:
        """One of OPEN, CORRECT, WRONG, and the line to print. Never raises."""
        if any(part is None or part is ... for part in answer):
            return OPEN, "not done yet"
        watched = [_watched(part) if callable(part) else part for part in answer]
        try:
            self.verify(*watched)
        except NotImplementedError:
            return OPEN, "not done yet"
        except Mistake as mistake:
            return WRONG, str(mistake)
        except Exception as error:
            return WRONG, f"your code raised {type(error).__name__}{_where(error)}: {error}"
        return CORRECT, f"correct: {self.passed}" if self.passed else "correct"

    def passes(self, *answer: Any) -> bool:
        """Whether an answer is correct; nothing is printed."""
        return self.verdict(*answer)[0] == CORRECT

    def __call__(self, *answer: Any) -> None:
        """Print the verdict on an answer."""
        mark, line = self.verdict(*answer)
        print(f"{mark} {self.number} {line}")


def exercise(number: str, passed: str = "") -> Callable[[Callable[..., None]], Exercise]:
    """Make a check of a function that raises ``Mistake`` (through ``expect``) on wrong answers.

    Args:
        number: notebook and exercise, like "06.1".
        passed: one clause on what a correct answer shows.
    """
    return lambda verify: Exercise(number, verify, passed)


def expect(condition: Any, message: str) -> None:
    """Raise ``Mistake`` with this message unless the condition holds."""
    if not condition:
        raise Mistake(message)


def _watched(answer: Callable[..., Any]) -> Callable[..., Any]:
    """The learner's function; returning None means that the stub is unchanged."""

    @functools.wraps(answer)
    def call(*args: Any, **kwargs: Any) -> Any:
        result = answer(*args, **kwargs)
        if result is None:
            raise NotImplementedError
        return result

    return call


def _where(error: Exception) -> str:
    """The line of the learner's cell in which an error arose, if known."""
    frames = traceback.extract_tb(error.__traceback__)
    inside = [f for f in frames if f.filename.startswith("<") or "ipykernel" in f.filename]
    return f" in line {inside[-1].lineno} of the cell" if inside else ""
