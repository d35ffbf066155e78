"""A training's budget: what it should take, and beside it, once it has run, what it took."""

import sys
from pathlib import Path
from typing import Any

import torch
from IPython.display import display

from r1aqa_helpers.course.tables import Table
from r1aqa_helpers.hardware import Profile
from r1aqa_helpers.hardware.budgets import budget
from r1aqa_helpers.training import TrainingSettings
from r1aqa_helpers.utils.io import read_log


def budget_table(profile: Profile, settings: TrainingSettings, folder: Path | None = None) -> Table:
    """Minutes and peak memory of a training: expected, the source of that, and actual.

    Expected minutes are those of the profile's whole training, where they were measured, in
    proportion to the questions (in GRPO: answers) of this one; expected memory is the profile's,
    which is that of its largest step.

    Args:
        folder: of a run with these settings, begun or ended, of whose steps the minutes are
            expected; None: still to be made.

    Raises:
        UserError: the run's log cannot be read.
    """
    part = "grpo" if hasattr(settings, "group_size") else "sft"
    rows = [] if folder is None else read_log(folder / "metrics.jsonl")
    steps = settings.steps if folder is None else len(rows)
    whole = type(settings)(**getattr(profile, part))
    plan = budget(profile)
    minutes, memory = plan.minutes.get(part), plan.memory[part]
    expected, source, took, used = "not measured", "–", "–", "–"
    if minutes is not None:
        share = steps * _per_step(settings) / (whole.steps * _per_step(whole))
        expected = _time(60 * share * minutes.value)
        source = f"{minutes.source}, in proportion"
    if rows:
        took = _time(sum(row["seconds"] for row in rows))
        peak = peak_memory(profile.device)
        used = "not known here" if peak is None else f"{peak / 1e9:.1f} GB"
    return Table(
        f"{part.upper()}: {steps} steps, profile {profile.name}",
        [
            ("time", expected, source, took),
            ("peak memory", f"{memory.value / 1e9:.1f} GB", memory.source, used),
        ],
        ("", "expected", "which is", "actual"),
    )


def budget_card(profile: Profile, settings: TrainingSettings, folder: Path | None = None) -> None:
    """Show a training's budget; arguments and errors as ``budget_table``'s."""
    display(budget_table(profile, settings, folder))


def peak_memory(device: str) -> int | None:
    """Bytes: on a GPU the most that tensors have taken, else the most of this process.

    None where the system does not tell.
    """
    if device == "cuda" and torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    try:
        import resource  # not on Windows
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def _per_step(settings: Any) -> int:
    """Answers of a step of GRPO, or questions of a step of SFT."""
    if hasattr(settings, "group_size"):
        return settings.prompts_per_step * settings.group_size
    return settings.batch_size


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.1f} min"
