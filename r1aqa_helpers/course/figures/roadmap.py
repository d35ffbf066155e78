"""The map of the course with the present notebook filled: one figure for all notebooks."""

import matplotlib.pyplot as plt

from r1aqa_helpers.course.figures.style import BLUE, GREY, arrow, box, figure
from r1aqa_helpers.course.notebooks import NOTEBOOKS, find_notebook

#: The three parts of the course, by the number of their first notebook.
_PARTS = {"00": "ask and score", "04": "reward and train", "08": "evaluate, scale, fix"}
_PER_ROW = 6


def roadmap(number: str) -> None:
    """Show the twelve notebooks in two rows, the present one filled, those before it framed.

    Raises:
        KeyError: there is no notebook of that number.
    """
    present = find_notebook(number)
    fig, ax = plt.subplots(figsize=(9.2, 2.5))
    for index, one in enumerate(NOTEBOOKS):
        row, column = divmod(index, _PER_ROW)
        colour = BLUE if one.number <= number else GREY
        place = (1.25 * column, -1.3 * row)
        box(ax, place, (1.0, 0.62), f"{one.number}\n{one.short}", colour, one is present)
        if column:
            arrow(ax, (place[0] - 0.75, place[1]), (place[0] - 0.5, place[1]))
        if one.number in _PARTS:
            label = _PARTS[one.number]
            ax.text(place[0] - 0.5, place[1] + 0.37, label, fontsize=9.5, color=GREY)
    ax.set(xlim=(-0.6, 1.25 * _PER_ROW - 0.65), ylim=(-1.7, 0.6))
    ax.axis("off")
    done = f"{int(number)} behind, {len(NOTEBOOKS) - 1 - int(number)} ahead"
    figure(fig, alt=f"Map of the course: notebook {number}, {present.title}, is filled; {done}.")
