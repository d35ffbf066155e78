"""Notebook 07: a GRPO run's checkpoints, measured on the validation questions, to choose one by.

``scripts/record_checkpoints.py`` writes what is read here.
"""

from dataclasses import dataclass
from pathlib import Path

from r1aqa_helpers.errors import UserError
from r1aqa_helpers.files import read_json, shown
from r1aqa_helpers.paths import DATA
from r1aqa_helpers.scoring import Accuracy

KEPT = DATA / "course" / "checkpoints.json"


@dataclass(frozen=True)
class Checkpoint:
    """A step's model on the validation questions; step 0 is the model before training."""

    step: int
    validation: Accuracy  #: greedy answers to prompt <2>, by MMAU's matching


def recorded_checkpoints(path: Path = KEPT) -> list[Checkpoint]:
    """The kept checkpoints, by step. Prints where they come from.

    Raises:
        UserError: the file is missing or damaged.
    """
    kept = read_json(path)
    try:
        found = [
            Checkpoint(row["step"], Accuracy(row["right"], kept["n"]))
            for row in kept["checkpoints"]
        ]
        where = f"profile tiny, seed {kept['seed']}, {kept['date']}, {kept['hardware']}"
    except (KeyError, TypeError):
        raise UserError(
            f"{shown(path)}: is damaged; write it again with scripts/record_checkpoints.py"
        ) from None
    print(f"{len(found)} checkpoints on {kept['n']} validation questions: {where}")
    return found
