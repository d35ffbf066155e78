"""A run's file: what was trained, how it went, what it cost, and what it scored.

The untrained rows have such files, too, with a test and no training; their lr and seed are null.
"""

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, StringConstraints, model_validator

from r1aqa_helpers.data import AudioQuestion
from r1aqa_helpers.data.parse import Fault
from r1aqa_helpers.data.parse import validated as read_as
from r1aqa_helpers.evaluation.local import Prediction
from r1aqa_helpers.experiments.methods import OWN_ANSWERS, ROWS
from r1aqa_helpers.experiments.plan import REGIMES, UNTRAINED, Validated
from r1aqa_helpers.models import LoadedModel
from r1aqa_helpers.scoring import Score
from r1aqa_helpers.training.rejection import sampled_counts
from r1aqa_helpers.training.rewards import format_reward
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import json_digest, read_json, read_log
from r1aqa_helpers.utils.untrusted import shown

#: Columns of ``metrics.jsonl`` that are kept, as means over parts of the training.
TRAITS = (
    "loss", "reward", "accuracy", "format", "reward_std", "zero_variance_groups", "kl", "entropy",
    "completion_length", "clipped_completions", "grad_norm",
)  # fmt: skip
PARTS = 10


def questions_digest(questions: Sequence[AudioQuestion]) -> str:
    """`json_digest` of ids, texts, choices, labels and reasoning, in order."""
    return json_digest(
        [(q.id, q.question, q.choices, q.answer, q.extra.get("reasoning", "")) for q in questions]
    )


def score_record(score: Score, wall: float, cpu: float) -> dict[str, Any]:
    """Accuracies in percent with n and Wilson's interval, overall and per task.

    ``matches`` has a 1 or 0 per question, in the order of the question file, so that two runs can
    be compared question by question. ``wall`` and ``cpu`` are seconds.
    """
    return {
        **score.row_dict(),
        "strict": score.strict.as_dict(),
        "matches": "".join(str(match) for match in score.matches.values()),
        "wall_seconds": round(wall, 2),
        "cpu_seconds": round(cpu, 2),
    }


def answers_record(
    answers: Sequence[Prediction], loaded: LoadedModel, prompt: int, limit: int
) -> dict[str, Any]:
    """How the answers are written, beside whether they are correct.

    ``format``: the share in the format that the prompt asks for, in percent; None where it asks
    for none. ``cut``: how many have as many tokens as ``limit`` allows, so that they did not end.
    """
    said = [answer.response for answer in answers]
    formatted = None if prompt == 1 else 100 * statistics.fmean(format_reward(prompt)(said))
    tokens = loaded.processor.tokenizer(said, add_special_tokens=False)["input_ids"]
    return {"format": formatted, "cut": sum(len(row) >= limit for row in tokens)}


def costs(folder: Path, answers_per_step: int, cpu: float) -> dict[str, float]:
    """What a training took: seconds of processor time, answers and tokens.

    Args:
        folder: of the training.
        answers_per_step: those that GRPO samples; 0 for SFT.
        cpu: seconds, sampling before the training included.
    """
    rows = read_log(folder / "metrics.jsonl")
    answers = answers_per_step * len(rows)
    sampled = sum(answers_per_step * (row.get("completion_length") or 0) for row in rows)
    if (folder / OWN_ANSWERS).exists():
        answers, sampled = sampled_counts(folder / OWN_ANSWERS)
    return {
        "cpu_seconds": round(cpu, 2),
        "answers_sampled": answers,
        "tokens_sampled": round(sampled),
        "tokens_learnt": sum(row.get("tokens", 0) for row in rows),
    }


def traits(folder: Path) -> dict[str, list[float | None]]:
    """How a training went: means over each tenth of its steps, of what its algorithm logs."""
    rows = read_log(folder / "metrics.jsonl")
    size = max(1, len(rows) // PARTS)
    parts = [rows[start : start + size] for start in range(0, len(rows), size)]
    found: dict[str, list[float | None]] = {}
    for name in TRAITS:
        values = [[row[name] for row in part if row.get(name) is not None] for part in parts]
        if any(values):
            found[name] = [round(statistics.fmean(part), 5) if part else None for part in values]
    return found


def mean_loss(folder: Path) -> float:
    """Over all steps of the training in ``folder``."""
    return statistics.fmean(row["loss"] for row in read_log(folder / "metrics.jsonl"))


_Count = Annotated[int, Field(ge=0, le=10**15)]


class _Read(BaseModel):
    model_config = ConfigDict(strict=True)


class _Part(_Read):
    accuracy: Annotated[float, Field(ge=0, le=100)]


class _Score(_Part):
    n: Annotated[int, Field(ge=2)]
    matches: Annotated[str, StringConstraints(pattern=r"^[01]+$")]
    tasks: dict[Literal["sound", "music", "speech"], _Part]
    format: FiniteFloat | None = None
    cut: _Count | None = None

    @model_validator(mode="after")
    def _whole(self) -> "_Score":
        if len(self.matches) != self.n:
            raise ValueError("its matches are not as many as its questions")
        return self


class _Training(_Read):
    cpu_seconds: FiniteFloat


class _Costs(_Training):
    answers_sampled: _Count
    tokens_sampled: _Count
    tokens_learnt: _Count


class _Traits(_Read):
    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, list[FiniteFloat | None]]

    loss: Annotated[list[FiniteFloat], Field(min_length=1)]


class _Asked(_Read):
    test: str | None = None


class _Untrained(_Read):
    """What is read of an untrained row's file; others may be without the fields with defaults."""

    regime: str
    method: str
    lr: FiniteFloat | None
    seed: _Count | None
    test: _Score
    questions: _Asked
    hardware: str
    date: str = ""


class _Trained(_Untrained):
    """What is read of a trained run's file. It has no test where its rate was not chosen."""

    lr: FiniteFloat
    seed: _Count
    test: _Score = cast(Any, None)  # it may be absent, and not null
    validation: _Score
    training: _Training
    traits: _Traits
    costs: _Costs | None = None
    steps: Annotated[int, Field(ge=1)] = 1
    rate_at_end: bool = False


def read_record(path: Path) -> dict[str, Any]:
    """The file of a run.

    Raises:
        UserError: cannot be read, or is no run's file.
    """
    record = read_json(path)
    untrained = isinstance(record, dict) and record.get("regime") == UNTRAINED.name
    try:
        read = read_as(_Untrained if untrained else _Trained, record)
    except Fault as fault:
        raise UserError(
            f"{shown(path)}: is no run of the experiment ({fault}); remove it, or fix it"
        ) from None
    if read.regime not in REGIMES or read.method not in ROWS:
        raise UserError(f"{shown(path)}: names a regime or a method that is not known here")
    return record


def validated(record: dict[str, Any]) -> Validated:
    """What the selection may know of a run. Its test, if there is one, is not looked at."""
    found = record["validation"]
    return Validated(record["lr"], found["matches"].count("1"), found["n"])
