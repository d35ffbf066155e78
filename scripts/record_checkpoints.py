"""Train the tiny profile's GRPO with a checkpoint every ten steps, and measure each of them.

    uv run scripts/record_checkpoints.py

Asks every checkpoint the validation questions, and writes data/course/checkpoints.json, from which
notebook 07 chooses one. Takes minutes.
"""

import shutil
import tempfile
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from r1aqa_helpers.course import REFERENCE
from r1aqa_helpers.course.lessons.n06 import KEPT
from r1aqa_helpers.data import AudioQuestion, read_questions
from r1aqa_helpers.evaluation.local import answer_questions
from r1aqa_helpers.hardware import PROFILES, Profile
from r1aqa_helpers.models import load, load_for
from r1aqa_helpers.scoring import score
from r1aqa_helpers.tiny import data
from r1aqa_helpers.training.grpo.run import GRPOSettings, train_grpo
from r1aqa_helpers.utils.io import read_log, write_json
from r1aqa_helpers.utils.machine import hardware

EVERY, SEED = 10, 0


def train(
    profile: Profile, questions: Sequence[AudioQuestion], folder: Path, **changes: Any
) -> Path:
    """Train, and keep every checkpoint's model, of which a run's folder keeps two.

    Args:
        changes: settings other than the profile's.

    Returns:
        A folder with a folder per step, named by it, that ``models.load`` takes.
    """
    settings = {**profile.grpo, "prompt": 2, "seed": SEED, "save_every": EVERY, **changes}
    out, kept = folder / "run", folder / "kept"
    kept.mkdir(parents=True)

    def keep(row: dict[str, Any]) -> None:
        before = out / f"checkpoint-{row['step'] - 1}"
        if before.is_dir():
            shutil.copytree(before, kept / before.name.removeprefix("checkpoint-"))

    last = train_grpo(load_for(profile), questions, GRPOSettings(**settings), out, watch=keep)
    shutil.copytree(last, kept / str(settings["steps"]))
    return kept


def steps_like_the_reference(rows: Sequence[dict[str, Any]]) -> int:
    """How many steps, from the first on, have the rewards of the committed run's."""
    same = 0
    for row, other in zip(rows, read_log(REFERENCE / "metrics.jsonl"), strict=False):
        if any(row[name] != other[name] for name in ("accuracy", "format")):
            break
        same += 1
    return same


def measure(profile: Profile, kept: Path, questions: Sequence[AudioQuestion]) -> dict[int, int]:
    """Step to how many questions its model answers rightly; step 0 is the profile's model."""
    correct = {}
    for step in sorted([0, *(int(path.name) for path in kept.iterdir())]):
        model = load(kept / str(step), profile.device, profile.dtype) if step else load_for(profile)
        said = answer_questions(model, questions, max_new_tokens=profile.max_new_tokens)
        correct[step] = score(questions, {p.id: p.answer for p in said}).overall.correct
        print(f"step {step}: {correct[step]} of {len(questions)}", flush=True)
    return correct


def main() -> None:
    """Train, measure every checkpoint, and keep the counts."""
    profile, files = PROFILES["tiny"], data.prepare()
    questions = read_questions(files.validation)
    with tempfile.TemporaryDirectory() as place:
        kept = train(profile, read_questions(files.train), Path(place))
        same = steps_like_the_reference(read_log(Path(place) / "run" / "metrics.jsonl"))
        print(f"{same} steps are like the committed run's", flush=True)
        correct = measure(profile, kept, questions)
    write_json(
        KEPT,
        {
            "seed": SEED,
            "date": date.today().isoformat(),
            "hardware": hardware(),
            "steps_like_the_reference": same,
            "n": len(questions),
            "checkpoints": [{"step": step, "correct": count} for step, count in correct.items()],
        },
    )


if __name__ == "__main__":
    main()
