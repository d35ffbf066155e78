"""Pictures and masks of a group: one round of GRPO, and answers packed behind one prompt."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from r1aqa_helpers.course.figures.style import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SKY,
    arrow,
    box,
    figure,
)
from r1aqa_helpers.course.training_curves import smoothed

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
    owner = owners(prompt, lengths).tolist()
    letters = ["p" if who == 0 else chr(ord("a") + who - 1) for who in owner]
    colours = ListedColormap(["white", GREY, *_ANSWERS[: len(lengths)]])
    looks = {"cmap": colours, "vmin": 0, "vmax": len(lengths) + 1}
    fig, (rows, mask) = plt.subplots(1, 2, figsize=(9.4, 4.4), width_ratios=(1.25, 1))
    # Rows of tokens: 0 for none, 1 for the prompt, then each answer; the packed row is the last.
    tokens = np.zeros((len(lengths) + 3, len(owner)), int)
    for answer, length in enumerate(lengths):
        tokens[answer + 1, : prompt + length] = [1] * prompt + [answer + 2] * length
    tokens[-1] = np.array(owner) + 1
    rows.imshow(tokens, **looks)
    rows.text(-0.5, 0.3, "plain: every answer repeats the prompt", fontsize=11)
    rows.text(-0.5, len(lengths) + 1.3, "packed: the prompt once", fontsize=11)
    positions = packed_positions(prompt, lengths).tolist()
    rows.set_xticks(
        range(len(owner)), [f"{a}\n{b}" for a, b in zip(letters, positions, strict=True)]
    )
    rows.set(xlabel="positions: each answer follows the prompt", yticks=[])
    seen = block_mask(prompt, lengths).numpy()
    mask.imshow(seen * (np.array(owner) + 1), **looks)
    mask.set_xticks(range(len(owner)), letters)
    mask.set_yticks(range(len(owner)), letters)
    mask.set(xlabel="token that is looked at", ylabel="token that looks", title="the block mask")
    for ax, size in ((rows, tokens.shape), (mask, seen.shape)):
        ax.set_xticks(np.arange(size[1]) - 0.5, minor=True)
        ax.set_yticks(np.arange(size[0]) - 0.5, minor=True)
        ax.grid(False)
        ax.grid(True, which="minor", color="white" if ax is rows else "#DDDDDD")
        ax.tick_params(which="both", length=0, labelsize=8)
        ax.spines[:].set_visible(ax is mask)
    # Space for the title, which the layout forgets above a picture of fixed shape.
    fig.set_layout_engine("constrained", h_pad=0.16)
    return fig


#: The boxes of one round: title and what is in it, colour.
_ROUND = (
    ("question\n\nclip and text,\nencoded once", GREY),
    ("group\n\n8 answers\nsampled", BLUE),
    ("rewards\n\ncorrect? in format?\n0, 1 or 2", ORANGE),
    ("advantages\n\nminus the mean,\nover the std", GREEN),
    ("loss\n\nlog-probabilities,\nclip, KL", PURPLE),
    ("step\n\nweights move", SKY),
)


def round_figure() -> Figure:
    """One round of GRPO, from a question to new weights and back to the group."""
    fig, ax = plt.subplots(figsize=(9.4, 2.7))
    for place, (text, colour) in enumerate(_ROUND):
        box(ax, (2 * place, 0), (1.75, 1.4), text, colour)
        if place:
            arrow(ax, (2 * place - 1.12, 0), (2 * place - 0.88, 0))
    ax.plot([10, 10, 2], [-0.7, -1.2, -1.2], color=GREY)
    arrow(ax, (2, -1.23), (2, -0.7))
    ax.text(6, -1.12, "the new weights sample the next group", ha="center", fontsize=10)
    ax.set(xlim=(-1, 11), ylim=(-1.4, 0.9))
    ax.axis("off")
    return fig


def betas_figure(runs: Mapping[float, Sequence[Mapping[str, float]]]) -> None:
    """Show KL and accuracy over the steps of trainings with different penalties.

    Args:
        runs: beta -> the rows of its log.
    """
    fig, axes = plt.subplots(1, 2, figsize=(9.0, 3.4))
    told = []
    styles = zip(sorted(runs), (ORANGE, BLUE, GREEN), ("--", "-", ":"), strict=False)
    for beta, colour, style in styles:
        rows = runs[beta]
        steps = [row["step"] for row in rows]
        for ax, name in zip(axes, ("kl", "accuracy"), strict=True):
            values = smoothed([row[name] for row in rows])
            ax.plot(steps, values, style, color=colour, label=f"β = {beta:g}")
        told.append(f"beta {beta:g}: KL {smoothed([row['kl'] for row in rows])[-1]:.2f}")
    axes[0].set(title="Distance from the reference", xlabel="step", ylabel="KL, nats per token")
    axes[1].set(title="Reward", xlabel="step", ylabel="accuracy", ylim=(0, 1))
    axes[0].legend()
    figure(fig, alt=f"KL and accuracy over the steps, moving means; at the end {', '.join(told)}.")
