"""Write data/course/broken_runs.json: the tiny track with each of notebook 10's faults."""

import tempfile
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from r1aqa_helpers.course import Lab
from r1aqa_helpers.course.lessons.n10 import FAULTS, KEPT, STEPS
from r1aqa_helpers.hardware import PROFILES
from r1aqa_helpers.models import load_for
from r1aqa_helpers.training.grpo.run import GRPOSettings, train_grpo
from r1aqa_helpers.training.rewards import RewardFunction, accuracy_reward, format_reward, named
from r1aqa_helpers.utils.io import read_log, write_json
from r1aqa_helpers.utils.machine import hardware

SEED = 0
#: What is kept of each step: the log's fields that a person watches.
_FIELDS = (
    "step", "accuracy", "format", "reward_std", "zero_variance_groups", "kl",
    "completion_length", "clipped_completions", "grad_norm", "lr",
)  # fmt: skip
#: Fault to the settings that differ from the profile's; "gold in tags" has other rewards.
_CHANGES: dict[str, dict[str, Any]] = {
    "cold sampling": {"temperature": 0.05},
    "no rate": {"lr": 0.0},
    "rate too high": {"lr": 3e-3},  # 90 times the profile's
    "no audio": {"text_only": True},
}


def _tagged_gold() -> list[RewardFunction]:
    """R1-AQA's two rewards, given the gold answer in the tags in which older files have it."""

    def tagged(completions: Sequence, solution: Sequence[str], **columns: Any) -> list[float]:
        gold = [f"<answer>{text}</answer>" for text in solution]
        return accuracy_reward(completions=completions, solution=gold, **columns)

    return [named("accuracy_reward", tagged), format_reward(2)]


def make(fault: str, folder: Path) -> list[dict[str, Any]]:
    """Train the tiny model with this fault; a row per step, rounded to four digits."""
    profile = PROFILES["tiny"]
    lab = Lab(profile, SEED, folder)
    settings = {**profile.grpo, "steps": STEPS, "save_every": STEPS, "seed": SEED}
    train_grpo(
        load_for(profile),
        lab.train_questions(),
        GRPOSettings(**{**settings, **_CHANGES.get(fault, {})}),
        folder,
        _tagged_gold() if fault == "gold in tags" else None,
    )
    return [
        {key: _rounded(row.get(key)) for key in _FIELDS}
        for row in read_log(folder / "metrics.jsonl")
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
