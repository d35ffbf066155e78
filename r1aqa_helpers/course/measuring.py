"""For the notebook on measuring: what wording costs, how often an interval is right, figures."""

from collections.abc import Callable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from scipy.stats import binom

from r1aqa_helpers.course.figures.style import BLUE, GREY, ORANGE
from r1aqa_helpers.questions import AudioQuestion
from r1aqa_helpers.scoring import Accuracy, string_match

#: Ways to say a right answer, as models do.
WORDINGS = (
    "{}",
    "It is {}.",
    "A. {}",
    "(A) {}",
    "The audio contains {}.",
    "The answer is {}.",
)

#: An interval in percent from how many were right, of how many.
Interval = Callable[[int, int], tuple[float, float]]


def lost_to_wording(
    questions: Sequence[AudioQuestion], wordings: Sequence[str] = WORDINGS
) -> dict[str, int]:
    """For each wording, on how many questions MMAU's matcher calls the gold answer wrong in it."""
    return {
        wording: sum(
            not string_match(q.answer or "", wording.format(q.answer), q.choices) for q in questions
        )
        for wording in wordings
    }


def coverage(interval: Interval, n: int, accuracies: Sequence[float] | np.ndarray) -> np.ndarray:
    """How often an interval holds the true accuracy, in percent; exact, nothing is drawn.

    Args:
        interval: called once for each count of right answers from 0 to n.
        n: questions.
        accuracies: true accuracies in percent, shape (a,).

    Returns:
        Shape (a,): for each accuracy the binomial probability of those counts whose interval
        holds it.
    """
    counts = np.arange(n + 1)
    low, high = np.array([interval(int(k), n) for k in counts]).T
    truth = np.asarray(accuracies, dtype=float)[:, None]
    # A hair's breadth is rounding, at 0 and at 100.
    holds = (low - 1e-9 <= truth) & (truth <= high + 1e-9)
    return 100 * (binom.pmf(counts, n, truth / 100) * holds).sum(axis=1)


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
    places = np.arange(len(rows))[::-1] + shift
    shares = np.array([row.percent for row in rows.values()])
    ends = np.array([row.ci95 for row in rows.values()])
    ax.errorbar(
        shares,
        places,
        xerr=np.abs(ends - shares[:, None]).T,
        fmt=marker,
        color=colour,
        capsize=4,
        label=label,
    )
    ax.set_yticks(np.arange(len(rows))[::-1], list(rows))
    ax.set_ylim(-0.6, len(rows) - 0.4)
    ax.grid(axis="y", visible=False)
    ax.set_xlabel("accuracy, %; bars: 95 % interval")


def road_figure() -> Figure:
    """The road from a response to an accuracy, as boxes with one example below."""
    fig, ax = plt.subplots(figsize=(9.2, 1.9))
    ax.set_axis_off()
    ax.grid(False)
    steps = (
        ("response", "<think>high</think>\n<answer>Flute</answer>"),
        ("extract", "Flute"),
        ("match", "flute = flute:\n1"),
        ("count", "1 of 1,\n57 of 100, …"),
        ("interval", "57 %\n47 to 66 %"),
    )
    for place, (name, example) in enumerate(steps):
        x = 1.9 * place
        ax.add_patch(
            FancyBboxPatch(
                (x - 0.6, -0.25),
                1.2,
                0.5,
                boxstyle="round,pad=0,rounding_size=0.08",
                facecolor="white" if place else BLUE,
                edgecolor=BLUE if place < 4 else ORANGE,
                linewidth=2.2,
            )
        )
        ax.text(x, 0, name, ha="center", va="center", color="black" if place else "white")
        ax.text(
            x, -0.45, example, ha="center", va="top", fontsize=9.5, color=GREY, family="monospace"
        )
        if place:
            ax.annotate(
                "",
                (x - 0.62, 0),
                (x - 1.28, 0),
                arrowprops={"arrowstyle": "-|>", "color": GREY, "shrinkA": 0, "shrinkB": 0},
            )
    ax.set(xlim=(-1.15, 8.4), ylim=(-0.9, 0.35))
    return fig
