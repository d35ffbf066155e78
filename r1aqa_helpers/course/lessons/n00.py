"""Notebook 00: what the course ends with, reported accuracies beside measured ones.

The two never share a bar or a row's difference: another model on another test is another question.
"""

from r1aqa_helpers.course.tables import Table
from r1aqa_helpers.reporting import ResultRow, load_measured, load_published, published_beside
from r1aqa_helpers.reporting.verdict import QWEN
from r1aqa_helpers.scoring import wilson_interval

#: Questions of MMAU test-mini, from which the published rows' intervals are computed here.
PUBLISHED_N = 1000

#: Heading of a line; its published row (model, method) or its measured one (method, prompt),
#: beside which `published_beside` finds what was reported.
_LINES = (
    ("direct inference, as published", (QWEN, "Direct Inference")),
    ("direct inference, prompt <2>", ("direct", 2)),
    ("zero-shot chain of thought, as published", (QWEN, "Zero-Shot-CoT")),
    ("zero-shot chain of thought, prompt <3>", ("zero-shot-cot", 3)),
    ("SFT, full, prompt <1>", (QWEN, "SFT Full + Prompt <1>")),
    ("SFT, LoRA, prompt <1>", (QWEN, "SFT LoRA + Prompt <1>")),
    ("SFT, prompt <2>", ("sft", 2)),
    ("SFT on structured thoughts (CoTA), as published", (QWEN, "CoTA")),
    ("SFT on structured thoughts (CoTA), prompt <3>", ("cota", 3)),
    ("GRPO, prompt <2>", ("grpo", 2)),
    ("GRPO with thinking, prompt <3>", ("grpo", 3)),
    ("people", ("", "Human")),
)


def results_table() -> Table:
    """The table that the course ends with: reported for the 7B model, and measured here.

    Reported averages stand without an interval in the sources; theirs is Wilson's for the
    1,000 questions of MMAU test-mini.
    """
    published = load_published()
    reported = {(r.model, r.method): r for r in (*published.card, *published.paper)}
    measured = {(r.method, r.prompt): r for r in load_measured()}
    rows = []
    for name, key in _LINES:
        run = measured.get(key)
        paper = reported.get(key) if run is None else published_beside(published, run)
        left = "–" if paper is None else _cell(paper.average, _interval(paper))
        rows.append((name, left, "–" if run is None else _cell(run.average, run.ci95)))
    columns = ("method", "reported: 7B model, MMAU test-mini", "measured: tiny model, tiny-mmau")
    caption = "Correct answers in percent, with 95 % intervals for 1,000 questions"
    return Table(caption, rows, columns)


def _interval(row: ResultRow) -> tuple[float, float] | None:
    if not row.model:
        return None  # people: how many answered how much is not given
    return wilson_interval(round(row.average / 100 * PUBLISHED_N), PUBLISHED_N)


def _cell(percent: float, interval: tuple[float, float] | None) -> str:
    return f"{percent:.1f}" + (f" ({interval[0]:.1f} to {interval[1]:.1f})" if interval else "")
