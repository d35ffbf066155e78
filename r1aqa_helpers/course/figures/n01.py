"""Figures of notebook 01: the token stream, decoding settings, padding, choices heard."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure

from r1aqa_helpers.course.figures.parts import look
from r1aqa_helpers.course.figures.style import BLUE, GREY, ORANGE, RED


def against_chance(correct: Mapping[str, int], n: int, chance: float) -> Figure:
    """Correct answers of ``n`` per system, as bars, beside what guessing gives."""
    fig, ax = plt.subplots(figsize=(8, 1.1 + 0.55 * len(correct)))
    for place, (name, count) in enumerate(correct.items()):
        ax.barh(name, count, **look(place))
    ax.axvline(chance, color=RED, linestyle="--")
    ax.text(chance, 1.01, "chance", transform=ax.get_xaxis_transform(), ha="center", color=RED)
    ax.set(xlabel=f"correct answers of {n}", xlim=(0, n))
    ax.invert_yaxis()
    return fig


def token_strip(ids: torch.Tensor, audio_id: int) -> Figure:
    """One prompt's tokens (length,) as a strip: before the clip, the clip, after it."""
    places = (ids == audio_id).nonzero().flatten().tolist()
    after = len(ids) - places[-1] - 1
    fig, ax = plt.subplots(figsize=(8, 2.0))
    start = 0
    parts = {
        "system and turn": places[0],
        "the clip": len(places),
        "question, choices, turn": after,
    }
    for place, (name, width) in enumerate(parts.items()):
        ax.barh(0, width, left=start, label=f"{name}: {width}", **look(place))
        start += width
    ax.set(yticks=[], xlabel="position in the token sequence", xlim=(0, start))
    ax.grid(False)
    fig.legend(ncols=3, loc="outside upper center", fontsize=11)
    return fig


def tokens_by_length(seconds: Sequence[float], counts: Sequence[int], window: float) -> Figure:
    """Audio tokens against a clip's length, with what lies beyond the window marked."""
    fig, ax = plt.subplots(figsize=(8, 3))
    ax.plot(seconds, counts, marker=".", color=BLUE)
    ax.axvspan(window, seconds[-1], facecolor="white", edgecolor=GREY, alpha=0.5, hatch="//")
    middle = (window + seconds[-1]) / 2
    paper = {"facecolor": "white", "edgecolor": "none"}
    ax.text(middle, counts[-1] / 2, "silently\ntruncated", ha="center", bbox=paper)
    ax.set(xlabel="length of the clip, seconds", ylabel="audio tokens", ylim=(0, None))
    ax.set_xlim(0, seconds[-1])
    return fig


def word_chances(
    words: Sequence[str], panels: Mapping[str, torch.Tensor], seen: torch.Tensor
) -> Figure:
    """Probabilities of a few words, a panel per setting; ``seen`` words (indices) are hatched."""
    fig, axes = plt.subplots(1, len(panels), figsize=(9, 2.9), sharey=True, squeeze=False)
    for ax, (name, probabilities) in zip(axes[0], panels.items(), strict=True):
        bars = ax.bar(words, probabilities.numpy(), color=BLUE)
        for index in seen.tolist():
            bars[index].set(facecolor=ORANGE, hatch="//", edgecolor="white")
        ax.set_title(name, fontsize=11)
        ax.tick_params(axis="x", rotation=60)
        ax.grid(axis="x", visible=False)
    axes[0, 0].set_ylabel("probability")
    return fig


def padding(rows: Sequence[Sequence[int]]) -> Figure:
    """Rows of token ids padded on either side, and where the next token is written."""
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
                ax.text(*middle, text, ha="center", va="center", color="white", fontsize=10)
        ax.set(title=f"padded on the {side}", yticks=[], xticks=[])
        ax.grid(False)
        ax.spines[:].set_visible(False)
    axes[0].invert_yaxis()  # shared by both
    return fig


def choices_heard(scores: Mapping[str, torch.Tensor], choices: Sequence[str]) -> Figure:
    """Probability per token of each choice, a bar per recording.

    Args:
        scores: recording -> mean log-probabilities per token (choices,), in nats.
    """
    fig, ax = plt.subplots(figsize=(8, 3.2))
    at = np.arange(len(choices))
    for place, (name, values) in enumerate(scores.items()):
        ax.bar(at + 0.27 * (place - 1), values.exp().numpy(), 0.25, label=name, **look(place))
    ax.set(xticks=at, xticklabels=choices, ylabel="probability per token")
    ax.grid(axis="x", visible=False)
    ax.legend()
    return fig
