"""Figures of notebook 05: groups as grids of answers, rewards beside advantages."""

from collections.abc import Callable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure

from r1aqa_helpers.course.answer_groups import AnswerGroup
from r1aqa_helpers.course.figures.style import BLUE, GREY, ORANGE
from r1aqa_helpers.course.group_rewards import judge
from r1aqa_helpers.training.grpo.objective import group_advantages


def reward_grid(groups: Sequence[AnswerGroup], rewards: Mapping[str, Callable]) -> Figure:
    """One panel per reward: a row per group, a square per answer, filled as it is rewarded.

    Rewards are expected from 0 to 1.
    """
    size = (8.4, 0.3 * len(groups) + 1.0)
    fig, axes = plt.subplots(1, len(rewards), figsize=size, sharey=True, squeeze=False)
    for ax, (name, reward) in zip(axes[0], rewards.items(), strict=True):
        judged = [judge(group, {name: reward}) for group in groups]
        for y, one in enumerate(judged):
            x = range(len(one.totals))
            ax.scatter(x, [y] * len(x), marker="s", s=90, c="none", edgecolors="#BBBBBB")
            ax.scatter(x, [y] * len(x), marker="s", s=90 * np.maximum(one.totals, 0), c=BLUE)
        ax.set_title(f"{name}: {sum(not one.zero_variance for one in judged)} live")
        ax.set(xlabel="answer", xticks=[], ylim=(len(groups) - 0.4, -0.6))
        ax.grid(False)
    labels = [f"{group.question[:34]}{'…' * (len(group.question) > 34)}" for group in groups]
    axes[0][0].set_yticks(range(len(groups)), labels, fontsize=10)
    return fig


def reward_and_advantage(groups: Mapping[str, Sequence[float]]) -> Figure:
    """For each named group of rewards, the rewards above and the advantages below."""
    fig, axes = plt.subplots(2, len(groups), figsize=(8.4, 3.8), sharex=True, squeeze=False)
    for (above, below), (name, rewards) in zip(axes.T, groups.items(), strict=True):
        x = np.arange(1, len(rewards) + 1)
        above.bar(x, rewards, color=GREY)
        above.set_title(name, fontsize=11)
        given = torch.tensor(list(rewards), dtype=torch.float64)
        advantages = group_advantages(given, len(rewards)).numpy()
        below.bar(x, advantages, color=np.where(advantages >= 0, BLUE, ORANGE))
        below.axhline(0, color="black", linewidth=0.8)
        below.set(ylim=(-2.7, 2.7), xlabel="answer", xticks=[])
    axes[0][0].set_ylabel("reward")
    axes[1][0].set_ylabel("advantage")
    return fig


def live_bars(live: Mapping[str, int], groups: int) -> Figure:
    """How many of ``groups`` are live under each reward, as bars with their numbers."""
    fig, ax = plt.subplots(figsize=(8.0, 0.45 * len(live) + 1.0))
    ax.bar_label(ax.barh(list(live), list(live.values()), color=BLUE, height=0.65), padding=4)
    ax.axvline(groups, color=GREY, linestyle="--")
    ax.set(xlabel=f"live groups of {groups}", xlim=(0, groups + 0.6))
    ax.invert_yaxis()
    ax.grid(axis="y", visible=False)
    return fig


def weight_lines(
    kinds: Mapping[str, Sequence[float]], weights: Sequence[float], label: str
) -> Figure:
    """Advantages of kinds of answers in one group, over the weight of their first reward.

    Args:
        kinds: name -> (first reward, second reward) of one answer; the group has one of each.
        weights: of the first reward; the second one's is 1.
        label: of the horizontal axis.
    """
    parts = torch.tensor(list(kinds.values()), dtype=torch.float64)
    rows = [group_advantages(parts[:, 0] * w + parts[:, 1], len(parts)).numpy() for w in weights]
    fig, ax = plt.subplots(figsize=(8.0, 3.6))
    styles = ("o-", "s--", "^:", "D-.")
    for name, line, style in zip(kinds, np.array(rows).T, styles, strict=False):
        ax.plot(weights, line, style, label=name, markevery=2)
    ax.set(xlabel=label, ylabel="advantage")
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return fig
