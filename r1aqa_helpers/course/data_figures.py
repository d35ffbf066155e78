"""The figures of notebook 03: where gold answers stand, what conversion does, what noise costs."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from r1aqa_helpers.course.figures.style import BLUE, GREEN, GREY, ORANGE, RED
from r1aqa_helpers.questions.audit import audit
from r1aqa_helpers.questions.question import AudioQuestion
from r1aqa_helpers.scoring import Accuracy

_HATCHES = ("", "//", "..", "xx", "--")


def gold_positions(audits: Mapping[str, Mapping[str, Any]], group: str = "all") -> Figure:
    """Bars of how often the gold answer stands in which place, one colour per file.

    Args:
        audits: name of a file -> its report from `questions.audit.audit`.
        group: ``all`` or a task.
    """
    fig, ax = plt.subplots()
    shares = {name: _shares(report["gold_position"][group]) for name, report in audits.items()}
    places = max(map(len, shares.values()))
    width = 0.8 / len(shares)
    for index, (name, share) in enumerate(shares.items()):
        at = np.arange(1, len(share) + 1) + (index - (len(shares) - 1) / 2) * width
        colour = (BLUE, ORANGE, GREEN)[index % 3]
        bars = ax.bar(at, share, width, label=name, color=colour, hatch=_HATCHES[index % 5])
        ax.bar_label(bars, fmt="%.1f", fontsize=9)
    chance = next(iter(audits.values()))["chance"][group]
    ax.axhline(chance, color=RED, linestyle="--", label=f"an even spread, about {chance:.0f} %")
    ax.set(xlabel="place of the gold answer", ylabel="% of questions", xticks=range(1, places + 1))
    ax.legend()
    return fig


def _shares(counts: Mapping[str, int]) -> list[float]:
    total = sum(counts.values())
    return [100 * counts.get(str(p), 0) / total for p in range(1, max(map(int, counts)) + 1)]


def composition(files: Mapping[str, Sequence[AudioQuestion]]) -> Figure:
    """Tasks and numbers of choices of several files, as shares of each."""
    fig, axes = plt.subplots(1, 2, figsize=(9.0, 2.6))
    reports = {name: audit(questions) for name, questions in files.items()}
    for ax, key, title in zip(
        axes, ("task", "choices_per_item"), ("task", "number of choices"), strict=True
    ):
        parts = list(dict.fromkeys(part for report in reports.values() for part in report[key]))
        _stacked(ax, {name: report[key] for name, report in reports.items()}, sorted(parts))
        ax.set(title=title, xlabel="% of questions", xlim=(0, 100))
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.32), ncol=4, fontsize=10)
    return fig


def _stacked(ax: Axes, rows: Mapping[str, Mapping[str, int]], parts: Sequence[str]) -> None:
    left = np.zeros(len(rows))
    colours = (BLUE, ORANGE, GREEN, RED, GREY)
    for index, part in enumerate(parts):
        share = np.array([100 * row.get(part, 0) / sum(row.values()) for row in rows.values()])
        ax.barh(
            list(rows),
            share,
            left=left,
            label=part,
            color=colours[index % 5],
            edgecolor="white",
            hatch=_HATCHES[index % 5],
        )
        left += share
    ax.invert_yaxis()
    ax.grid(False)


def conversion_flow(written: int, counts: Mapping[str, int]) -> Figure:
    """The steps from annotations to training lines, and what leaves on the way."""
    fig, ax = plt.subplots(figsize=(9.2, 2.7))
    ax.set_axis_off()
    ax.grid(False)
    total = written + sum(counts.values())
    steps = [
        f"annotations\n{total}",
        "clip there?",
        "clip decodes?",
        "line is sound?",
        f"training lines\n{written}",
    ]
    ways_out = [("missing", 1), ("broken", 2), ("faulty", 3)]
    for place, text in enumerate(steps):
        _box(ax, place * 1.9, 1.0, text, filled=place in (0, 4))
        if place:
            _arrow(ax, (place * 1.9 - 1.19, 1.0), (place * 1.9 - 0.72, 1.0))
    for name, place in ways_out:
        _box(ax, place * 1.9, -0.3, f"{name}\n{counts[name]}", colour=RED)
        _arrow(ax, (place * 1.9, 0.64), (place * 1.9, 0.08))
    ax.text(3 * 1.9 + 0.9, -0.3, "counted, and listed\nin a file", va="center", color=RED)
    ax.set(xlim=(-0.8, 4 * 1.9 + 0.8), ylim=(-0.75, 1.45))
    return fig


def _box(ax: Axes, x: float, y: float, text: str, filled: bool = False, colour: str = BLUE) -> None:
    ax.add_patch(
        FancyBboxPatch(
            (x - 0.68, y - 0.34),
            1.36,
            0.68,
            boxstyle="round,pad=0,rounding_size=0.08",
            facecolor=colour if filled else "white",
            edgecolor=colour,
            linewidth=2,
        )
    )
    ax.text(x, y, text, ha="center", va="center", color="white" if filled else "black", fontsize=11)


def _arrow(ax: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    ax.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": GREY})


def floors(rows: Mapping[str, Accuracy], chance: float) -> Figure:
    """Accuracies with their 95 % intervals, one under the other, beside chance."""
    fig, ax = plt.subplots(figsize=(8.0, 0.9 + 0.5 * len(rows)))
    for place, accuracy in enumerate(rows.values()):
        low, high = accuracy.ci95
        ax.plot([low, high], [place, place], color=BLUE, linewidth=3)
        ax.plot(accuracy.percent, place, "o", color=BLUE)
    ax.axvline(chance, color=RED, linestyle="--", label=f"chance, {chance:.1f} %")
    ax.set(yticks=range(len(rows)), yticklabels=rows, xlabel="% right, with 95 % interval")
    ax.invert_yaxis()
    ax.legend()
    return fig


def noise_lines(noise: float, choices: int = 4) -> Figure:
    """True accuracy against the one that is measured with a share of wrong labels."""
    fig, ax = plt.subplots(figsize=(5.6, 4.2))
    true = np.linspace(0, 1, 101)
    ax.plot(100 * true, 100 * true, color=GREY, linestyle="--", label="right labels")
    measured = true * (1 - noise) + (1 - true) * noise / (choices - 1)
    ax.plot(100 * true, 100 * measured, color=BLUE, label=f"{100 * noise:.0f} % wrong labels")
    ax.plot(100, 100 * measured[-1], "o", color=BLUE, label="a perfect listener")
    ax.set(xlabel="true accuracy, %", ylabel="measured accuracy, %")
    ax.legend(loc="lower right")
    return fig
