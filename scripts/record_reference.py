"""Keep a run of ``r1aqa reproduce`` as the one that README and notebooks report.

    uv run scripts/record_reference.py runs/tiny

Copies to data/tiny/reference_run: results.json, GRPO's metrics.jsonl and rollouts.jsonl, and of
each method's answers id and response alone, as answers/METHOD.jsonl. Then run
scripts/readme.py.
"""

import sys
from pathlib import Path

from r1aqa_helpers.course import REFERENCE
from r1aqa_helpers.course.recorded_run import ANSWERS
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import read_bytes, read_json, write_bytes, write_jsonl

COPIED = ("results.json", "metrics.jsonl", "rollouts.jsonl")


def record(run: Path, kept: Path = REFERENCE) -> None:
    """Copy what is kept of ``run``.

    Raises:
        UserError: a part of the run is not there.
    """
    parts = {name: read_bytes(run / name) for name in COPIED}
    answers = {
        path.parent.name: [{name: row[name] for name in ("id", "response")} for row in rows]
        for path in sorted(run.glob("*/predictions.json"))
        if (rows := read_json(path))
    }
    for name, data in parts.items():
        write_bytes(kept / name, data)
    for name, rows in answers.items():
        write_jsonl(kept / ANSWERS / f"{name}.jsonl", rows)
        print(f"{name}: {len(rows)} answers")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("give the folder of a finished run")
    try:
        record(Path(sys.argv[1]))
    except UserError as fault:
        sys.exit(f"error: {fault}")
