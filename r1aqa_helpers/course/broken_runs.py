"""Six short GRPO runs on the tiny track, five of them broken on purpose: made, kept and read.

``python -m r1aqa_helpers.course.broken_runs`` makes them anew and writes `KEPT`, in minutes.
"""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from r1aqa_helpers.course.session import Lab
from r1aqa_helpers.errors import UserError
from r1aqa_helpers.files import read_journal, read_json, shown, write_json
from r1aqa_helpers.grpo.train import GRPOSettings, train_grpo
from r1aqa_helpers.models import load_for
from r1aqa_helpers.paths import DATA
from r1aqa_helpers.profiles import PROFILES, hardware
from r1aqa_helpers.rewards import RewardFunction, accuracy_reward, format_reward, named

KEPT = DATA / "course" / "broken_runs.json"
STEPS, SEED = 12, 0
#: What is kept of each step: the journal's fields that a person watches.
_FIELDS = (
    "step", "accuracy", "format", "reward_std", "zero_variance_groups", "kl",
    "completion_length", "clipped_completions", "grad_norm", "lr",
)  # fmt: skip


@dataclass(frozen=True)
class Fault:
    """One run: what was done to it, and how."""

    name: str
    what: str
    settings: dict[str, Any] = field(default_factory=dict)
    rewards: Callable[[], Sequence[RewardFunction]] | None = None


def _tagged_gold() -> list[RewardFunction]:
    """R1-AQA's two rewards, given the gold answer in the tags in which older files have it."""

    def tagged(completions: Sequence, solution: Sequence[str], **columns: Any) -> list[float]:
        gold = [f"<answer>{text}</answer>" for text in solution]
        return accuracy_reward(completions=completions, solution=gold, **columns)

    return [named("accuracy_reward", tagged), format_reward(2)]


#: The runs, by the letter under which a learner meets them.
FAULTS = {
    "A": Fault("cold sampling", "answers drawn at temperature 0.05", {"temperature": 0.05}),
    "B": Fault("healthy", "the profile's settings"),
    "C": Fault("gold in tags", "gold answers compared with their tags", rewards=_tagged_gold),
    "D": Fault("no rate", "learning rate 0", {"lr": 0.0}),
    "E": Fault("rate too high", "learning rate 30 times the profile's", {"lr": 3e-3}),
    "F": Fault("deaf", "trained without the clips", {"text_only": True}),
}


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


def broken_runs() -> dict[str, list[dict[str, Any]]]:
    """The kept runs' rows, by letter. Prints where they come from.

    Raises:
        UserError: the file is damaged, or holds other runs.
    """
    kept = read_json(KEPT)
    runs = kept.get("runs") if isinstance(kept, dict) else None
    if not isinstance(runs, dict) or sorted(runs) != sorted(FAULTS):
        raise UserError(
            f"{shown(KEPT)}: does not hold runs {', '.join(FAULTS)}; make them anew by "
            "python -m r1aqa_helpers.course.broken_runs"
        )
    print(
        f"{len(runs)} runs of {STEPS} steps, profile tiny, seed {kept['seed']}, "
        f"made on {kept['date']}, {kept['hardware']}"
    )
    return runs


def run_of(name: str) -> list[dict[str, Any]]:
    """The kept rows of the run with that fault, by its name in `FAULTS`."""
    letters = {fault.name: letter for letter, fault in FAULTS.items()}
    return read_json(KEPT)["runs"][letters[name]]


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
