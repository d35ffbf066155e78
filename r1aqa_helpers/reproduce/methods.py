"""The rows of a reproduction's table: how a model was trained, with which prompt it is asked."""

from dataclasses import dataclass
from typing import Any

from r1aqa_helpers.answering import Prediction
from r1aqa_helpers.results import ResultRow
from r1aqa_helpers.scoring import Score


@dataclass(frozen=True)
class Method:
    """A row of the table: how the model was trained, and with which prompt it is asked."""

    name: str
    prompt: int
    folder: str

    @property
    def label(self) -> str:
        """With the paper's way of writing a prompt."""
        return f"{self.name} <{self.prompt}>"


DIRECT_1 = Method("direct", 1, "direct-1")
DIRECT_2 = Method("direct", 2, "direct-2")
ZERO_SHOT = Method("zero-shot-cot", 3, "zero-shot-cot")
SFT = Method("sft", 2, "sft")
GRPO = Method("grpo", 2, "grpo")
#: Of the base model, untrained.
BASE = (DIRECT_1, DIRECT_2, ZERO_SHOT)

#: A model that is trained already: the released one, or another that the user names.
RELEASED = Method("r1-aqa", 2, "r1-aqa")
TRAINED = Method("trained", 2, "trained")


@dataclass(frozen=True)
class Measurement:
    """What one method did on the test questions."""

    predictions: tuple[Prediction, ...]
    score: Score
    row: ResultRow
    model: str
    """Name or folder of the model that was asked."""
    train_seconds: float | None = None
    """Of its training steps; None where nothing was trained."""

    def as_dict(self) -> dict[str, Any]:
        """The row as ``results.json`` has it."""
        extra = {
            "missing": self.score.missing,
            "unparsed": self.score.unparsed,
            "model": self.model,
        }
        if self.train_seconds is not None:
            extra["train_seconds"] = self.train_seconds
        return {**self.row.as_dict(), **extra}
