"""What notebook 07 counts in a run: states of groups, kinds of questions, checkpoints.

``scripts/record_checkpoints.py`` writes what is read here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from r1aqa_helpers.course.recorded_run import RecordedRun, Rollout
from r1aqa_helpers.course.training_curves import smoothed
from r1aqa_helpers.data import AudioQuestion
from r1aqa_helpers.scoring import Accuracy
from r1aqa_helpers.utils.io import read_json
from r1aqa_helpers.utils.paths import DATA

KEPT = DATA / "course" / "checkpoints.json"


#: What a group is, from its rewards; in a zero-variance group they are equal.
STATES = ("varied", "zero variance, all perfect", "zero variance, all equally short of it")


def state(rollout: Rollout, perfect: float = 2.0) -> str:
    """One of `STATES`; ``perfect`` is the most that an answer can earn."""
    if not rollout.zero_variance:
        return STATES[0]
    return STATES[1] if rollout.rewards[0] == perfect else STATES[2]


def counts_by_block(run: RecordedRun, size: int = 10) -> dict[int, dict[str, int]]:
    """How many groups of each state, for every block of ``size`` steps, by its last step."""
    found: dict[int, dict[str, int]] = {}
    for rollout in run.rollouts:
        block = -(-rollout.step // size) * size
        found.setdefault(block, dict.fromkeys(STATES, 0))[state(rollout)] += 1
    return dict(sorted(found.items()))


def first_above(values: Sequence[float | None], level: float) -> int:
    """The first step, counted from 1, whose moving mean is above ``level``.

    Raises:
        ValueError: it never is.
    """
    for step, mean in enumerate(smoothed(values), start=1):
        if mean > level:
            return step
    raise ValueError(f"never above {level}")


def by_kind(
    questions: Sequence[AudioQuestion], matches: Mapping[str, int]
) -> dict[str, tuple[int, int]]:
    """Kind of question to how many were correct, of how many; by task where kinds are unknown."""
    found: dict[str, tuple[int, int]] = {}
    for question in questions:
        kind = str(question.extra.get("question-type") or question.task or "all")
        correct, n = found.get(kind, (0, 0))
        found[kind] = correct + matches[question.id], n + 1
    return found


@dataclass(frozen=True)
class Checkpoint:
    """A step's model on the validation questions; step 0 is the model before training."""

    step: int
    validation: Accuracy  #: greedy answers to prompt <2>, by MMAU's matching


def recorded_checkpoints() -> list[Checkpoint]:
    """The kept checkpoints, by step. Prints where they come from."""
    kept = read_json(KEPT)
    print(
        f"{len(kept['checkpoints'])} checkpoints on {kept['n']} validation questions: "
        f"profile tiny, seed {kept['seed']}, {kept['date']}, {kept['hardware']}"
    )
    return [
        Checkpoint(row["step"], Accuracy(row["correct"], kept["n"])) for row in kept["checkpoints"]
    ]
