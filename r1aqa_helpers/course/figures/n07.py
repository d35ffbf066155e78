"""Figures of notebook 07: gradients, rates, seeds, noise, differences, columns of the logs."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from r1aqa_helpers.course.figures.parts import intervals, legend_above, lines
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
from r1aqa_helpers.course.lessons.n07 import (
    AHEAD,
    BEHIND,
    OPEN,
    WITHIN,
    Committed,
    claimed,
    group_gradient,
    pair_label,
    searched,
    sentence,
)
from r1aqa_helpers.experiments.methods import METHODS
from r1aqa_helpers.experiments.plan import REGIMES
from r1aqa_helpers.experiments.summary import MethodRow, method_label
from r1aqa_helpers.scoring.seeds import Comparison

#: A method's looks. Yellow is left out: a marker of it is hard to see on white.
_LOOKS = [
    {"color": colour, "marker": marker, "fillstyle": fill}
    for fill in ("full", "none")
    for colour, marker in zip((*(c for c in COLOURS if c != YELLOW), GREY), "os^DvPX", strict=True)
]
#: A claim's colour and marker in a forest plot.
_CLAIMED = {AHEAD: (BLUE, "^"), BEHIND: (RED, "v"), WITHIN: (GREEN, "s"), OPEN: (GREY, "D")}


def gradients_figure(size: int = 8) -> Figure:
    """The three gradients over the probability of the label; logarithmic on the right."""
    fig, panels = plt.subplots(1, 2, figsize=(9, 3.5), sharey=True)
    curves = (
        ("SFT", ORANGE, "-", lambda p: 1 - p),
        (f"GRPO, groups of {size}", BLUE, "--", lambda p: group_gradient(p, size)),
        ("one answer, reward 0 or 1", GREEN, ":", lambda p: p * (1 - p)),
    )
    for ax, p in zip(panels, (np.linspace(0, 1, 201), np.logspace(-4, 0, 201)), strict=True):
        for name, colour, style, gradient in curves:
            ax.plot(p, gradient(p), style, color=colour, label=name)
        ax.set(xlabel="probability of the label", ylim=(-0.03, 1.05))
    panels[0].set(ylabel="gradient on the label's logit", title="from 0 to 1")
    panels[1].set(xscale="log", title="rare labels, log scale")
    panels[1].legend(loc="center left", fontsize=10.5)
    return fig


def rates_figure(found: Committed) -> Figure:
    """Validation accuracy over learning rates, SFT left, GRPO right; ringed: chosen."""
    fig, panels = plt.subplots(1, 2, figsize=(9.4, 5.0), sharey=True)
    titles = {"sft": "SFT", "grpo": "GRPO"}
    for ax, (algorithm, title) in zip(panels, titles.items(), strict=True):
        names = [name for name in REGIMES["table"].methods if METHODS[name].algorithm == algorithm]
        for look, name in zip(_LOOKS, names, strict=False):
            runs = searched(found.records, name)
            rates, accuracies = (
                [r["lr"] for r in runs],
                [r["validation"]["accuracy"] for r in runs],
            )
            if runs:
                ax.plot(rates, accuracies, label=method_label(name), **look)
            chosen = [
                (x, y) for x, y, run in zip(rates, accuracies, runs, strict=True) if "test" in run
            ]
            for lr, accuracy in chosen[:1]:
                ring = {"markersize": 16, "markeredgecolor": look["color"], "fillstyle": "none"}
                ax.plot(lr, accuracy, "o", **ring)
        ax.set(xscale="log", xlabel="learning rate", title=title)
        ax.legend(fontsize=10, loc="upper left", bbox_to_anchor=(0, -0.2), ncols=2)
    panels[0].set_ylabel("correct on validation, %")
    return fig


def seeds_figure(
    rows: Sequence[MethodRow], base: float, own: Mapping[str, float] | None = None
) -> Figure:
    """A line per method: a ring for each training's accuracy, a bar for the mean of the methods.

    Args:
        base: the untrained model's accuracy, as a dashed line.
        own: accuracies of the reader's own trainings by method, as diamonds.
    """
    own = own or {}
    fig, ax = plt.subplots(figsize=(8.6, 0.5 * len(rows) + 1.5))
    names = [method_label(row.method) for row in rows]
    places = lines(ax, names, f"accuracy on {rows[0].n:,} test questions, %")
    for place, row in zip(places, rows, strict=True):
        first = place == places[0]
        ax.plot([row.least, row.most], [place, place], color=GREY, linewidth=1.5, zorder=1)
        rings = {"color": BLUE, "fillstyle": "none", "markersize": 8}
        label = "recorded, one training each" if first else None
        ax.plot(row.each, [place] * len(row.each), "o", label=label, **rings)
        bar = {"color": ORANGE, "markersize": 18, "markeredgewidth": 3}
        ax.plot(row.mean, place, "|", label="their mean" if first else None, **bar)
    label = "your run"
    for place, row in zip(places, rows, strict=True):
        if row.method in own:
            ax.plot(own[row.method], place + 0.25, "D", color=GREEN, markersize=9, label=label)
            label = None
    ax.axvline(base, color=RED, linestyle="--", label="untrained")
    legend_above(ax, 4)
    return fig


def seeds_text(rows: Sequence[MethodRow], own: Mapping[str, float] | None = None) -> str:
    """What `seeds_figure` shows, in words."""
    told = [
        f"{method_label(row.method)} {row.mean:.1f} on average, {row.least:.1f} to {row.most:.1f}"
        for row in rows
    ]
    yours = [f"{method_label(name)} {value:.1f}" for name, value in (own or {}).items()]
    ending = f" Your runs: {', '.join(yours)}." if yours else ""
    return f"Test accuracy of every recorded training, by method: {'; '.join(told)}.{ending}"


def noise_figure(ends: Mapping[str, tuple[float, float]]) -> Figure:
    """A difference's intervals, a line each: by which kind of noise they are."""
    fig, ax = plt.subplots(figsize=(8.6, 0.5 * len(ends) + 0.9))
    places = lines(ax, list(ends), "difference, points; bars: 95 %")
    intervals(ax, places, [sum(one) / 2 for one in ends.values()], list(ends.values()), fmt="o")
    ax.axvline(0, color="black", linewidth=1)
    return fig


def forest_figure(comparisons: Sequence[Comparison], margin: float) -> Figure:
    """Differences with their intervals, the margin as a band; colour and marker say the claim."""
    fig, ax = plt.subplots(figsize=(9.4, 0.46 * len(comparisons) + 1.6))
    places = lines(
        ax, [*map(pair_label, comparisons)], "difference in accuracy, points; bars: 95 %"
    )
    ax.tick_params("y", labelsize=11)
    ax.axvspan(-margin, margin, color=SKY, alpha=0.18, label=f"± {margin:g} points")
    ax.axvline(0, color="black", linewidth=1)
    shown = set()
    for place, one in zip(places, comparisons, strict=True):
        verdict = claimed(one, margin)
        colour, marker = _CLAIMED.get(verdict, (PURPLE, "o"))
        style = {"fmt": marker, "color": colour, "label": None if verdict in shown else verdict}
        intervals(ax, [place], [one.difference], [one.ci95], **style)
        shown.add(verdict)
    legend_above(ax, 5)
    return fig


def forest_text(comparisons: Sequence[Comparison], margin: float) -> str:
    """What a forest plot shows, in words, for those who do not see it."""
    told = "; ".join(sentence(one, margin) for one in comparisons)
    return f"Differences in points with 95 % intervals: {told}."


def traits_figure(found: Committed, methods: Sequence[str], names: Mapping[str, str]) -> Figure:
    """Columns of the log over the tenths of the training, a panel for each.

    Args:
        names: of columns, to what the panel's axis says; a method without one is left out of it.
    """
    fig, panels = plt.subplots(1, len(names), figsize=(9.4, 3.5), squeeze=False)
    for ax, (name, label) in zip(panels.flat, names.items(), strict=True):
        for look, method in zip(_LOOKS, methods, strict=False):
            values = found.trait(method, name)
            if values is not None:
                tenths = range(1, len(values) + 1)
                ax.plot(tenths, values, markersize=5, label=method_label(method), **look)
        ax.set(xlabel="tenth of the training", ylabel=label, xticks=range(2, 11, 2))
        ax.set_ylim(bottom=min(0.0, ax.get_ylim()[0]))
    drawn = {line.get_label(): line for ax in fig.axes for line in ax.lines}
    fig.legend(list(drawn.values()), list(drawn), loc="outside upper right", ncols=3, fontsize=10.5)
    return fig


def traits_text(found: Committed, methods: Sequence[str], names: Mapping[str, str]) -> str:
    """What `traits_figure` shows, in words: each column's first and last tenth."""
    told = []
    for name, label in names.items():
        ends = {method: found.trait(method, name) for method in methods}
        known = [
            f"{method_label(method)} {tenths[0]:.2f} to {tenths[-1]:.2f}"
            for method, tenths in ends.items()
            if tenths is not None
        ]
        told.append(f"{label}: {', '.join(known)}")
    return f"From the first to the last tenth of the training. {'; '.join(told)}."
