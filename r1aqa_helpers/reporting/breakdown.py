"""Groups of questions as a table and as a figure: accuracy beside a baseline."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.table import Table

from r1aqa_helpers.data import QuestionSet
from r1aqa_helpers.reporting.tables import rich_table
from r1aqa_helpers.scoring import Score
from r1aqa_helpers.scoring.text import interval_text, number_text
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import write_bytes
from r1aqa_helpers.utils.untrusted import VALUE, plain, shown

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Columns of a group's row, after its name.
COLUMNS = ("official", "95 % CI", "n", "strict", "no choice", "constant", "chance")
#: What the columns mean, for the line under a table.
NOTE = (
    "official: MMAU's match; strict: the gold answer and nothing beside it; no choice: answers that"
    " name none, or several; constant: always the choice at the place that is correct most often in"
    " the group; chance: a blind pick. Accuracies in percent."
)
#: Okabe and Ito's, which colour-blind readers can distinguish; marks differ, too.
_BLUE, _ORANGE, _RED = "#0072B2", "#E69F00", "#D55E00"


def group_cells(group: Score) -> list[str]:
    """A group's row, as `COLUMNS` has it."""
    whole, strict = group.overall, number_text(group.strict.percent, 2)
    cells = [number_text(whole.percent, 2), interval_text(whole.ci95), str(whole.n), strict]
    baselines = (group.constant.percent, group.chance)
    return [*cells, str(group.unparsed), *(number_text(value, 1) for value in baselines)]


def group_name(group: Score) -> str:
    """What the group is called beside its figures."""
    return "average" if group.grouping == "all" else shown(group.name)


def groups_table(groups: Sequence[Score]) -> Table:
    """All groups for a terminal, a rule between groupings."""
    rows: list[list[str]] = []
    last = "all"
    for group in groups:
        if group.grouping != last:
            rows.append([])
        last = group.grouping
        rows.append([group_name(group), *group_cells(group)])
    table = rich_table(["", *COLUMNS], rows)
    table.columns[0].no_wrap = False
    return table


def groups_figure(groups: Sequence[Score]) -> "Figure":
    """Accuracy of each group with its 95 % interval, the strict one, and the constant baseline."""
    from matplotlib.figure import Figure  # here: tables do without it

    figure = Figure(figsize=(8.6, 0.3 * len(groups) + 1.4), layout="constrained")
    axes = figure.add_subplot()
    places, place, last = [], 0.0, "all"
    for group in groups:
        place -= 1.0 if group.grouping == last else 1.6
        last = group.grouping
        places.append(place)
    shares = np.array([group.overall.percent for group in groups])
    low, high = np.array([group.overall.ci95 for group in groups]).T
    # At the ends rounding may leave a hair below zero, which matplotlib refuses.
    lengths = np.maximum(0, [shares - low, high - shares])
    axes.errorbar(shares, places, xerr=lengths, fmt="o", color=_BLUE, capsize=2.5, label="official")
    strict = [group.strict.percent for group in groups]
    axes.plot(strict, places, "D", color=_ORANGE, fillstyle="none", label="strict")
    constants = [group.constant.percent for group in groups]
    axes.plot(constants, places, "|", color=_RED, markersize=12, label="constant answer")
    # A name is a file's: a dollar sign in it starts no formula.
    names = (plain(group_name(group), VALUE).replace("$", r"\$") for group in groups)
    labels = [f"{name} ({group.overall.n})" for name, group in zip(names, groups, strict=True)]
    axes.set_yticks(places, labels)
    axes.set(
        xlim=(-2, 102),
        ylim=(places[-1] - 0.8, places[0] + 0.8),
        xlabel="accuracy, %; bars: 95 % interval",
    )
    axes.grid(axis="x", alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(ncols=3, loc="lower right", bbox_to_anchor=(1.0, 1.0), frameon=False)
    return figure


def save_groups_figure(groups: Sequence[Score], path: Path) -> None:
    """Write `groups_figure` atomically, in the format of the path's suffix.

    Raises:
        UserError: the suffix is none of .svg, .png, .pdf, or the file cannot be written.
    """
    kind = path.suffix.lower().removeprefix(".")
    if kind not in ("svg", "png", "pdf"):
        raise UserError(f"{shown(path)}: ends in none of .svg, .png, .pdf")
    buffer = io.BytesIO()
    groups_figure(groups).savefig(buffer, format=kind, dpi=150)
    write_bytes(path, buffer.getvalue())


def print_score(result: Score, test_set: QuestionSet) -> None:
    """Print the table of groups, what its columns mean, and the most frequent confusions."""
    # Wide enough for a row to stay one row also in a pipe.
    console = Console(width=max(100, Console().width))
    console.print(groups_table(result.groups()))
    lines = [
        NOTE,
        f"questions: {test_set.text}",
        f"{result.missing} without a prediction (counted as wrong), "
        f"{result.unparsed} predictions match none of their choices",
    ]
    if result.letters:
        lines.append(
            f"{result.letters} of these are only the letter of a choice, such as B, which MMAU's"
            " match does not know; ask for the choice's text"
        )
    if found := result.confusions():
        lines.append("most frequent confusions (correct answer: what was said):")
    for (gold, other), times in found.most_common(10):
        lines.append(f"  {times:3} × {shown(gold)}: {shown(other)}")
    print("\n".join(lines))
