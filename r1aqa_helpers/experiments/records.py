"""A run's file: what was trained, how it went, and what it scored."""

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from r1aqa_helpers.data import AudioQuestion
from r1aqa_helpers.experiments.methods import METHODS
from r1aqa_helpers.experiments.plan import REGIMES, Validated
from r1aqa_helpers.experiments.session import digest
from r1aqa_helpers.scoring import Score
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import read_json, read_log, shown

#: Columns of ``metrics.jsonl`` that are kept, as means over parts of the training.
TRAITS = (
    "loss", "reward", "accuracy", "format", "reward_std", "zero_variance_groups", "kl", "entropy",
    "completion_length", "clipped_completions", "grad_norm",
)  # fmt: skip
PARTS = 10


def questions_digest(questions: Sequence[AudioQuestion]) -> str:
    """`digest` of ids, texts, choices, labels and reasoning, in order."""
    return digest(
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


def read_record(path: Path) -> dict[str, Any]:
    """The file of a run.

    Raises:
        UserError: cannot be read, or is no run's file.
    """
    record = read_json(path)
    needed = {"regime", "method", "lr", "seed", "validation", "training"}
    if not isinstance(record, dict) or not needed <= record.keys():
        raise UserError(f"{shown(path)}: is no run of the experiment; remove it, or fix it")
    if record["regime"] not in REGIMES or record["method"] not in METHODS:
        raise UserError(f"{shown(path)}: names a regime or a method that is not known here")
    return record


def validated(record: dict[str, Any]) -> Validated:
    """What the selection may know of a run. Its test, if there is one, is not looked at."""
    found = record["validation"]
    return Validated(record["lr"], found["matches"].count("1"), found["n"])
