"""The folder of a training run, from which it can be continued."""

import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from r1aqa_helpers.data import AudioQuestion
from r1aqa_helpers.models import LoadedModel, weights_fingerprint
from r1aqa_helpers.training import distributed
from r1aqa_helpers.training.settings import TrainingSettings
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import read_json, read_log, shown, write_json, write_jsonl

#: What a run adds rows to, step by step; GRPO has both.
LOGS = ("metrics.jsonl", "rollouts.jsonl")

#: The file that a checkpoint has once it is whole.
COMPLETE = "complete"


def describe_run(
    loaded: LoadedModel, questions: Sequence[AudioQuestion], settings: TrainingSettings
) -> dict[str, Any]:
    """What makes two runs the same: settings, the model's weights, the questions with answers.

    Of a recording only the file's name counts: folders may be moved, or mounted elsewhere.
    """
    asked = [(q.id, Path(q.audio).name, q.question, q.choices, q.answer) for q in questions]
    return {
        "settings": settings.recorded(),
        "model": weights_fingerprint(loaded),
        "questions": hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:16],
    }


def open_run(out_dir: Path, description: dict[str, Any]) -> Path | None:
    """Make the folder ready; the checkpoint to go on from, if it holds one of this run.

    Unfinished checkpoints are removed. The logs lose the rows of steps after the checkpoint,
    which will be made once more. A model of fewer steps than were asked for, which a limit of
    minutes left, is removed: the run goes on. The main process does all that.

    Raises:
        UserError: the folder belongs to another run, or cannot be written.
    """
    return distributed.run_on_main(lambda: _open_run(out_dir, description))


def _open_run(out_dir: Path, description: dict[str, Any]) -> Path | None:
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
        if steps_made(out_dir) >= description["settings"]["steps"]:
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
    for path in (out_dir / name for name in LOGS):
        if path.exists():
            rows = read_log(path)
            write_jsonl(path, [row for row in rows if row.get("step", 0) <= done])
    return checkpoint


def steps_made(out_dir: Path) -> int:
    """The steps that a run has made by now."""
    rows = read_log(out_dir / "metrics.jsonl")
    return rows[-1].get("step", 0) if rows else 0
