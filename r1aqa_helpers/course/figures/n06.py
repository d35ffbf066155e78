"""Pictures and masks of a group: one round of GRPO, and answers packed behind one prompt."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from r1aqa_helpers.course.figures.style import BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, YELLOW

#: Colours of the answers of a pack, in turn; the prompt's is grey.
_ANSWERS = (BLUE, ORANGE, GREEN, PURPLE, SKY)


def owners(prompt: int, lengths: Sequence[int]) -> torch.Tensor:
    """(L,): 0 for each token of the prompt, i for each of the i-th answer, from 1."""
    sizes = torch.tensor([prompt, *lengths])
    return torch.arange(len(sizes)).repeat_interleave(sizes)


def block_mask(prompt: int, lengths: Sequence[int]) -> torch.Tensor:
    """What each token of a packed row may look at: the prompt, and its own answer so far.

    A packed row is one prompt and several answers to it, one after the other (Prefix Grouper,
    arXiv 2506.05433). What the trainer builds for padded batches is in ``training.logprobs``.

    Args:
        prompt: tokens of the prompt.
        lengths: tokens of each answer.

    Returns:
        (L, L) bool, row: the token that looks, column: the token that is looked at.
    """
    owner = owners(prompt, lengths)
    mine = owner.unsqueeze(1) == owner
    return (mine | (owner == 0)).tril()


def packed_positions(prompt: int, lengths: Sequence[int]) -> torch.Tensor:
    """(L,): every answer goes on counting where the prompt stopped."""
    parts = [torch.arange(prompt)]
    parts += [torch.arange(prompt, prompt + length) for length in lengths]
    return torch.cat(parts)


def packing_figure(prompt: int, lengths: Sequence[int]) -> Figure:
    """The plain rows of a group beside its packed row, and the mask of the packed row."""
    fig, (rows, mask) = plt.subplots(1, 2, figsize=(9.4, 4.4), width_ratios=(1.25, 1))
    for answer, length in enumerate(lengths, 1):
        _tokens(rows, -answer, [0] * prompt + [answer] * length)
    last = -len(lengths) - 2.2
    _tokens(rows, last, owners(prompt, lengths).tolist())
    rows.text(0, 0.1, "plain: every answer repeats the prompt", fontsize=11)
    rows.text(0, last + 1.1, "packed: the prompt once", fontsize=11)
    positions = packed_positions(prompt, lengths).tolist()
    for place, position in enumerate(positions):
        rows.text(place + 0.45, last - 0.55, str(position), ha="center", fontsize=8, color=GREY)
    rows.text(0, last - 1.15, "positions: each answer follows the prompt", fontsize=9, color=GREY)
    rows.set(xlim=(-0.2, prompt + sum(lengths) + 0.2), ylim=(last - 1.5, 0.8))
    rows.axis("off")
    _draw_mask(mask, prompt, lengths)
    # Room for the title, which the layout forgets above a picture of fixed shape.
    fig.set_layout_engine("constrained", h_pad=0.16)
    return fig


def _tokens(ax: Axes, y: float, owner: Sequence[int]) -> None:
    """One row of tokens: p for the prompt's, a letter for each answer's."""
    for place, whose in enumerate(owner):
        box = FancyBboxPatch(
            (place, y), 0.8, 0.8, boxstyle="round,pad=0.03", color=_colour(whose), linewidth=0
        )
        ax.add_patch(box)
        ax.text(
            place + 0.4, y + 0.38, _letter(whose), color="white", ha="center", va="center",
            fontsize=9,
        )  # fmt: skip


def _draw_mask(ax: Axes, prompt: int, lengths: Sequence[int]) -> None:
    owner = owners(prompt, lengths)
    seen = block_mask(prompt, lengths)
    picture = torch.ones(*seen.shape, 3)
    for whose in range(len(lengths) + 1):
        picture[seen & (owner == whose)] = torch.tensor(to_rgb(_colour(whose)))
    ax.imshow(picture)
    names = [_letter(whose) for whose in owner.tolist()]
    ticks = range(len(names))
    ax.set_xticks(ticks, names, fontsize=8)
    ax.set_yticks(ticks, names, fontsize=8)
    ax.set_xticks([t - 0.5 for t in ticks], minor=True)
    ax.set_yticks([t - 0.5 for t in ticks], minor=True)
    ax.grid(False)
    ax.grid(True, which="minor", color="#DDDDDD", linewidth=0.7)
    ax.tick_params(which="both", length=0)
    ax.set(xlabel="token that is looked at", ylabel="token that looks", title="the block mask")


def _colour(owner: int) -> str:
    return GREY if owner == 0 else _ANSWERS[(owner - 1) % len(_ANSWERS)]


def _letter(owner: int) -> str:
    return "p" if owner == 0 else chr(ord("a") + owner - 1)


#: The boxes of one round: title, what is in it, colour.
_ROUND = (
    ("question", "clip and text,\nencoded once", GREY),
    ("group", "8 answers\nsampled", BLUE),
    ("rewards", "right? in form?\n0, 1 or 2", ORANGE),
    ("advantages", "minus the mean,\nover the spread", GREEN),
    ("loss", "log-probabilities,\nclip, KL", PURPLE),
    ("step", "weights move", SKY),
)


def round_figure() -> Figure:
    """One round of GRPO, from a question to new weights and back to the group."""
    fig, ax = plt.subplots(figsize=(9.4, 2.7))
    width, gap = 1.5, 0.36
    for place, (title, content, colour) in enumerate(_ROUND):
        x = place * (width + gap)
        box = FancyBboxPatch(
            (x, 0), width, 1.25, boxstyle="round,pad=0.06", facecolor="white",
            edgecolor=colour, linewidth=2.6,
        )  # fmt: skip
        ax.add_patch(box)
        ax.text(x + width / 2, 0.98, title, ha="center", va="center", weight="bold", fontsize=11)
        ax.text(x + width / 2, 0.42, content, ha="center", va="center", fontsize=9)
        if place:
            _arrow(ax, (x - gap + 0.07, 0.62), (x - 0.06, 0.62))
    first, last = width + gap + width / 2, 5 * (width + gap) + width / 2
    ax.plot([last, last, first], [-0.08, -0.5, -0.5], color=GREY, linewidth=1.6)
    _arrow(ax, (first, -0.5), (first, -0.07))
    ax.text(
        (first + last) / 2, -0.42, "the new weights sample the next group", ha="center",
        va="bottom", fontsize=10,
        bbox={"facecolor": YELLOW, "alpha": 0.35, "linewidth": 0, "pad": 2},
    )  # fmt: skip
    ax.set(xlim=(-0.15, 6 * width + 5 * gap + 0.15), ylim=(-0.72, 1.45))
    ax.axis("off")
    return fig


def _arrow(ax: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    ax.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": GREY, "linewidth": 1.6})
