"""What the course ends with: reported accuracies beside measured ones, as table and as picture.

The two never share a row of bars: another model on another test is another question.
"""

import html
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import display
from matplotlib.axes import Axes

from r1aqa_helpers.course.figures.style import BLUE, GREEN, GREY, ORANGE, SKY, figure
from r1aqa_helpers.files import read_jsonl
from r1aqa_helpers.paths import TINY
from r1aqa_helpers.results import MeasuredRow, PublishedRow, load_measured, load_published
from r1aqa_helpers.scoring import wilson_interval

#: Questions of MMAU test-mini, from which the published rows' intervals are computed here.
PUBLISHED_N = 1000

#: Heading of a line, then the published row (model, method) and the measured one (method, prompt).
_LINES = (
    ("direct inference", ("Qwen2-Audio-7B-Instruct", "Direct Inference"), ("direct", 2)),
    (
        "zero-shot chain of thought",
        ("Qwen2-Audio-7B-Instruct", "Zero-Shot-CoT"),
        ("zero-shot-cot", 3),
    ),
    ("SFT, prompt <2>", None, ("sft", 2)),
    ("SFT, full, prompt <1>", ("Qwen2-Audio-7B-Instruct", "SFT Full + Prompt <1>"), None),
    ("SFT, LoRA, prompt <1>", ("Qwen2-Audio-7B-Instruct", "SFT LoRA + Prompt <1>"), None),
    ("SFT on structured thoughts (CoTA)", ("Qwen2-Audio-7B-Instruct", "CoTA"), None),
    ("GRPO, prompt <2>", ("Qwen2-Audio-7B-Instruct", "GRPO (Ours)"), ("grpo", 2)),
    ("GRPO with thinking, prompt <3>", ("Qwen2-Audio-7B-Instruct", "GRPO + Prompt <3>"), None),
    ("people", ("", "Human"), None),
)


@dataclass(frozen=True)
class Figure95:
    """An accuracy and its 95 % interval, in percent; the people's number is not given."""

    percent: float
    interval: tuple[float, float] | None

    def __str__(self) -> str:
        if self.interval is None:
            return f"{self.percent:.1f}"
        low, high = self.interval
        return f"{self.percent:.1f} ({low:.1f} to {high:.1f})"


@dataclass(frozen=True)
class Line:
    """One method: what was reported for the 7B model, and what was measured here."""

    name: str
    published: Figure95 | None
    measured: Figure95 | None


def lines() -> list[Line]:
    """The rows of the course's table, each with its reported and its measured average.

    Reported averages stand without an interval in the sources; theirs is Wilson's for the
    1,000 questions of MMAU test-mini.
    """
    published = load_published()
    rows = {(r.model, r.method): r for r in (*published.card, *published.paper)}
    measured = {(r.method, r.prompt): r for r in load_measured()}
    return [
        Line(
            name,
            None if reported is None else _reported(rows[reported]),
            None if run is None else _measured(measured[run]),
        )
        for name, reported, run in _LINES
    ]


class ResultsTable:
    """Reported beside measured, one line for each method."""

    _HEAD = (
        "method",
        "reported: Qwen2-Audio-7B on MMAU test-mini",
        "measured: tiny model on tiny-mmau",
    )

    def __repr__(self) -> str:
        rows = [self._HEAD, *self._cells()]
        return "\n".join(f"{a:<40}{b:<46}{c}".rstrip() for a, b, c in rows)

    def _repr_html_(self) -> str:
        head = "".join(_cell("th", text, ' scope="col"') for text in self._HEAD)
        body = "".join(
            "<tr>"
            + _cell("th", name, ' scope="row"')
            + _cell("td", left)
            + _cell("td", right)
            + "</tr>"
            for name, left, right in self._cells()
        )
        caption = "Right answers, in percent, with 95 % intervals for 1,000 questions"
        return (
            f'<table><caption style="text-align:left">{caption}</caption>'
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        )

    @staticmethod
    def _cells() -> list[tuple[str, str, str]]:
        return [(line.name, _shown(line.published), _shown(line.measured)) for line in lines()]


def results_table() -> None:
    """Show the table that the course ends with, as far as it is filled."""
    display(ResultsTable())


def results_picture() -> None:
    """Show the table's main rows as bars: reported on the left, measured on the right."""
    by_name = {line.name: line for line in lines()}
    left = [
        ("direct", by_name["direct inference"].published),
        ("zero-shot\nCoT", by_name["zero-shot chain of thought"].published),
        ("SFT\nfull", by_name["SFT, full, prompt <1>"].published),
        ("SFT\nLoRA", by_name["SFT, LoRA, prompt <1>"].published),
        ("GRPO", by_name["GRPO, prompt <2>"].published),
    ]
    right = [
        ("direct", by_name["direct inference"].measured),
        ("zero-shot\nCoT", by_name["zero-shot chain of thought"].measured),
        ("SFT", by_name["SFT, prompt <2>"].measured),
        ("GRPO", by_name["GRPO, prompt <2>"].measured),
    ]
    fig, axes = plt.subplots(1, 2, figsize=(9.6, 4.2), sharey=True, width_ratios=[5, 4])
    _bars(axes[0], "Reported: 7B model, MMAU test-mini", left)
    _bars(axes[1], "Measured: tiny model, tiny-mmau", right)
    people = by_name["people"].published
    axes[0].axhline(people.percent, color=GREY, linestyle="--", linewidth=1.4)
    axes[0].text(-0.45, people.percent + 1, "people", color=GREY)
    axes[0].set_ylabel("right answers, %")
    told = "; ".join(
        f"{title}: "
        + ", ".join(f"{name.replace(chr(10), ' ')} {f.percent:.1f}" for name, f in bars)
        for title, bars in (("reported for the 7B model", left), ("measured, tiny model", right))
    )
    figure(fig, alt=f"Bars of accuracy in percent with 95 % intervals. {told}.")


def training_picture(metrics: Path = TINY / "reference_run" / "metrics.jsonl") -> None:
    """Show a recorded GRPO run: how often its answers were right, and of the right form.

    Raises:
        UserError: the file of metrics cannot be read.
    """
    rows = [row for _, row in read_jsonl(metrics)]
    steps = [row["step"] for row in rows]
    fig, ax = plt.subplots(figsize=(8.0, 3.4))
    ends = {}
    for name, label, colour, style in (
        ("format", "answer in tags", ORANGE, "--"),
        ("accuracy", "right answer", BLUE, "-"),
    ):
        smooth = _smoothed([row[name] for row in rows])
        ends[label] = (smooth[0], smooth[-1])
        ax.plot(steps, [row[name] for row in rows], color=colour, alpha=0.25, linewidth=1)
        ax.plot(steps, smooth, color=colour, linestyle=style, label=label)
    ax.set(xlabel="training step", ylabel="share of 64 answers", ylim=(0, 1.05))
    ax.legend(loc="lower right")
    told = ", ".join(f"{k} from {a:.2f} to {b:.2f}" for k, (a, b) in ends.items())
    figure(fig, alt=f"A GRPO run of {len(rows)} steps, means over ten steps: {told}.")


def _smoothed(values: list[float], width: int = 10) -> list[float]:
    """Means over ``width`` values around each, fewer at the ends."""
    return [
        float(np.mean(values[max(0, i - width // 2) : i + width // 2])) for i in range(len(values))
    ]


def _bars(ax: Axes, title: str, bars: list[tuple[str, Figure95]]) -> None:
    ax.set_title(title)
    ax.grid(axis="x", visible=False)
    ax.set(ylim=(0, 100), xticks=range(len(bars)), xticklabels=[name for name, _ in bars])
    for x, (name, f) in enumerate(bars):
        colour, hatch = next(
            look
            for start, look in (
                ("direct", (SKY, "")),
                ("zero", (GREY, "")),
                ("SFT", (ORANGE, "//")),
                ("GRPO", (GREEN, "..")),
            )
            if name.startswith(start)
        )
        ax.bar(x, f.percent, width=0.66, color=colour, hatch=hatch, edgecolor="white")
        low, high = f.interval or (f.percent, f.percent)
        spread = [[f.percent - low], [high - f.percent]]
        ax.errorbar(x, f.percent, yerr=spread, color="black", capsize=4, linewidth=1.4)
        ax.text(x, high + 1.5, f"{f.percent:.1f}", ha="center", fontsize=11)


def _reported(row: PublishedRow) -> Figure95:
    if not row.model:
        return Figure95(row.average, None)  # people: how many answered how much is not given
    correct = round(row.average / 100 * PUBLISHED_N)
    return Figure95(row.average, wilson_interval(correct, PUBLISHED_N))


def _measured(row: MeasuredRow) -> Figure95:
    return Figure95(row.average, row.ci95)


def _shown(value: Figure95 | None) -> str:
    return "–" if value is None else str(value)


def _cell(tag: str, text: str, attributes: str = "") -> str:
    return f'<{tag}{attributes} style="text-align:left">{html.escape(text)}</{tag}>'
