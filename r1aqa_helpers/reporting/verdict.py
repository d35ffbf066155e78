"""Which published row a measured row is compared with, and whether it is reproduced."""

from collections.abc import Iterable, Mapping
from typing import Any

from r1aqa_helpers.data import QuestionSet
from r1aqa_helpers.reporting.rows import DOMAINS, Published, ResultRow

REPRODUCED, ABOVE, BELOW = "reproduced", "above", "below"

#: What the words mean, beside every table that has them.
MEANING = (
    "reproduced: the published figure lies within the 95 % interval of the own measurement; above,"
    " below: the whole interval lies above or below it. How uncertain the published figure is"
    " itself, is not known and not counted in. Of many such verdicts one in twenty or so is"
    " above or below by chance alone."
)
#: Why a cell of published figures is empty, beside every table where one may be.
UNLIKE = (
    "A published row stands beside a measured one only where method and prompt are the same: the"
    " paper's SFT was asked with prompt <1>, and direct inference, zero-shot CoT and CoTA are"
    " other authors' measurements with prompts of their own."
)

#: The model of most published rows.
QWEN = "Qwen2-Audio-7B-Instruct"
#: (method, prompt) of a measured row -> (model, method) of the published row that is like it.
_PUBLISHED = {
    ("grpo", 2): (QWEN, "GRPO (Ours)"),
    ("r1-aqa", 2): (QWEN, "GRPO (Ours)"),
    ("trained", 2): (QWEN, "GRPO (Ours)"),
    ("grpo", 3): (QWEN, "GRPO + Prompt <3>"),
    ("sft", 1): (QWEN, "SFT Full + Prompt <1>"),
    ("sft-lora", 1): (QWEN, "SFT LoRA + Prompt <1>"),
    ("cascade-strong", None): ("Llama-3-8B-Instruct + Strong Cap.", "Direct Inference"),
    ("cascade-weak", None): ("Llama-3-8B-Instruct + Weak Cap.", "Direct Inference"),
}


def published_beside(published: Published, row: ResultRow) -> ResultRow | None:
    """The published row with the method and the prompt of a measured one, if there is one."""
    wanted = _PUBLISHED.get((row.method, row.prompt))
    rows = (*published.card, *published.paper)
    return next((one for one in rows if (one.model, one.method) == wanted), None)


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
    published: Published, rows: Iterable[ResultRow], test_set: QuestionSet
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
        average = {"accuracy": row.average, "n": row.n, "ci95": row.ci95}
        measured = {"average": average} | {t: row.tasks[t] for t in DOMAINS if t in row.tasks}
        source = {name: getattr(reported, name) for name in ("model", "method", "source", "note")}
        parts = {name: _part(getattr(reported, name), part) for name, part in measured.items()}
        row_is = {"method": row.method, "prompt": row.prompt}
        found.append({**row_is, "published": source, "parts": parts})
    return found


def _part(published: float, measured: Mapping[str, Any]) -> dict[str, Any]:
    low, high = measured["ci95"]
    verdict = BELOW if high < published else ABOVE if low > published else REPRODUCED
    told = {"published": published, "measured": measured["accuracy"], "ci95": [low, high]}
    return {**told, "n": measured["n"], "verdict": verdict}
