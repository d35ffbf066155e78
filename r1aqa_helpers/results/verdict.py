"""Is a published accuracy reproduced? Said cell by cell, and only on the very same questions."""

from collections.abc import Sequence
from typing import Any

from r1aqa_helpers.questions import QuestionSet

from .measured import MeasuredRow
from .published import DOMAINS, Published, PublishedRow

REPRODUCED, ABOVE, BELOW = "reproduced", "above", "below"

#: What the words mean, beside every table that has them.
MEANING = (
    "reproduced: the published figure lies within the 95 % interval of the own measurement; above,"
    " below: the whole interval lies above or below it. How uncertain the published figure is"
    " itself, is not known and not counted in. Of many such verdicts one in twenty or so is"
    " above or below by chance alone. The published rows of direct inference and zero-shot CoT are"
    " other authors' measurements, with prompts that need not be <1>, <2> and <3>."
)

#: (method, prompt) of a measured row -> method of the card's row of Qwen2-Audio-7B-Instruct.
BESIDE = {
    ("direct", 1): "Direct Inference",
    ("direct", 2): "Direct Inference",
    ("zero-shot-cot", 3): "Zero-Shot-CoT",
    ("r1-aqa", 2): "GRPO (Ours)",
    ("trained", 2): "GRPO (Ours)",
    ("grpo", 2): "GRPO (Ours)",
}
_MODEL = "Qwen2-Audio-7B-Instruct"


def published_beside(published: Published, row: MeasuredRow) -> PublishedRow | None:
    """The published row that a measured one can be set beside, if there is one."""
    method = BESIDE.get((row.method, row.prompt))
    return next((r for r in published.card if (r.model, r.method) == (_MODEL, method)), None)


def no_verdict(published: Published, test_set: QuestionSet) -> str | None:
    """Why measurements on these questions get no verdict; None where they get one."""
    if test_set.release == published.release and test_set.whole:
        return None
    if test_set.release == published.release:
        which = f"are not all of {test_set.release} with its texts"
    elif test_set.release is not None:
        which = f"are of another version, {test_set.release}"
    else:
        which = "are of no known release"
    return (
        f"No verdict: the published rows are of MMAU test-mini {published.release}, and the"
        f" questions measured here {which}."
    )


def verdicts(
    published: Published, rows: Sequence[MeasuredRow], test_set: QuestionSet
) -> list[dict[str, Any]]:
    """For each row that has a published one beside it, a verdict on the average and each task.

    See `MEANING`. Empty where `no_verdict` says why. Each is
    ``{"method", "prompt", "published": {"model", "method", "source", "note"}, "parts":
    {"average": {"published", "measured", "ci95", "n", "verdict"}, "sound": …}}``.
    """
    if no_verdict(published, test_set) is not None:
        return []
    found = []
    for row in rows:
        reported = published_beside(published, row)
        if reported is None:
            continue
        average = {"accuracy": row.average, "n": row.n, "ci95": list(row.ci95)}
        measured = {"average": average} | {t: row.tasks[t] for t in DOMAINS if t in row.tasks}
        found.append(
            {
                "method": row.method,
                "prompt": row.prompt,
                "published": {
                    name: getattr(reported, name) for name in ("model", "method", "source", "note")
                },
                "parts": {
                    name: _part(getattr(reported, name), part) for name, part in measured.items()
                },
            }
        )
    return found


def _part(published: float, measured: Any) -> dict[str, Any]:
    low, high = measured["ci95"]
    verdict = BELOW if high < published else ABOVE if low > published else REPRODUCED
    return {
        "published": published,
        "measured": measured["accuracy"],
        "ci95": [low, high],
        "n": measured["n"],
        "verdict": verdict,
    }
