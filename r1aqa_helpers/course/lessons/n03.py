"""Notebook 03: stored responses to grade a scorer with, counts of MMAU, how good an interval is."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy.stats import binom

from r1aqa_helpers.course.recorded_run import ANSWERS, REFERENCE
from r1aqa_helpers.data import AudioQuestion
from r1aqa_helpers.reporting import ResultRow, load_published
from r1aqa_helpers.scoring import string_match
from r1aqa_helpers.tiny.data import prepare
from r1aqa_helpers.utils.io import read_json, read_log
from r1aqa_helpers.utils.paths import DATA

#: Ways to say a correct answer, as models do.
WORDINGS = (
    "{}",
    "It is {}.",
    "A. {}",
    "(A) {}",
    "The audio contains {}.",
    "The answer is {}.",
)

#: Questions and responses with their official verdicts, see data/README.md.
SCORED = DATA / "course" / "scored_responses"

#: An interval in percent from how many were correct, of how many.
Interval = Callable[[int, int], tuple[float, float]]


def scored_responses() -> list[dict[str, Any]]:
    """Records of MMAU's two releases and made-up ones, with ``response`` and the verdict ``match``.

    The verdict is MMAU's script's on ``model_prediction``, the answer as R1-AQA's reference code
    extracts it.
    """
    names = ("v1", "v05.15.25", "made-up")
    return [row for name in names for row in read_json(SCORED / f"{name}.json")]


def recorded_responses() -> dict[str, dict[str, str]]:
    """What each method of the committed run said to tiny-mmau: method -> id -> response."""
    kept = sorted((REFERENCE / ANSWERS).glob("*.jsonl"))
    return {one.stem: {row["id"]: row["response"] for row in read_log(one)} for one in kept}


def recorded_averages() -> dict[str, float]:
    """The accuracies that were stored with `recorded_responses`, in percent, by method."""
    rows = read_json(REFERENCE / "results.json")["rows"]
    names = {("direct", 1): "direct-1", ("direct", 2): "direct-2", ("grpo", 3): "grpo-3"}
    return {names.get((r["method"], r["prompt"]), r["method"]): r["average"] for r in rows}


def avqa_line(key: str) -> str:
    """The line of ``tiny-avqa-train.jsonl`` with that id, indented, without its labels."""
    lines = prepare().train.read_text(encoding="utf-8").splitlines()
    line = next(row for row in map(json.loads, lines) if row["id"] == key)
    wanted = ("id", "question_text", "multi_choice", "answer", "dataset_name", "audio_path")
    return json.dumps({name: line[name] for name in wanted}, indent=1)


def mmau_record() -> str:
    """A record of MMAU test-mini v1, as it stands in the file but for what is not shown here."""
    wanted = ("audio_id", "question", "choices", "answer", "dataset", "task", "difficulty")
    row = read_json(SCORED / "v1.json")[0]
    return json.dumps({name: row[name] for name in wanted}, indent=1)


def mmau_counts() -> dict[str, dict[str, Any]]:
    """What ``r1aqa data audit`` counts in MMAU test-mini: release -> report."""
    newer = read_json(DATA / "course" / "mmau_audit.json")
    return {"v1": newer["against"]["audit"], "v05.15.25": newer}


def mmau_lost() -> dict[str, dict[str, int]]:
    """`lost_to_wording` of MMAU test-mini: release -> wording -> questions of 1,000."""
    return read_json(DATA / "course" / "mmau_wording.json")["lost"]


def published(method: str) -> ResultRow:
    """The row of Qwen2-Audio-7B-Instruct in R1-AQA's table or model card."""
    rows = (*load_published().card, *load_published().paper)
    return next(r for r in rows if (r.model, r.method) == ("Qwen2-Audio-7B-Instruct", method))


def lost_to_wording(
    questions: Sequence[AudioQuestion], wordings: Sequence[str] = WORDINGS
) -> dict[str, int]:
    """For each wording, on how many questions MMAU's matcher calls the gold answer wrong in it."""
    return {
        wording: sum(
            not string_match(q.answer or "", wording.format(q.answer), q.choices) for q in questions
        )
        for wording in wordings
    }


def coverage(interval: Interval, n: int, accuracies: Sequence[float] | np.ndarray) -> np.ndarray:
    """How often an interval holds the true accuracy, in percent; exact, nothing is drawn.

    Args:
        interval: called once for each count of correct answers from 0 to n.
        n: questions.
        accuracies: true accuracies in percent, shape (a,).

    Returns:
        Shape (a,): for each accuracy the binomial probability of those counts whose interval
        holds it.
    """
    counts = np.arange(n + 1)
    low, high = np.array([interval(int(k), n) for k in counts]).T
    truth = np.asarray(accuracies, dtype=float)[:, None]
    # 1e-9 is rounding, at 0 and at 100.
    holds = (low - 1e-9 <= truth) & (truth <= high + 1e-9)
    return 100 * (binom.pmf(counts, n, truth / 100) * holds).sum(axis=1)
