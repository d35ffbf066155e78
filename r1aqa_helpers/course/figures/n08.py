"""Figures of notebook 09: kinds of answers, accuracy by group, differences."""

from collections.abc import Callable, Hashable, Mapping, Sequence

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from r1aqa_helpers.course.figures.parts import intervals, legend_above, lines, stacked
from r1aqa_helpers.course.figures.style import BLUE, GREEN, ORANGE, RED
from r1aqa_helpers.course.lessons.n08 import by
from r1aqa_helpers.data import AudioQuestion
from r1aqa_helpers.scoring import KINDS, chance


def kinds_figure(counted: Mapping[str, Mapping[str, int]]) -> Figure:
    """Each method's answers by kind, as a bar of parts, in percent."""
    fig, ax = plt.subplots(figsize=(8.6, 0.5 * len(counted) + 1.7))
    stacked(ax, counted, KINDS)
    ax.set_xlabel("answers, %")
    legend_above(ax, 4)
    return fig


def groups_figure(
    questions: Sequence[AudioQuestion],
    matches: Mapping[str, Mapping[str, int]],
    name: Callable[[AudioQuestion], Hashable],
    order: Sequence[Hashable] | None = None,
) -> Figure:
    """Accuracy with interval for each group of questions and each method, chance as a tick.

    Args:
        matches: method to verdict by question id; at most three methods.
        name: of a question's group.
        order: of the groups, from the top; by default the last method's best first.
    """
    found = {method: by(questions, verdicts, name) for method, verdicts in matches.items()}
    last = found[list(found)[-1]]
    order = list(order or sorted(last, key=lambda group: -last[group].percent))
    fig, ax = plt.subplots(figsize=(8.6, 0.36 * len(order) * max(1, len(found) / 2) + 1.3))
    names = [f"{group} ({last[group].n})" for group in order]
    places = lines(ax, names, "accuracy, %; bars: 95 % interval")
    ax.tick_params("y", labelsize=10.5)
    for index, (method, groups) in enumerate(found.items()):
        colour, marker = ((ORANGE, "s"), (BLUE, "o"), (GREEN, "^"))[index]
        heights = places + 0.24 * ((len(found) - 1) / 2 - index)
        cells = [groups[group] for group in order]
        style = {"fmt": marker, "color": colour, "capsize": 2.5, "lw": 1.5, "label": method}
        intervals(ax, heights, [c.percent for c in cells], [c.ci95 for c in cells], **style)
    levels = [chance([q for q in questions if name(q) == group]) for group in order]
    ax.plot(levels, places, "|", color=RED, markersize=13, label="chance")
    ax.set_xlim(-2, 102)
    legend_above(ax, 4)
    return fig


def differences_figure(rows: Mapping[str, tuple[float, tuple[float, float]]]) -> Figure:
    """Differences in points with their intervals, one line each, the first on top; zero marked."""
    fig, ax = plt.subplots(figsize=(8.6, 0.42 * len(rows) + 1.2))
    places = lines(ax, list(rows), "difference, points; bars: 95 % bootstrap interval")
    middles, ends = zip(*rows.values(), strict=True)
    intervals(ax, places, middles, ends, fmt="D", color=BLUE)
    ax.axvline(0, color=RED, linestyle="--")
    return fig
