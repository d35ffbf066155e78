"""Figures of notebook 04: groups as grids of answers, and rewards against the truth."""

from collections.abc import Callable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np

from r1aqa_helpers.course.answer_groups import AnswerGroup
from r1aqa_helpers.course.figures.style import BLUE, ORANGE, figure
from r1aqa_helpers.course.group_rewards import judge
from r1aqa_helpers.course.lessons.n04 import StepMeans
from r1aqa_helpers.course.training_curves import smoothed


def reward_grid(groups: Sequence[AnswerGroup], rewards: Mapping[str, Callable]) -> None:
    """Show one panel per reward: a row per group, a square per answer, filled as it is rewarded.

    Rewards are expected from 0 to 1. An answer from which the reward abstains has no square.
    """
    size = (9.0, 0.3 * len(groups) + 1.0)
    fig, axes = plt.subplots(1, len(rewards), figsize=size, sharey=True, squeeze=False)
    told = []
    for ax, (name, reward) in zip(axes[0], rewards.items(), strict=True):
        judged = [judge(group, {name: reward}) for group in groups]
        for y, one in enumerate(judged):
            shown = {x: max(total, 0) for x, total in enumerate(one.totals) if total is not None}
            x, sizes = list(shown), 90 * np.array(list(shown.values()))
            ax.scatter(x, [y] * len(x), marker="s", s=90, c="none", edgecolors="#BBBBBB")
            ax.scatter(x, [y] * len(x), marker="s", s=sizes, c=BLUE)
        equal = sum(one.zero_variance for one in judged)
        told.append(f"{name}: {equal} of {len(groups)} rows are all filled or all empty")
        ax.set_title(f"{name}: {equal} zero-variance", fontsize=11)
        ax.set(xlabel="answer", xticks=[], ylim=(len(groups) - 0.4, -0.6))
        ax.grid(False)
    labels = [f"{group.question[:34]}{'…' * (len(group.question) > 34)}" for group in groups]
    axes[0][0].set_yticks(range(len(groups)), labels, fontsize=10)
    figure(fig, alt=f"Groups of answers as rows of squares. {'; '.join(told)}.")


def truth_curves(runs: Mapping[str, Sequence[StepMeans]]) -> None:
    """Show a panel per run: what is rewarded, and what is correct, over steps."""
    size = (3.6 * len(runs) + 1.6, 3.0)
    fig, axes = plt.subplots(1, len(runs), figsize=size, sharey=True, squeeze=False)
    for ax, (name, rows) in zip(axes[0], runs.items(), strict=True):
        steps = [row.step for row in rows]
        series = {
            "rewarded": ([row.reward for row in rows], ORANGE, "--"),
            "correct": ([row.correct for row in rows], BLUE, "-"),
        }
        for label, (values, colour, dash) in series.items():
            ax.plot(steps, values, color=colour, linewidth=0.8, alpha=0.4)
            ax.plot(steps, smoothed(values), color=colour, linestyle=dash, label=label)
        ax.set(title=name, xlabel="step", ylim=(0, 1))
    axes[0][0].set_ylabel("share of the answers")
    axes[0][-1].legend(loc="center left", bbox_to_anchor=(1, 0.5))
    told = (
        f"Over the steps of {' and '.join(runs)}: the mean reward and the share of correct answers."
    )
    figure(fig, alt=told)
