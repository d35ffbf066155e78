"""Figures of notebook 06: groups by state, kinds of questions, checkpoints, a step's time."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from r1aqa_helpers.course.figures.parts import look
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


def shares_figure(shares: Mapping[str, float]) -> Figure:
    """One bar: a step's time by part, each part named above its piece."""
    fig, ax = plt.subplots(figsize=(8.6, 1.7))
    left = 0.0
    for place, (name, share) in enumerate(shares.items()):
        ax.barh(0, 100 * share, 0.5, 100 * left, **look(place))
        middle, up = 100 * (left + share / 2), place % 2 == 0
        at, line = (middle, 0.42 if up else -0.42), (middle, 0.25 if up else -0.25)
        style = {"ha": "center", "va": "bottom" if up else "top", "fontsize": 11}
        style["arrowprops"] = {"arrowstyle": "-", "color": GREY}
        ax.annotate(f"{name}, {100 * share:.0f} %", line, at, **style)
        left += share
    ax.set(xlim=(0, 104), ylim=(-0.9, 0.9), xticks=[])
    ax.set_axis_off()
    return fig


def shares_text(shares: Mapping[str, float]) -> str:
    """What `shares_figure` shows, in words."""
    told = ", ".join(f"{name} {100 * share:.0f} %" for name, share in shares.items())
    return f"The time of one training step by part: {told}."
