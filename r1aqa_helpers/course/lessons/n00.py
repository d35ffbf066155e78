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
from r1aqa_helpers.results import ResultRow, load_measured, load_published, published_beside
from r1aqa_helpers.scoring import wilson_interval

#: Questions of MMAU test-mini, from which the published rows' intervals are computed here.
PUBLISHED_N = 1000

_QWEN = "Qwen2-Audio-7B-Instruct"
#: Heading of a line, and its published row (model, method) or its measured one (method, prompt);
#: `published_beside` finds what stands beside a measured row.
_LINES = (
    ("direct inference, as published", (_QWEN, "Direct Inference")),
    ("direct inference, prompt <2>", ("direct", 2)),
    ("zero-shot chain of thought, as published", (_QWEN, "Zero-Shot-CoT")),
    ("zero-shot chain of thought, prompt <3>", ("zero-shot-cot", 3)),
    ("SFT, full, prompt <1>", (_QWEN, "SFT Full + Prompt <1>")),
    ("SFT, LoRA, prompt <1>", (_QWEN, "SFT LoRA + Prompt <1>")),
    ("SFT, prompt <2>", ("sft", 2)),
    ("SFT on structured thoughts (CoTA)", (_QWEN, "CoTA")),
    ("GRPO, prompt <2>", ("grpo", 2)),
    ("GRPO with thinking, prompt <3>", (_QWEN, "GRPO + Prompt <3>")),
    ("people", ("", "Human")),
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
    found = []
    for name, key in _LINES:
        run = measured.get(key)
        reported = rows.get(key) if run is None else published_beside(published, run)
        left = None if reported is None else _reported(reported)
        found.append(Line(name, left, None if run is None else _measured(run)))
    return found


class ResultsTable:
    """Reported beside measured, one line for each method."""

    _HEAD = (
        "method",
        "reported: Qwen2-Audio-7B on MMAU test-mini",
        "measured: tiny model on tiny-mmau",
    )

    def __repr__(self) -> str:
        rows = [self._HEAD, *self._cells()]
        return "\n".join(f"{a:<42}{b:<46}{c}".rstrip() for a, b, c in rows)

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
        ("direct", by_name["direct inference, as published"].published),
        ("zero-shot\nCoT", by_name["zero-shot chain of thought, as published"].published),
        ("SFT\nfull", by_name["SFT, full, prompt <1>"].published),
        ("SFT\nLoRA", by_name["SFT, LoRA, prompt <1>"].published),
        ("GRPO", by_name["GRPO, prompt <2>"].published),
    ]
    right = [
        ("direct", by_name["direct inference, prompt <2>"].measured),
        ("zero-shot\nCoT", by_name["zero-shot chain of thought, prompt <3>"].measured),
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


def _reported(row: ResultRow) -> Figure95:
    if not row.model:
        return Figure95(row.average, None)  # people: how many answered how much is not given
    correct = round(row.average / 100 * PUBLISHED_N)
    return Figure95(row.average, wilson_interval(correct, PUBLISHED_N))


def _measured(row: ResultRow) -> Figure95:
    return Figure95(row.average, row.ci95)


def _shown(value: Figure95 | None) -> str:
    return "–" if value is None else str(value)


def _cell(tag: str, text: str, attributes: str = "") -> str:
    return f'<{tag}{attributes} style="text-align:left">{html.escape(text)}</{tag}>'
