"""Write data/course/broken_runs.json: the tiny track with each of notebook 11's faults."""

import tempfile
from datetime import date
from pathlib import Path
from typing import Any

from r1aqa_helpers.course.lessons.n11 import FAULTS, KEPT, STEPS, Fault
from r1aqa_helpers.course.session import Lab
from r1aqa_helpers.files import read_journal, write_json
from r1aqa_helpers.grpo.train import GRPOSettings, train_grpo
from r1aqa_helpers.models import load_for
from r1aqa_helpers.profiles import PROFILES, hardware

SEED = 0
#: What is kept of each step: the journal's fields that a person watches.
_FIELDS = (
    "step", "accuracy", "format", "reward_std", "zero_variance_groups", "kl",
    "completion_length", "clipped_completions", "grad_norm", "lr",
)  # fmt: skip


def make(fault: Fault, folder: Path) -> list[dict[str, Any]]:
    """Train the tiny model with this fault; a row per step, rounded to four digits."""
    profile = PROFILES["tiny"]
    lab = Lab(profile, SEED, folder)
    settings = {**profile.grpo, "steps": STEPS, "save_every": STEPS, "seed": SEED}
    train_grpo(
        load_for(profile),
        lab.train_questions(),
        GRPOSettings(**{**settings, **fault.settings}),
        folder,
        None if fault.rewards is None else fault.rewards(),
    )
    return [
        {key: _rounded(row.get(key)) for key in _FIELDS}
        for row in read_journal(folder / "metrics.jsonl")
    ]


def _rounded(number: float | None) -> float | None:
    return None if number is None else float(f"{number:.4g}")


def main() -> None:
    """Make all runs, and keep them."""
    runs = {}
    for letter, fault in FAULTS.items():
        with tempfile.TemporaryDirectory() as folder:
            runs[letter] = make(fault, Path(folder))
    made = {"seed": SEED, "date": date.today().isoformat(), "hardware": hardware()}
    write_json(KEPT, {**made, "runs": runs})


if __name__ == "__main__":
    main()
