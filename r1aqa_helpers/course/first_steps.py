"""The first steps of a run, of either method, as a notebook begins and stops it."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from r1aqa_helpers.grpo.train import train_grpo
from r1aqa_helpers.models import LoadedModel
from r1aqa_helpers.questions import AudioQuestion
from r1aqa_helpers.roads import Method
from r1aqa_helpers.sft import train_sft
from r1aqa_helpers.training import TrainingSettings


class _Enough(KeyboardInterrupt):
    """As if somebody had pressed the stop button."""


def first_steps(
    method: Method,
    loaded: LoadedModel,
    questions: Sequence[AudioQuestion],
    settings: TrainingSettings,
    folder: Path,
    steps: int,
    watch: Callable[[Mapping[str, Any]], None] | None = None,
) -> list[dict[str, Any]]:
    """Begin a whole run and stop it after so many steps; ``loaded`` is trained in place.

    The learning rate falls as it does in the whole run, so that these are its very first steps.

    Args:
        watch: called with each step's row, as in `train_sft` and `train_grpo`.

    Returns:
        The rows of the steps, as in ``metrics.jsonl``.

    Raises:
        ValueError: the run has not so many steps.
    """
    if not 0 < steps <= settings.steps:
        raise ValueError(f"{steps} of {settings.steps} steps were asked for")
    rows: list[dict[str, Any]] = []

    def count(row: Mapping[str, Any]) -> None:
        rows.append(dict(row))
        if watch is not None:
            watch(row)
        if len(rows) == steps:
            raise _Enough

    try:
        if method.algorithm == "sft":
            train_sft(loaded, questions, settings, folder, watch=count)
        else:
            train_grpo(loaded, questions, settings, folder, rewards=method.rewards, watch=count)
    except _Enough:
        pass
    return rows
