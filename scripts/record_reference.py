"""Keep a run of ``r1aqa reproduce`` as the one that README and notebooks report.

    uv run scripts/record_reference.py runs/tiny

Copies to data/tiny/reference_run: results.json, GRPO's metrics.jsonl and rollouts.jsonl, and of
each method's answers id and response alone, as answers/METHOD.jsonl. Then run
scripts/readme.py.
"""

import argparse
import sys
from pathlib import Path

from r1aqa_helpers.course.recorded_run import ANSWERS, REFERENCE
from r1aqa_helpers.errors import UserError
from r1aqa_helpers.files import read_bytes, read_json, write_bytes, write_jsonl

COPIED = ("results.json", "metrics.jsonl", "rollouts.jsonl")


def record(run: Path, kept: Path = REFERENCE) -> None:
    """Copy what is kept of ``run``.

    Raises:
        UserError: a part of the run is not there.
    """
    parts = {name: read_bytes(run / name) for name in COPIED}
    answers = {
        path.parent.name: [
            {"id": row["id"], "response": row["response"]} for row in read_json(path)
        ]
        for path in sorted(run.glob("*/predictions.json"))
    }
    for name, data in parts.items():
        write_bytes(kept / name, data)
    for name, rows in answers.items():
        write_jsonl(kept / ANSWERS / f"{name}.jsonl", rows)
        print(f"{name}: {len(rows)} answers")


def main() -> int:
    """Run the script; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("run", type=Path, help="folder of a finished run")
    try:
        record(parser.parse_args().run)
    except UserError as fault:
        print(f"error: {fault}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
