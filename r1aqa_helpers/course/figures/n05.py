"""Pictures and masks of a group: one round of GRPO, and answers packed behind one prompt."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import torch

from r1aqa_helpers.course.figures.style import (
    BLUE,
    GREEN,
    ORANGE,
    figure,
)
from r1aqa_helpers.course.training_curves import smoothed


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
