"""What several figures are made of: bars of parts, intervals, legends."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from r1aqa_helpers.course.figures.style import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    RED,
    SKY,
    YELLOW,
)
from r1aqa_helpers.scoring import Accuracy

#: Colours that differ by their hatch, too, where colours cannot be seen.
LOOKS = tuple(
    zip(
        (BLUE, ORANGE, GREEN, YELLOW, PURPLE, SKY, RED, GREY),
        ("", "//", "..", "xx", "\\\\", "++", "--", "oo"),
        strict=True,
    )
)


def look(place: int) -> dict[str, Any]:
    """Colour and hatch of the bar number ``place`` in a row."""
    colour, hatch = LOOKS[place % len(LOOKS)]
    return {"color": colour, "hatch": hatch, "edgecolor": "white"}


def legend_above(ax: Axes, columns: int) -> None:
    """Put the legend over the right end of the axes."""
    ax.legend(
        ncols=columns, loc="lower right", bbox_to_anchor=(1, 1), fontsize=10.5, borderaxespad=0.2
    )


def lines(ax: Axes, names: Sequence[Any], xlabel: str = "") -> np.ndarray:
    """Give each name a line, the first on top; returns their heights, shape (names,)."""
    heights = np.arange(len(names))[::-1]
    ax.set_yticks(heights, list(names))
    ax.set(xlabel=xlabel, ylim=(-0.6, len(names) - 0.4))
    ax.grid(axis="y", visible=False)
    return heights


def intervals(
    ax: Axes, heights: Any, middles: Sequence[float], ends: Sequence[Any], **style: Any
) -> None:
    """Draw points with their intervals: (low, high) for each of ``middles``."""
    reach = np.abs(np.array(ends) - np.array(middles)[:, None]).T
    ax.errorbar(middles, heights, xerr=reach, **{"capsize": 4, **style})


def error_bars(
    ax: Axes,
    rows: Mapping[str, Accuracy],
    colour: str = BLUE,
    marker: str = "o",
    shift: float = 0.0,
    label: str | None = None,
) -> None:
    """Draw accuracies as points with their 95 % intervals, one line each, the first on top.

    Args:
        shift: moves the points up by so many lines, so that two series stand side by side.
    """
    heights = lines(ax, list(rows), "accuracy, %; bars: 95 % interval") + shift
    middles, ends = [row.percent for row in rows.values()], [row.ci95 for row in rows.values()]
    intervals(ax, heights, middles, ends, fmt=marker, color=colour, label=label)


def stacked(ax: Axes, rows: Mapping[str, Mapping[str, float]], names: Sequence[str]) -> None:
    """Draw each row as a bar of its parts ``names`` in percent, the first row on top."""
    heights, left = lines(ax, list(rows)), np.zeros(len(rows))
    totals = np.array([sum(row.values()) for row in rows.values()])
    for place, name in enumerate(names):
        share = 100 * np.array([row.get(name, 0) for row in rows.values()]) / totals
        ax.barh(heights, share, 0.66, left, label=name, **look(place))
        left += share
    ax.set_xlim(0, 100)
