"""Pictures of notebook 10: six logs, three trainers, and two kinds of KL that rise."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt

from r1aqa_helpers.course.figures.style import BLUE, COLOURS, ORANGE, RED, figure
from r1aqa_helpers.course.training_curves import smoothed

Log = Sequence[Mapping[str, Any]]


def six_logs(runs: Mapping[str, Log]) -> None:
    """Accuracy and format of each run, a small panel each."""
    fig, axes = plt.subplots(2, 3, figsize=(8.5, 4.2), sharex=True, sharey=True)
    for ax, (letter, rows) in zip(axes.flat, sorted(runs.items()), strict=True):
        steps = [row["step"] for row in rows]
        ax.plot(steps, [row["format"] for row in rows], "--", color=ORANGE)
        ax.plot(steps, [row["accuracy"] for row in rows], color=BLUE)
        ax.set(title=letter, ylim=(-0.05, 1.05))
    axes[0, 1].text(1.2, 0.83, "format", color=ORANGE)
    axes[0, 1].text(8, 0.12, "accuracy", color=BLUE)
    for ax in axes[1]:
        ax.set_xlabel("step")
    for ax in axes[:, 0]:
        ax.set_ylabel("mean reward")
    ends = "; ".join(
        f"{letter}: accuracy {rows[-1]['accuracy']:.2f}, format {rows[-1]['format']:.2f}"
        for letter, rows in sorted(runs.items())
    )
    figure(fig, f"Accuracy and format reward of six runs over twelve steps. At the end, {ends}.")


def trainers_figure(logs: Mapping[str, Log]) -> None:
    """The reward of several trainers over steps, smoothed, each labelled at its end."""
    fig, ax = plt.subplots(figsize=(8, 3.2))
    for (name, rows), colour, dash in zip(logs.items(), COLOURS, ("-", "--", ":"), strict=False):
        steps, rewards = [row["step"] for row in rows], [row["reward"] for row in rows]
        ax.plot(steps, rewards, color=colour, linewidth=0.8, alpha=0.4)
        thick = smoothed(rewards, 5)
        ax.plot(steps, thick, dash, color=colour)
        ax.text(steps[-1] + 0.2, thick[-1], name, color=colour, va="center")
    last = max(len(rows) for rows in logs.values())
    ax.set(xlabel="step", ylabel="reward, mean per answer", xlim=(0.5, 1.25 * last))
    figure(fig, f"Mean reward over {last} steps, a line for each trainer: {', '.join(logs)}.")


def two_kls(kept: Sequence[float], blown: Sequence[float]) -> None:
    """KL of a run with spikes, and of one that blew up, on one scale."""
    fig, (left, right) = plt.subplots(1, 2, figsize=(8.5, 3.0), sharey=True)
    left.plot(range(1, len(kept) + 1), kept, color=BLUE)
    left.set(title="the run of the results table", xlabel="step", ylabel="KL, nats per token")
    right.plot(range(1, len(blown) + 1), blown, "o-", color=RED, markersize=4)
    right.plot(range(1, len(blown) + 1), kept[: len(blown)], color=BLUE)
    right.text(len(blown), kept[len(blown) - 1] + 0.12, "first steps of the left one", color=BLUE,
               ha="right")  # fmt: skip
    right.set(title="learning rate x 90", xlabel="step")
    figure(
        fig,
        f"Left: KL over {len(kept)} steps, mostly below 0.3, with single steps up to "
        f"{max(kept):.1f}. Right: at ninety times the learning rate KL jumps to {blown[1]:.1f} in "
        f"the second step and stays between {min(blown[1:]):.1f} and {max(blown):.1f}.",
    )
