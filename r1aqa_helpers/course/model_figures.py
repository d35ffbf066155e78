"""Figures that explain the model: the way of a clip, what a token hears, the token row, costs."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

from r1aqa_helpers.course.figures.style import BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, YELLOW

#: Told apart by their hatch too, where colours cannot be.
_HATCHES = ("", "//", "..", "xx", "\\\\", "++", "oo")
_FILLS = (BLUE, ORANGE, GREEN, YELLOW, PURPLE, SKY)


def stages(ax: Axes, steps: Sequence[tuple[str, str]]) -> None:
    """Draw boxes in a row, joined by arrows: a name in each, and its shape below.

    Args:
        steps: name and shape of each; names may have line breaks.
    """
    width = 1.0
    for place, (name, shape) in enumerate(steps):
        left = 1.35 * place
        colour = (SKY, ORANGE, GREEN)[place % 3]
        ax.add_patch(
            FancyBboxPatch(
                (left, 0.45), width, 0.5, boxstyle="round,pad=0.02", facecolor=colour, alpha=0.35,
                edgecolor="black",
            )
        )  # fmt: skip
        ax.text(left + width / 2, 0.7, name, ha="center", va="center", fontsize=11)
        ax.text(left + width / 2, 0.32, shape, ha="center", va="top", fontsize=11, color="#333333")
        if place:
            ax.annotate(
                "",
                (left - 0.03, 0.7),
                (left - 0.32, 0.7),
                arrowprops={"arrowstyle": "-|>", "color": "black"},
            )
    ax.set(xlim=(-0.1, 1.35 * len(steps) - 0.25), ylim=(0, 1.05))
    ax.axis("off")


def tree_of_frames(ax: Axes, tokens: int = 3) -> None:
    """Draw how frames become tokens: convolution of kernel 3, one of stride 2, a pool of 2.

    Lines join what is added up; what the middle token hears is marked.
    """
    rows = {"mel frames": 4 * tokens, "conv 1": 4 * tokens, "conv 2": 2 * tokens, "pool": tokens}
    spacing, heights = {}, {}
    for height, (name, count) in enumerate(rows.items()):
        step = 4 * tokens / count
        spacing[name] = [(index + 0.5) * step for index in range(count)]
        heights[name] = height
    inputs = {
        "conv 1": lambda i: range(i - 1, i + 2),
        "conv 2": lambda i: range(2 * i - 1, 2 * i + 2),
        "pool": lambda i: range(2 * i, 2 * i + 2),
    }
    names, heard = list(rows), {"pool": {tokens // 2}}
    for below, above in zip(names[-2::-1], names[:0:-1], strict=True):
        heard[below] = {j for i in heard[above] for j in inputs[above](i)}
    for below, above in zip(names, names[1:], strict=False):
        for i, x in enumerate(spacing[above]):
            for j in inputs[above](i):
                if 0 <= j < rows[below]:
                    lit = i in heard[above]
                    ax.plot(
                        [spacing[below][j], x],
                        [heights[below], heights[above]],
                        color=ORANGE if lit else "#CCCCCC",
                        linewidth=1.8 if lit else 0.8,
                        zorder=1,
                    )
    for name in names:
        for i, x in enumerate(spacing[name]):
            lit = i in heard[name]
            ax.scatter(
                x, heights[name], s=130, marker="s" if lit else "o", zorder=2, edgecolor="black",
                color=ORANGE if lit else SKY,
            )  # fmt: skip
    ax.set_yticks(range(len(rows)), names)
    ax.set(xlim=(0, 4 * tokens), ylim=(-0.4, len(rows) - 0.6))
    ax.set_xticks(
        range(0, 4 * tokens + 1, 4), [f"{10 * t} ms" for t in range(0, 4 * tokens + 1, 4)]
    )
    ax.grid(False)


def token_row(ax: Axes, parts: Sequence[tuple[str, int, bool]]) -> None:
    """Draw a prompt as a row of cells, one per token.

    Args:
        parts: of the row in order: a label, how many tokens, and whether they are the clip's.
    """
    place, total = 0, sum(count for _, count, _ in parts)
    for number, (label, count, audio) in enumerate(parts):
        for index in range(count):
            ax.barh(
                0,
                1,
                left=place + index,
                height=1,
                color=ORANGE if audio else SKY,
                edgecolor="white",
                linewidth=0.4,
                hatch="//" if audio else "",
            )
        # Labels of neighbours that are short would cover one another: above and below in turn.
        above = number % 2 == 0
        y, end = (0.62, 0.95) if above else (-0.62, -0.95)
        middle = place + count / 2
        ax.plot([place + 0.2, place + count - 0.2], [y, y], color="black", linewidth=1.5)
        ax.text(
            middle, end, f"{label}: {count}", ha="center", va="bottom" if above else "top",
            fontsize=11,
        )  # fmt: skip
        place += count
    ax.set(xlim=(-0.02 * total, 1.02 * total), ylim=(-1.7, 1.7), xlabel="token")
    ax.get_yaxis().set_visible(False)
    ax.spines["left"].set_visible(False)
    ax.grid(False)


def shares(ax: Axes, rows: Mapping[str, Mapping[str, float]], unit: str = "") -> None:
    """Draw each row as a bar of length 1, cut into its parts; shares of 4 % and more in figures.

    Args:
        rows: name of the row -> name of the part -> amount; all rows have the same parts.
        unit: printed behind each row's total, which stands at the bar's end; "" for none.
    """
    for height, parts in enumerate(reversed(rows.values())):
        left, total = 0.0, sum(parts.values())
        for number, (part, amount) in enumerate(parts.items()):
            share = amount / total
            ax.barh(
                height,
                share,
                left=left,
                height=0.6,
                color=_FILLS[number],
                hatch=_HATCHES[number],
                edgecolor="white",
                label=part if height == 0 else None,
            )
            if share >= 0.04:
                ax.text(
                    left + share / 2, height, f"{100 * share:.0f} %", ha="center", va="center",
                    fontsize=10, bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.2},
                )  # fmt: skip
            left += share
        if unit:
            ax.text(1.01, height, f"{_short(total)} {unit}", va="center", color=GREY)
    ax.set_yticks(range(len(rows)), list(reversed(rows)))
    ax.set(xlim=(0, 1.16 if unit else 1), xticks=[])
    ax.spines[["left", "bottom"]].set_visible(False)
    ax.grid(False)
    ax.legend(loc="upper center", bbox_to_anchor=(0.45, -0.02), ncol=5, fontsize=10)


def _short(amount: float) -> str:
    """Three digits: 8.40, 36.9, 282."""
    return f"{amount:.3g}" if amount < 100 else f"{amount:,.0f}"
