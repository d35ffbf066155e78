"""Figures of notebook 08: accuracies, kinds of answers, accuracy by group, probes."""

from collections.abc import Callable, Hashable, Mapping, Sequence

import matplotlib.pyplot as plt

from r1aqa_helpers.course.figures.parts import error_bars, intervals, legend_above, lines, stacked
from r1aqa_helpers.course.figures.style import BLUE, GREEN, GREY, ORANGE, RED, figure
from r1aqa_helpers.course.lessons.n08 import by
from r1aqa_helpers.data import AudioQuestion
from r1aqa_helpers.scoring import KINDS, Accuracy, chance


def accuracies_figure(rows: Mapping[str, Accuracy], level: float) -> None:
    """Show accuracies with their intervals, one line each, beside the level of chance."""
    fig, ax = plt.subplots(figsize=(8.0, 0.45 * len(rows) + 1.2))
    error_bars(ax, rows)
    ax.axvline(level, color=GREY, linestyle="--")
    ax.text(level + 0.8, len(rows) - 0.5, "chance", color=GREY, va="top", fontsize=10.5)
    ax.set_xlim(0, 100)
    told = ", ".join(f"{name} {row.percent:.0f} %" for name, row in rows.items())
    figure(fig, alt=f"Accuracies with 95 % intervals: {told}; chance {level:.0f} %.")


def kinds_figure(counted: Mapping[str, Mapping[str, int]]) -> None:
    """Show each method's answers by kind, as a bar of parts, in percent."""
    fig, ax = plt.subplots(figsize=(8.6, 0.5 * len(counted) + 1.7))
    stacked(ax, counted, KINDS)
    ax.set_xlabel("answers, %")
    legend_above(ax, 4)
    told = "; ".join(
        f"{method}: " + ", ".join(f"{kind} {n}" for kind, n in parts.items())
        for method, parts in counted.items()
    )
    figure(fig, alt=f"Bars of answers by kind. {told}.")


def groups_figure(
    questions: Sequence[AudioQuestion],
    matches: Mapping[str, Mapping[str, int]],
    name: Callable[[AudioQuestion], Hashable],
) -> None:
    """Show accuracy with interval for each group of questions and each method, chance as a tick.

    Groups are in order of the last method's accuracy, the best first.

    Args:
        matches: method to verdict by question id; at most three methods.
        name: of a question's group.
    """
    found = {method: by(questions, verdicts, name) for method, verdicts in matches.items()}
    last = found[list(found)[-1]]
    order = sorted(last, key=lambda group: -last[group].percent)
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
    told = "; ".join(
        f"{group}: " + ", ".join(f"{method} {found[method][group].percent:.0f}" for method in found)
        for group in order
    )
    figure(fig, alt=f"Accuracy by group with 95 % intervals, in percent. {told}.")
