"""Figures of notebook 01: the token stream, padding, choices heard."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch

from r1aqa_helpers.course.figures.parts import look
from r1aqa_helpers.course.figures.style import BLUE, GREY, ORANGE, SKY, figure


def token_strip(is_audio: torch.Tensor) -> None:
    """Show one prompt's tokens as a strip: before the clip, the clip, after it.

    Args:
        is_audio: (tokens,) bool.
    """
    places = is_audio.nonzero().flatten().tolist()
    after = len(is_audio) - places[-1] - 1
    parts = {
        "system turn": places[0],
        "the clip": len(places),
        "question, choices": after,
    }
    fig, ax = plt.subplots(figsize=(8, 1.5))
    start = 0
    for colour, (name, width) in zip((SKY, ORANGE, SKY), parts.items(), strict=True):
        ax.barh(0, width, left=start, height=0.8, color=colour, edgecolor="white", linewidth=2)
        ax.text(start + width / 2, 0, f"{name}\n{width}", ha="center", va="center", fontsize=11)
        start += width
    ax.set(yticks=[], xlabel="token", xlim=(0, start))
    ax.spines["left"].set_visible(False)
    ax.grid(False)
    told = ", then ".join(f"{width} tokens for {name}" for name, width in parts.items())
    figure(fig, f"A prompt as a strip of tokens: {told}.")


def padding(rows: Sequence[Sequence[int]]) -> None:
    """Show rows of token ids padded on either side, and where the next token is written."""
    width = max(map(len, rows))
    fig, axes = plt.subplots(1, 2, figsize=(8, 0.9 + 0.5 * len(rows)), sharey=True)
    for ax, side in zip(axes, ("right", "left"), strict=True):
        for index, row in enumerate(rows):
            gap = ["pad"] * (width - len(row))
            cells = [*gap, *row] if side == "left" else [*row, *gap]
            for place, text in enumerate([*cells, "?"]):
                colour = {"pad": GREY, "?": ORANGE}.get(text, BLUE)
                ax.barh(index, 1, left=place, height=0.8, edgecolor="white", color=colour)
                middle = (place + 0.5, index)
                ink = "black" if text == "?" else "white"
                ax.text(*middle, text, ha="center", va="center", color=ink, fontsize=10)
        ax.set(title=f"padded on the {side}", yticks=[], xticks=[])
        ax.grid(False)
        ax.spines[:].set_visible(False)
    axes[0].invert_yaxis()  # shared by both
    figure(
        fig,
        f"{len(rows)} prompts padded on the right and on the left. The next token, a question "
        "mark, follows every prompt directly only when the padding is on the left.",
    )


def choices_heard(
    chances: Mapping[str, torch.Tensor], choices: Sequence[str], correct: str
) -> None:
    """Show the probability of each choice, a bar per recording.

    Args:
        chances: recording -> probabilities (choices,).
    """
    fig, ax = plt.subplots(figsize=(8, 3.0))
    at, width = np.arange(len(choices)), 0.8 / len(chances)
    for place, (name, values) in enumerate(chances.items()):
        shift = (place - (len(chances) - 1) / 2) * width
        ax.bar(at + shift, values.numpy(), 0.92 * width, label=name, **look(place))
    ticks = [f"{choice}\n(correct)" if choice == correct else choice for choice in choices]
    ax.set(xticks=at, xticklabels=ticks, ylabel="probability", ylim=(0, None))
    ax.grid(axis="x", visible=False)
    fig.legend(ncols=len(chances), loc="outside upper center", fontsize=11)
    told = "; ".join(
        f"with {name} "
        + ", ".join(f"{c} {v:.2f}" for c, v in zip(choices, p.tolist(), strict=True))
        for name, p in chances.items()
    )
    figure(fig, f"Probability of each choice: {told}. Correct: {correct}.")
