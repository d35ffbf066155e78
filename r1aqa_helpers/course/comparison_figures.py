"""Figures of the notebook on SFT and RL: rates, seeds, differences, tasks, traits, costs."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from r1aqa_helpers.course.comparison import (
    AHEAD,
    BEHIND,
    OPEN,
    WITHIN,
    Committed,
    claimed,
    pair_label,
    searched,
)
from r1aqa_helpers.course.figures.style import (
    BLUE,
    COLOURS,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    RED,
    SKY,
    YELLOW,
)
from r1aqa_helpers.experiment.bootstrap import Comparison
from r1aqa_helpers.experiment.plan import REGIMES
from r1aqa_helpers.experiment.summary import MethodRow, method_label
from r1aqa_helpers.roads import METHODS

#: A method's marker and colour. Yellow is left out: a marker of it is hard to see on white.
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_TINTS = (*(colour for colour in COLOURS if colour != YELLOW), GREY)
#: A claim's colour and marker in a forest plot.
_CLAIMED = {AHEAD: (BLUE, "^"), BEHIND: (RED, "v"), WITHIN: (GREEN, "s"), OPEN: (GREY, "D")}


def rates_figure(found: Committed, regime: str = "table") -> Figure:
    """Validation accuracy over learning rates, SFT's methods left, GRPO's right; ringed: chosen."""
    fig, panels = plt.subplots(1, 2, figsize=(9.4, 4.2), sharey=True)
    for ax, algorithm, title in zip(panels, ("sft", "grpo"), ("imitation", "rewards"), strict=True):
        methods = [name for name in REGIMES[regime].methods if METHODS[name].algorithm == algorithm]
        for place, name in enumerate(methods):
            runs = searched(found.records, name, regime)
            if not runs:
                continue
            x = [run["lr"] for run in runs]
            y = [run["validation"]["accuracy"] for run in runs]
            colour, marker = _TINTS[place], _MARKERS[place]
            ax.plot(x, y, marker=marker, color=colour, label=method_label(name))
            chosen = [(run["lr"], at) for run, at in zip(runs, y, strict=True) if "test" in run]
            if chosen:
                ax.plot(*chosen[0], "o", markersize=16, markeredgecolor=colour, fillstyle="none")
        ax.set(xscale="log", xlabel="learning rate", title=title)
        ax.legend(fontsize=10, loc="lower center")
    panels[0].set_ylabel("right on validation, %")
    return fig


def seeds_figure(rows: Sequence[MethodRow], base: float | None = None) -> Figure:
    """A line per method: a ring for each seed's accuracy on the test, a bar for their mean.

    ``base``: the untrained model's accuracy, as a dashed line.
    """
    fig, ax = plt.subplots(figsize=(8.6, 0.5 * len(rows) + 1.4))
    places = np.arange(len(rows))[::-1]
    for place, row in zip(places, rows, strict=True):
        ax.plot([row.least, row.most], [place, place], color=GREY, linewidth=1.5, zorder=1)
        first = place == places[0]
        ax.plot(
            row.each, [place] * len(row.each), "o", color=BLUE, fillstyle="none", markersize=8,
            label="one training" if first else None,
        )  # fmt: skip
        ax.plot(
            row.mean, place, "|", color=ORANGE, markersize=18, markeredgewidth=3,
            label="mean" if first else None,
        )  # fmt: skip
    if base is not None:
        ax.axvline(base, color=RED, linestyle="--", label="untrained")
    ax.set_yticks(places, [method_label(row.method) for row in rows])
    ax.set(xlabel=f"accuracy on {rows[0].n:,} test questions, %", ylim=(-0.6, len(rows) - 0.4))
    ax.grid(axis="y", visible=False)
    _legend_above(ax, 3)
    return fig


def forest_figure(
    comparisons: Sequence[Comparison], margin: float, labels: Sequence[str] | None = None
) -> Figure:
    """Differences with their intervals, the margin as a band; colour and marker say the claim."""
    names = [pair_label(one) for one in comparisons] if labels is None else list(labels)
    fig, ax = plt.subplots(figsize=(9.4, 0.46 * len(names) + 1.6))
    places = np.arange(len(names))[::-1]
    ax.axvspan(-margin, margin, color=SKY, alpha=0.18, label=f"± {margin:g} points")
    ax.axvline(0, color="black", linewidth=1)
    shown = set()
    for place, one in zip(places, comparisons, strict=True):
        verdict = claimed(one, margin)
        colour, marker = _CLAIMED.get(verdict, (PURPLE, "o"))
        low, high = one.ci95
        ax.errorbar(
            one.difference, place, xerr=[[one.difference - low], [high - one.difference]],
            fmt=marker, color=colour, capsize=4, label=None if verdict in shown else verdict,
        )  # fmt: skip
        shown.add(verdict)
    ax.set_yticks(places, names, fontsize=11)
    ax.set(xlabel="difference in accuracy, points; bars: 95 %", ylim=(-0.6, len(names) - 0.4))
    ax.grid(axis="y", visible=False)
    _legend_above(ax, 5)
    return fig


def forest_text(comparisons: Sequence[Comparison], margin: float) -> str:
    """What a forest plot shows, in words, for those who do not see it."""
    told = [
        f"{pair_label(one)} {one.difference:+.1f} ({one.ci95[0]:+.1f} to {one.ci95[1]:+.1f}), "
        f"{claimed(one, margin)}"
        for one in comparisons
    ]
    return f"Differences in points with 95 % intervals: {'; '.join(told)}."


def tasks_figure(rows: Sequence[MethodRow], base: Mapping[str, float]) -> Figure:
    """Accuracy on each task, a mean over the seeds, a line per method; untrained as crosses."""
    fig, ax = plt.subplots(figsize=(8.6, 0.5 * len(rows) + 1.9))
    places = np.arange(len(rows) + 1)[::-1]
    shown = [base, *(row.tasks for row in rows)]
    for shift, (task, colour, marker) in zip(
        (0.15, 0.0, -0.15),
        (("sound", BLUE, "o"), ("music", ORANGE, "s"), ("speech", GREEN, "^")),
        strict=True,
    ):
        ax.plot(
            [tasks[task] for tasks in shown], places + shift, marker, color=colour, label=task
        )  # fmt: skip
    ax.set_yticks(places, ["untrained", *(method_label(row.method) for row in rows)])
    ax.set(xlabel="accuracy, %", ylim=(-0.6, len(rows) + 0.6))
    _legend_above(ax, 3)
    return fig


def traits_figure(
    found: Committed, methods: Sequence[str], names: Mapping[str, str], regime: str = "table"
) -> Figure:
    """Columns of the journal over the tenths of the training, a panel for each.

    Args:
        names: of columns, to what the panel's axis says; a method without one is left out of it.
    """
    fig, panels = plt.subplots(1, len(names), figsize=(9.4, 3.5), squeeze=False)
    for ax, (name, label) in zip(panels.flat, names.items(), strict=True):
        for place, method in enumerate(methods):
            values = found.trait(method, name, regime)
            if values is None:
                continue
            ax.plot(
                range(1, len(values) + 1), values, color=_TINTS[place],
                marker=_MARKERS[place], markersize=5, label=method_label(method),
            )  # fmt: skip
        ax.set(xlabel="tenth of the training", ylabel=label, xticks=range(2, 11, 2))
        ax.set_ylim(bottom=min(0.0, ax.get_ylim()[0]))
    drawn = {line.get_label(): line for ax in fig.axes for line in ax.lines}
    fig.legend(list(drawn.values()), list(drawn), loc="outside upper right", ncols=3, fontsize=10.5)
    return fig


def costs_figure(rows: Sequence[MethodRow]) -> Figure:
    """Accuracy over what a training took, in seconds of processor time, both means over seeds."""
    fig, ax = plt.subplots(figsize=(8.6, 4.0))
    for place, row in enumerate(rows):
        name = method_label(row.method)
        ax.plot(
            row.train_cpu, row.mean, _MARKERS[place], color=_TINTS[place], markersize=10,
            label=name,
        )  # fmt: skip
    ax.set(xlabel="seconds of processor time per training", ylabel="test accuracy, %")
    ax.set_xlim(left=0)
    ax.legend(fontsize=10, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return fig


def regimes_figure(found: Committed, methods: Sequence[str] = ("sft", "grpo-2")) -> Figure:
    """Accuracy in every regime that was tested, of the methods that all regimes have."""
    regimes = found.regimes
    fig, ax = plt.subplots(figsize=(9.0, 0.6 * len(regimes) + 1.6))
    places = np.arange(len(regimes))[::-1]
    styles = ((ORANGE, "s"), (BLUE, "o"), (GREEN, "^"))
    for number, (method, (colour, marker)) in enumerate(zip(methods, styles, strict=False)):
        shift = 0.16 * ((len(methods) - 1) / 2 - number)
        label: Any = method_label(method)
        for place, regime in zip(places, regimes, strict=True):
            rows = [row for row in found.rows(regime) if row.method == method]
            for row in rows:
                at = place + shift
                ax.plot([row.least, row.most], [at, at], color=colour, linewidth=3, alpha=0.4)
                ax.plot(row.mean, at, marker, color=colour, label=label)
                label = None
    ax.set_yticks(places, [REGIMES[regime].label for regime in regimes])
    ax.set(
        xlabel="test accuracy, %; bars: from the worst to the best seed",
        ylim=(-0.6, len(regimes) - 0.4),
    )
    _legend_above(ax, 3)
    return fig


def _legend_above(ax: Axes, columns: int) -> None:
    ax.legend(
        ncols=columns, loc="lower right", bbox_to_anchor=(1.0, 1.0), fontsize=10.5,
        borderaxespad=0.2,
    )  # fmt: skip
