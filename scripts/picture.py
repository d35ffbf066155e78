"""Draw README's picture: a training, and answers before and after it.

It is made from the committed run, ``data/tiny/reference_run``; ``scripts/readme.py`` writes it.
"""

import io
import re
from collections.abc import Mapping
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt

from r1aqa_helpers.course.figures.style import BLUE, GREY, ORANGE, RED, use_style
from r1aqa_helpers.course.recorded_run import ANSWERS, REFERENCE
from r1aqa_helpers.course.training_curves import smoothed
from r1aqa_helpers.data import AudioQuestion, read_questions
from r1aqa_helpers.scoring import extract_answer, score
from r1aqa_helpers.utils.io import read_json, read_log
from r1aqa_helpers.utils.paths import TINY

PICTURE = Path("docs") / "training.svg"
#: The files of answers and the rows of the table that stand for before and after.
BEFORE, AFTER = ("direct-2", "direct", 2), ("grpo", "grpo", 2)
SHOWN = 6


def _answers(name: str) -> dict[str, str]:
    return {row["id"]: row["response"] for row in read_log(REFERENCE / ANSWERS / f"{name}.jsonl")}


def _correct(questions: list[AudioQuestion], answers: Mapping[str, str]) -> dict[str, bool]:
    verdicts = score(questions, {id_: extract_answer(text) for id_, text in answers.items()})
    return {one.id: verdict.correct for one, verdict in zip(questions, verdicts.verdicts)}  # noqa: B905


def changed() -> list[tuple[AudioQuestion, str, bool, str, bool]]:
    """The first test questions whose verdict training changed, with answers and verdicts."""
    questions = read_questions(TINY / "tiny-mmau.json")
    before, after = _answers(BEFORE[0]), _answers(AFTER[0])
    was, now = _correct(questions, before), _correct(questions, after)
    found = (one for one in questions if was[one.id] != now[one.id])
    rows = [(q, before[q.id], was[q.id], after[q.id], now[q.id]) for q in found]
    return rows[:SHOWN]


def _average(method: str, prompt: int) -> float:
    rows = read_json(REFERENCE / "results.json")["rows"]
    (row,) = (row for row in rows if (row["method"], row["prompt"]) == (method, prompt))
    return row["average"]


def alt() -> str:
    """The picture in words."""
    log = read_log(REFERENCE / "metrics.jsonl")
    ends = {name: smoothed([row[name] for row in log]) for name in ("accuracy", "format")}
    told = " and ".join(
        f"{name} from {values[0]:.2f} to {values[-1]:.2f}" for name, values in ends.items()
    )
    q, said, _, says, _ = changed()[0]
    return (
        f"Above: over {len(log)} GRPO steps the share of rewarded answers rises, {told}. Below: "
        f"test questions with the answers before and after, such as “{q.question}”: "
        f"“{_plain(said)}” before, “{_plain(says)}” after."
    )


def svg() -> str:
    """The picture; the same bytes from the same data."""
    log = read_log(REFERENCE / "metrics.jsonl")
    with plt.rc_context():
        use_style()
        plt.rcParams.update({"svg.hashsalt": "r1aqa", "svg.fonttype": "path"})
        fig, (above, below) = plt.subplots(
            2, 1, figsize=(7.2, 6.2), gridspec_kw={"height_ratios": [1, 1.05]}
        )
        steps = [row["step"] for row in log]
        for name, colour in (("format", ORANGE), ("accuracy", BLUE)):
            values = [row[name] for row in log]
            above.plot(steps, values, color=colour, alpha=0.25, linewidth=1)
            label = {"format": "in the requested format", "accuracy": "correct"}[name]
            above.plot(steps, smoothed(values), color=colour, label=label)
        above.legend(loc="lower right", ncols=2)
        first, last = (_average(*row[1:]) for row in (BEFORE, AFTER))
        above.set(
            title=f"{len(log)} steps of GRPO: {first:.0f} % of the test correct before, "
            f"{last:.0f} % after",
            xlabel="step", ylabel="share of sampled answers", ylim=(0, 1.05), xlim=(1, len(log)),
        )  # fmt: skip
        _answers_below(below)
        file = io.StringIO()
        fig.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
        plt.close(fig)
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines()) + "\n"


def _answers_below(ax: plt.Axes) -> None:
    """The questions with both answers, as lines of text."""
    ax.set_axis_off()
    columns = ((-0.08, "question"), (0.41, "before"), (0.78, "after"))
    for x, text in columns:
        ax.text(x, 1.0, text, color=GREY, transform=ax.transAxes, va="center")
    for place, (question, said, was, says, now) in enumerate(changed(), start=1):
        y = 1 - place / (SHOWN + 0.4)
        for (x, _), text, colour, mark in zip(
            columns,
            (question.question, said, says),
            ("black", BLUE if was else RED, BLUE if now else RED),
            ("", "✓ " if was else "✗ ", "✓ " if now else "✗ "),
            strict=True,
        ):
            folded = mark + _fold(_plain(text), 25 if mark else 36)
            ax.text(x, y, folded, color=colour, fontsize=10.5, transform=ax.transAxes,
                    va="center", parse_math=False)  # fmt: skip


def _plain(answer: str) -> str:
    return re.sub(r"</?\w+>|[\[\]]", "", answer).strip()


def _fold(text: str, width: int) -> str:
    """Two lines at most."""
    if len(text) <= width:
        return text
    cut = text.rfind(" ", 0, width)
    rest = text[cut + 1 :]
    return text[:cut] + "\n" + (rest if len(rest) <= width else rest[: width - 1] + "…")
