"""A training run as its folder recorded it: a row per step, and every group of answers.

`REFERENCE` is a run of the tiny track that is committed, so that what a notebook says about
curves and groups is there without training.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from r1aqa_helpers.course.answer_groups import AnswerGroup
from r1aqa_helpers.course.group_rewards import JudgedGroup
from r1aqa_helpers.course.training_curves import show_curves
from r1aqa_helpers.data import AudioQuestion
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import read_log
from r1aqa_helpers.utils.paths import TINY
from r1aqa_helpers.utils.untrusted import shown, shown_value

#: GRPO with prompt <2> on tiny-avqa: the run that README reports.
REFERENCE = TINY / "reference_run"

#: Each method's answers to tiny-mmau, in that folder, as ``METHOD.jsonl`` with id and response.
ANSWERS = "answers"

_LISTS = ("completions", "rewards", "advantages")


@dataclass(frozen=True)
class Rollout:
    """The group of answers to one question in one step, as ``rollouts.jsonl`` has it."""

    step: int
    id: str  #: of the question
    completions: tuple[str, ...]
    rewards: tuple[float | None, ...]  #: None: all functions abstained
    by_function: dict[str, list[float | None]]  #: each function's share of ``rewards``
    advantages: tuple[float, ...]

    @property
    def zero_variance(self) -> bool:
        """Whether all rewards are equal, so that no answer is reinforced."""
        return len(set(self.rewards) - {None}) < 2

    def judged(self, question: AudioQuestion | None, prompt: int = 2) -> JudgedGroup:
        """The group as a table; without the question, its id stands in its place."""
        group = AnswerGroup(
            id=self.id,
            question=self.id if question is None else question.question,
            choices=() if question is None else question.choices,
            answer="" if question is None else question.answer or "",
            prompt=prompt,
            completions=self.completions,
        )
        return JudgedGroup(
            group,
            parts=self.by_function,
            weights=dict.fromkeys(self.by_function, 1.0),
            totals=list(self.rewards),
            advantages=list(self.advantages),
        )


@dataclass(frozen=True)
class RecordedRun:
    """A run that ended, was interrupted, or is still going on."""

    folder: Path
    log: list[dict[str, Any]]  #: a row per step, as `train_grpo` describes it
    rollouts: list[Rollout]
    questions: dict[str, AudioQuestion] = field(repr=False)

    @property
    def steps(self) -> list[int]:
        """The steps whose groups are there, in order."""
        return sorted({rollout.step for rollout in self.rollouts})

    @property
    def seconds(self) -> float:
        """What all its steps took."""
        return sum(row["seconds"] for row in self.log)

    def curves(self) -> None:
        """Show its training curves, see `show_curves`."""
        show_curves(self.log)

    def groups(self, step: int) -> list[Rollout]:
        """The groups of one step, in the order in which they were asked."""
        return [rollout for rollout in self.rollouts if rollout.step == step]


def load_run(folder: Path | str, questions: Sequence[AudioQuestion]) -> RecordedRun:
    """Read a GRPO run's ``metrics.jsonl`` and ``rollouts.jsonl``.

    Args:
        questions: those it was trained on; groups are shown with their text and clip.

    Raises:
        UserError: no rollouts are there yet, or a line of them cannot be understood.
    """
    folder = Path(folder)
    rollouts = read_rollouts(folder)
    if not rollouts:
        path = folder / "rollouts.jsonl"
        raise UserError(f"{shown(path)}: no rollouts yet; give the folder of a GRPO run")
    log = read_log(folder / "metrics.jsonl")
    return RecordedRun(folder, log, rollouts, {question.id: question for question in questions})


def read_rollouts(folder: Path) -> list[Rollout]:
    """A run's groups of answers, in order; none of SFT.

    Raises:
        UserError: a line cannot be understood.
    """
    path = folder / "rollouts.jsonl"
    return [_rollout(path, number, row) for number, row in enumerate(read_log(path), start=1)]


def _rollout(path: Path, number: int, row: dict[str, Any]) -> Rollout:
    def refuse(name: str) -> NoReturn:
        raise UserError(f"{shown(path)}:{number}: field {name}: is damaged; remove the line")

    for name, kind in (("step", int), ("id", str), ("rewards_by_function", dict)):
        if not isinstance(row.get(name), kind):
            refuse(name)
    lists = {name: row.get(name) for name in _LISTS} | row["rewards_by_function"]
    size = len(row["completions"]) if isinstance(row.get("completions"), list) else 0
    for name, values in lists.items():
        held: Any = {"completions": str, "advantages": int | float}.get(name, int | float | None)
        whole = isinstance(values, list) and len(values) == size > 0
        if not whole or not all(isinstance(value, held) for value in values):
            refuse(shown_value(name))
    completions, rewards, advantages = (tuple(row[name]) for name in _LISTS)
    by_function = row["rewards_by_function"]
    return Rollout(row["step"], row["id"], completions, rewards, by_function, advantages)
