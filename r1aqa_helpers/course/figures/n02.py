"""Figures of notebook 02: the stages of a clip, what a token hears, the token row, costs."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes

from r1aqa_helpers.course.figures.parts import boxes, look
from r1aqa_helpers.course.figures.style import GREY, ORANGE, SKY


def stages(ax: Axes, steps: Sequence[tuple[str, str]]) -> None:
    """Draw the steps as boxes joined by arrows: name and, below, shape of each."""
    boxes(ax, [name for name, _ in steps], [shape for _, shape in steps])


def tree_of_frames(ax: Axes, tokens: int = 3) -> None:
    """Draw how frames become tokens: convolution of kernel 3, one of stride 2, a pool of 2.

    Lines join what is added up; what the middle token hears is marked.
    """
    names = ("mel frames", "conv 1", "conv 2", "pool")
    counts = (4 * tokens, 4 * tokens, 2 * tokens, tokens)
    inputs = (
        lambda i: range(i - 1, i + 2),
        lambda i: range(2 * i - 1, 2 * i + 2),
        lambda i: range(2 * i, 2 * i + 2),
    )
    heard = [{tokens // 2}]
    for of in reversed(inputs):
        heard.insert(0, {j for i in heard[0] for j in of(i)})

    def place(row: int, index: int) -> float:
        return (index + 0.5) * 4 * tokens / counts[row]

    for row, count in enumerate(counts):
        for i in range(count):
            lit = i in heard[row]
            for j in inputs[row - 1](i) if row else ():
                if 0 <= j < counts[row - 1]:
                    ends = [place(row - 1, j), place(row, i)]
                    style = {"color": ORANGE, "lw": 1.8} if lit else {"color": "#CCCCCC", "lw": 0.8}
                    ax.plot(ends, [row - 1, row], zorder=1, **style)
            style = {"marker": "s", "color": ORANGE} if lit else {"marker": "o", "color": SKY}
            ax.scatter(place(row, i), row, s=130, zorder=2, edgecolor="black", **style)
    ax.set_yticks(range(len(names)), names)
    ax.set(xlim=(0, 4 * tokens), ylim=(-0.4, len(names) - 0.6))
    marks = range(0, 4 * tokens + 1, 4)
    ax.set_xticks(marks, [f"{10 * frame} ms" for frame in marks])
    ax.grid(False)


def token_row(ax: Axes, parts: Sequence[tuple[str, int, bool]]) -> None:
    """Draw a prompt as a row of cells, one per token.

    Args:
        parts: of the row in order: a label, how many tokens, and whether they are the clip's.
    """
    place, total = 0, sum(count for _, count, _ in parts)
    for number, (label, count, audio) in enumerate(parts):
        style = {"color": ORANGE, "hatch": "//"} if audio else {"color": SKY}
        cells = [place + index for index in range(count)]
        ax.barh(0, 1, left=cells, height=1, edgecolor="white", linewidth=0.4, **style)
        # Labels of neighbours that are short would cover one another: above and below in turn.
        y, side = (0.62, "bottom") if number % 2 == 0 else (-0.62, "top")
        ax.plot([place + 0.2, place + count - 0.2], [y, y], color="black", linewidth=1.5)
        text = f"{label}: {count}"
        ax.text(place + count / 2, 1.5 * y, text, ha="center", va=side, fontsize=11)
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
    paper = {"facecolor": "white", "edgecolor": "none", "pad": 1.2}
    for height, parts in enumerate(reversed(rows.values())):
        left, total = 0.0, sum(parts.values())
        for number, (part, amount) in enumerate(parts.items()):
            share, label = amount / total, part if height == 0 else None
            ax.barh(height, share, left=left, height=0.6, label=label, **look(number))
            if share >= 0.04:
                at, text = (left + share / 2, height), f"{100 * share:.0f} %"
                ax.text(*at, text, ha="center", va="center", fontsize=10, bbox=paper)
            left += share
        if unit:
            amount = f"{total:.3g}" if total < 100 else f"{total:,.0f}"
            ax.text(1.01, height, f"{amount} {unit}", va="center", color=GREY)
    ax.set_yticks(range(len(rows)), list(reversed(rows)))
    ax.set(xlim=(0, 1.16 if unit else 1), xticks=[])
    ax.spines[["left", "bottom"]].set_visible(False)
    ax.grid(False)
    ax.legend(loc="upper center", bbox_to_anchor=(0.45, -0.02), ncol=5, fontsize=10)
