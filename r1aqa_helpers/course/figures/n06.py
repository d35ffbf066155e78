"""Figures of notebook 07: groups by state, kinds of questions, checkpoints, paired clips."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from r1aqa_helpers.course.figures.style import BLUE, GREEN, GREY, ORANGE, RED, SKY
from r1aqa_helpers.course.lessons.n06 import STATES, Checkpoint, counts_by_block
from r1aqa_helpers.course.recorded_run import RecordedRun


def groups_figure(run: RecordedRun, size: int = 10) -> Figure:
    """Stacked bars: the groups of every block of steps, by state."""
    blocks = counts_by_block(run, size)
    fig, ax = plt.subplots(figsize=(8, 3.2))
    top = np.zeros(len(blocks))
    for name, colour, hatch in zip(STATES, (SKY, GREEN, RED), ("", "//", ".."), strict=True):
        heights = [block[name] for block in blocks.values()]
        ax.bar(list(blocks), heights, 0.8 * size, top, color=colour, hatch=hatch, label=name)
        top += heights
    ax.set_xticks(list(blocks), [f"{last - size + 1}–{last}" for last in blocks])
    ax.set(xlabel="steps", ylabel="groups", ylim=(0, 1.32 * max(top)))
    ax.legend(loc="upper center", ncols=3, fontsize=10)
    return fig


def kinds_figure(
    before: Mapping[str, tuple[int, int]], after: Mapping[str, tuple[int, int]]
) -> Figure:
    """A line per kind of question, from its accuracy before to that after, lowest gain below."""
    ends = {kind: [100 * c / n for c, n in (before[kind], after[kind])] for kind in before}
    kinds = sorted(ends, key=lambda kind: ends[kind][1] - ends[kind][0])
    fig, ax = plt.subplots(figsize=(7.5, 0.24 * len(kinds) + 1.0))
    for place, kind in enumerate(kinds):
        a, b = ends[kind]
        ax.plot([a, b], [place, place], color=GREY if b >= a else RED, linewidth=1.5, zorder=1)
    heights, (old, new) = range(len(kinds)), zip(*(ends[kind] for kind in kinds), strict=True)
    ax.scatter(old, heights, color=ORANGE, marker="o", s=30, label="before", zorder=2)
    ax.scatter(new, heights, color=BLUE, marker="s", s=30, label="after", zorder=2)
    ax.set_yticks(heights, kinds, fontsize=9)
    ax.set(xlabel="accuracy, %", xlim=(-3, 103))
    ax.legend(loc="center left")
    return fig


def checkpoints_figure(checkpoints: Sequence[Checkpoint]) -> Figure:
    """Validation accuracies over steps, with their 95 % intervals."""
    steps = [c.step for c in checkpoints]
    middle = [c.validation.percent for c in checkpoints]
    fig, ax = plt.subplots(figsize=(7.5, 3.2))
    reach = np.abs(np.array([c.validation.ci95 for c in checkpoints]).T - middle)
    ax.errorbar(steps, middle, reach, fmt="o-", color=BLUE, ecolor=GREY, capsize=3)
    ax.set(xlabel="step of the checkpoint", ylabel="validation accuracy, %", xticks=steps)
    return fig


def pairing_figure(clips: Sequence[Sequence[int]], titles: Sequence[str]) -> Figure:
    """Which question's clip each answer is scored with, beside the question that it answers.

    Args:
        clips: for each panel, the clip's question by answer; answers stand in groups of equals.
    """
    fig, axes = plt.subplots(1, len(clips), figsize=(4.2 * len(clips), 2.2), squeeze=False)
    middle = {"ha": "center", "va": "center"}
    for ax, own, title in zip(axes.flat, clips, titles, strict=True):
        size = len(own) // len(set(own))
        for place, clip in enumerate(own):
            x = place + 0.46
            for y, question in ((1.42, place // size), (0.42, clip)):
                ax.barh(y, 0.92, 0.85, place, color=(BLUE, ORANGE, GREEN)[question % 3])
                ax.text(x, y, "ABC"[question % 3], color="white", fontweight="bold", **middle)
            if clip != place // size:
                ax.text(x, -0.3, "✗", color=RED, **middle)
        ax.set(xlim=(0, len(own)), ylim=(-0.6, 2), title=title, xticks=[])
        ax.set_yticks([1.42, 0.42], ["question", "clip"])
        ax.tick_params(length=0)
        ax.grid(False)
        ax.spines[:].set_visible(False)
    return fig
