"""How hard a question pushes its label up: imitation beside rewards, with one token to say."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from scipy.stats import binom

from r1aqa_helpers.course.figures.style import BLUE, GREEN, ORANGE


def sft_push(p: np.ndarray) -> np.ndarray:
    """The push of imitation on the logit of a label that the model says with probability p."""
    return 1 - p


def reward_push(p: np.ndarray) -> np.ndarray:
    """The expected push of one answer that earns 1 where it is the label (REINFORCE)."""
    return p * (1 - p)


def group_push(p: np.ndarray, size: int = 8) -> np.ndarray:
    """The expected push of a group of ``size`` answers with GRPO's advantages, a mean over them.

    With k right of ``size``, the deviation of the rewards over ``size`` - 1, as TRL has it.
    """
    k = np.arange(size + 1)
    spread = np.sqrt(k * (size - k) / (size * (size - 1)))
    of_group = np.where(spread > 0, k * (size - k) / size**2 / np.maximum(spread, 1e-9), 0.0)
    return binom.pmf(k, size, np.asarray(p)[..., None]) @ of_group


def pushes_figure(size: int = 8) -> Figure:
    """The three pushes over the probability of the label; on a logarithmic scale on the right."""
    fig, panels = plt.subplots(1, 2, figsize=(9, 3.5), sharey=True)
    looks = (
        ("SFT", ORANGE, "-", sft_push),
        (f"GRPO, groups of {size}", BLUE, "--", lambda p: group_push(p, size)),
        ("one answer, reward 0 or 1", GREEN, ":", reward_push),
    )
    for ax, p in zip(panels, (np.linspace(0, 1, 201), np.logspace(-4, 0, 201)), strict=True):
        for name, colour, style, push in looks:
            ax.plot(p, push(p), style, color=colour, label=name)
        ax.set(xlabel="probability of the label", ylim=(-0.03, 1.05))
    panels[0].set(ylabel="push on the label's logit", title="from 0 to 1")
    panels[1].set(xscale="log", title="rare labels, log scale")
    panels[1].legend(loc="center left", fontsize=10.5)
    return fig


def right_of_group_figure(counts: np.ndarray) -> Figure:
    """How many groups had 0, 1, … right answers; ``counts``: (size + 1,)."""
    fig, ax = plt.subplots(figsize=(7.5, 3.0))
    places = np.arange(len(counts))
    ends = (places == 0) | (places == len(counts) - 1)
    alive = ax.bar(places[~ends], counts[~ends], color=BLUE, label="some are right")
    none = ax.bar(places[ends], counts[ends], color=ORANGE, hatch="//", label="none, or all")
    for bars in (alive, none):
        ax.bar_label(bars, fontsize=10)
    ax.set(xlabel=f"right answers of {len(counts) - 1}", ylabel="groups", xticks=places)
    ax.margins(y=0.12)
    ax.legend()
    return fig
