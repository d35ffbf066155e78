"""The folder of a training run, from which it can be continued."""

import hashlib
import json
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .. import processes
from ..errors import UserError
from ..files import read_journal, read_json, shown, write_json, write_jsonl
from ..models import LoadedModel, weights_fingerprint
from ..questions import AudioQuestion
from .settings import FREE, TrainingSettings

#: The file that a checkpoint has once it is whole.
COMPLETE = "complete"

#: Settings that came later than the first runs, with the value that those ran with: at it they
#: are not written down, so that such a run goes on, and one with another value does not.
_LATER = {"optim": "adamw_torch", "text_only": False, "prompts_per_rollout": None}


def describe_run(
    loaded: LoadedModel, questions: Sequence[AudioQuestion], settings: TrainingSettings
) -> dict[str, Any]:
    """What makes two runs the same: settings, the model's weights, the questions with answers."""
    asked = [(q.id, str(q.audio), q.question, q.choices, q.answer) for q in questions]
    kept = {**asdict(settings), "freeze_tower": settings.tower_frozen}
    for key, value in kept.copy().items():
        if key in FREE or key in _LATER and value == _LATER[key]:
            del kept[key]
    return {
        "settings": kept,
        "model": weights_fingerprint(loaded),
        "questions": hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:16],
    }


def open_run(out_dir: Path, description: dict[str, Any], journals: Iterable[str]) -> Path | None:
    """Make the folder ready; the checkpoint to go on from, if it holds one of this run.

    Checkpoints that an interruption left unfinished are removed. The journals lose the rows of
    steps after the checkpoint, which will be made once more. A model of fewer steps than were
    asked for, which a limit of minutes left, is removed: the run goes on. Of several processes,
    the main one does all that, and all get its answer.

    Raises:
        UserError: the folder belongs to another run, or cannot be written.
    """
    return processes.in_main(lambda: _open_run(out_dir, description, journals))


def _open_run(out_dir: Path, description: dict[str, Any], journals: Iterable[str]) -> Path | None:
    place = out_dir / "run.json"
    if place.exists():
        found = read_json(place)
        held = found if isinstance(found, dict) else {}
        for key in {**description, **held}:
            if held.get(key) != description.get(key):
                raise UserError(
                    f"{shown(place)}: the folder holds a run with another {key}; "
                    "give another output folder, or remove this one"
                )
    else:
        write_json(place, description)
    if (out_dir / "model").is_dir():
        if _steps_made(out_dir) >= description["settings"]["steps"]:
            return None  # it has ended: nothing is to be made once more
        shutil.rmtree(out_dir / "model")  # what was learnt when the minutes were over
    checkpoint, done = None, 0
    for folder in out_dir.glob("checkpoint-*"):
        number = folder.name.removeprefix("checkpoint-")
        if not number.isdecimal():
            continue
        if not (folder / COMPLETE).exists():
            shutil.rmtree(folder)
        elif int(number) > done:
            checkpoint, done = folder, int(number)
    for name in journals:
        rows = read_journal(out_dir / name)
        write_jsonl(out_dir / name, [row for row in rows if row.get("step", 0) <= done])
    return checkpoint


def _steps_made(out_dir: Path) -> int:
    rows = read_journal(out_dir / "metrics.jsonl")
    return rows[-1].get("step", 0) if rows else 0
