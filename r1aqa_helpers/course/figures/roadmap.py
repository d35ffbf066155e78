"""The map of the course with the present notebook lit: one figure for all notebooks."""

import matplotlib.pyplot as plt
from matplotlib.patches import FancyBboxPatch

from r1aqa_helpers.course.figures.style import BLUE, GREY, figure
from r1aqa_helpers.course.notebooks import STAGES, stage

#: The three parts of the course, by the number of their first notebook.
_PARTS = {"00": "hear and ask", "04": "measure and reward", "07": "train, compare, scale"}
_PER_ROW = 7
_WIDTH, _HEIGHT = 1.0, 0.62
_ARROW = {"arrowstyle": "-|>", "color": GREY, "shrinkA": 0, "shrinkB": 0}


def roadmap(number: str) -> None:
    """Show the thirteen notebooks as a path, the present one filled.

    Raises:
        KeyError: there is no notebook of that number.
    """
    present = stage(number)
    fig, ax = plt.subplots(figsize=(9.2, 2.5))
    ax.set_axis_off()
    ax.grid(False)
    places = {s.number: _place(i) for i, s in enumerate(STAGES)}
    for before, after in zip(STAGES, STAGES[1:], strict=False):
        (x0, y0), (x1, y1) = places[before.number], places[after.number]
        if y0 == y1:
            path = [(x0 + _WIDTH / 2, y0), (x1 - _WIDTH / 2, y1)]
        else:  # round the end of the first row to the start of the second
            middle = y0 - _HEIGHT / 2 - 0.13
            left = x1 - _WIDTH / 2 - 0.16
            path = [(x0, y0 - _HEIGHT / 2), (x0, middle), (left, middle), (left, y1)]
            path.append((x1 - _WIDTH / 2, y1))
        ax.plot(*zip(*path, strict=True), color=GREY, linewidth=1.2)
        ax.annotate("", path[-1], path[-2], arrowprops=_ARROW)
    for s in STAGES:
        x, y = places[s.number]
        lit = s is present
        ax.add_patch(
            FancyBboxPatch(
                (x - _WIDTH / 2, y - _HEIGHT / 2),
                _WIDTH,
                _HEIGHT,
                boxstyle="round,pad=0,rounding_size=0.08",
                facecolor=BLUE if lit else "white",
                edgecolor=BLUE if lit or s.number < number else GREY,
                linewidth=2.2 if lit or s.number < number else 1.2,
            )
        )
        ax.text(
            x,
            y,
            f"{s.number}\n{s.short}",
            ha="center",
            va="center",
            fontsize=9.5,
            linespacing=1.15,
            fontweight="bold" if lit else "normal",
            color="white" if lit else "black",
        )
        if s.number in _PARTS:
            label = _PARTS[s.number]
            ax.text(x - _WIDTH / 2, y + _HEIGHT / 2 + 0.06, label, fontsize=9.5, color=GREY)
    ax.set(xlim=(-0.75, _PER_ROW * 1.25 - 0.65), ylim=(-1.75, 0.6))
    done = f"{int(number)} behind, {len(STAGES) - 1 - int(number)} ahead"
    figure(fig, alt=f"Map of the course: notebook {number}, {present.title}, is lit; {done}.")


def _place(index: int) -> tuple[float, float]:
    """Centre of a stage's box: two rows, both read from left to right."""
    row, column = divmod(index, _PER_ROW)
    return column * 1.25, -row * 1.3
