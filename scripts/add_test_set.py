"""Add to a ``results.json`` from before it was kept: which questions it was measured on.

``uv run scripts/add_test_set.py RESULTS QUESTIONS`` adds ``test_set``, and to each row
``test_sha256`` and ``tasks`` (accuracy, n and Wilson interval of each task). All of it is computed
from the accuracies in the file and from the questions; where the two do not fit together to the
last question, nothing is written. ``data/tiny/reference_run/results.json`` went through it once,
with ``data/tiny/tiny-mmau.json``.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from r1aqa_helpers.errors import UserError
from r1aqa_helpers.files import read_json, shown, write_json
from r1aqa_helpers.questions import QuestionSet, identify, read_questions
from r1aqa_helpers.scoring import Accuracy


def tasks_of(row: Mapping[str, Any], counts: Mapping[str, int]) -> dict[str, dict]:
    """A row's accuracies by task, with n and interval. Raises ``UserError`` where they cannot be.

    ``counts`` has the questions of each task. An accuracy must be a count of right answers out of
    so many, and all of them together must give the average.
    """
    found = {}
    for task, n in counts.items():
        part = Accuracy(round(row[task] * n / 100), n)
        if abs(part.percent - row[task]) > 1e-9:
            raise UserError(f"{row['method']}: {row[task]} % of {n} {task} questions is no count")
        found[task] = part
    whole = Accuracy(sum(p.correct for p in found.values()), sum(counts.values()))
    if whole.n != row["n"] or abs(whole.percent - row["average"]) > 1e-9:
        raise UserError(f"{row['method']}: its average is not that of these questions")
    return {task: part.as_dict() for task, part in found.items()}


def with_test_set(
    results: Mapping[str, Any], test_set: QuestionSet, counts: Mapping[str, int]
) -> dict[str, Any]:
    """The results with what is missing added, each thing where a run of today has it."""
    rows = [
        {**row, "tasks": tasks_of(row, counts), "test_sha256": test_set.sha256}
        for row in results["rows"]
    ]
    added = {"test_set": test_set.as_dict(), "n": test_set.n, "rows": rows}
    return {**results, **added}


def main() -> int:
    """Rewrite the file; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path)
    parser.add_argument("questions", type=Path)
    given = parser.parse_args()
    try:
        questions = read_questions(given.questions)
        test_set = identify(questions, given.questions)
        counts = Counter(question.task for question in questions)
        write_json(given.results, with_test_set(read_json(given.results), test_set, counts))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{shown(given.results)}: {test_set.text}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
