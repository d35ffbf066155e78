"""A run's file: what was trained, how it went, and what it scored."""

import hashlib
import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from r1aqa_helpers.errors import UserError
from r1aqa_helpers.experiment.choosing import Validated
from r1aqa_helpers.experiment.plan import REGIMES, Run
from r1aqa_helpers.files import read_journal, read_json, shown
from r1aqa_helpers.questions import AudioQuestion
from r1aqa_helpers.roads import ROADS
from r1aqa_helpers.scoring import Score

#: Columns of ``metrics.jsonl`` that are kept, as means over parts of the training.
TRAITS = (
    "loss", "reward", "accuracy", "format", "reward_std", "zero_variance_groups", "kl", "entropy",
    "completion_length", "clipped_completions", "grad_norm",
)  # fmt: skip
PARTS = 10


def digest(questions: Sequence[AudioQuestion]) -> str:
    """16 hexadecimal digits of ids, texts, choices, labels and reasoning, in order."""
    asked = [
        (q.id, q.question, q.choices, q.answer, q.extra.get("reasoning", "")) for q in questions
    ]
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:16]


def score_record(score: Score, wall: float, cpu: float) -> dict[str, Any]:
    """Accuracies in percent with n and Wilson's interval, overall and per task.

    ``matches`` has a 1 or 0 per question, in the order of the question file, so that two runs can
    be compared question by question. ``wall`` and ``cpu`` are seconds.
    """
    return {
        **score.overall.as_dict(),
        "tasks": {name: accuracy.as_dict() for name, accuracy in score.tasks.items()},
        "strict": score.strict.as_dict(),
        "unparsed": score.unparsed,
        "matches": "".join(str(match) for match in score.matches.values()),
        "wall_seconds": round(wall, 2),
        "cpu_seconds": round(cpu, 2),
    }


def traits(folder: Path) -> dict[str, list[float | None]]:
    """How a training went: means over each tenth of its steps, of what its method logs."""
    rows = read_journal(folder / "metrics.jsonl")
    size = max(1, len(rows) // PARTS)
    parts = [rows[start : start + size] for start in range(0, len(rows), size)]
    found: dict[str, list[float | None]] = {}
    for name in TRAITS:
        means = []
        for part in parts:
            values = [row[name] for row in part if row.get(name) is not None]
            means.append(round(statistics.fmean(values), 5) if values else None)
        if any(mean is not None for mean in means):
            found[name] = means
    return found


def read_record(path: Path) -> dict[str, Any]:
    """The file of a run.

    Raises:
        UserError: cannot be read, or is no run's file.
    """
    record = read_json(path)
    needed = {"regime", "road", "lr", "seed", "validation", "training"}
    if not isinstance(record, dict) or not needed <= record.keys():
        raise UserError(f"{shown(path)}: is no run of the experiment; remove it, or mend it")
    if record["regime"] not in REGIMES or record["road"] not in ROADS:
        raise UserError(f"{shown(path)}: names a regime or a road that is not known here")
    return record


def validated(record: dict[str, Any]) -> Validated:
    """What choosing may know of a run. Its test, if there is one, is not looked at."""
    found = record["validation"]
    return Validated(record["lr"], found["matches"].count("1"), found["n"])


def run_facts(run: Run) -> dict[str, Any]:
    """Which run it is, first in its file."""
    return {
        "regime": run.regime.name,
        "road": run.road.name,
        "method": run.road.method,
        "prompt": run.road.prompt,
        "lr": run.rate,
        "seed": run.seed,
    }
