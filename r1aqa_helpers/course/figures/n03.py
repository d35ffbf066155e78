"""Figures of notebook 03: where gold answers stand, what wording costs, how accuracies scatter."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from r1aqa_helpers.course.figures.parts import error_bars, lines, look
from r1aqa_helpers.course.figures.style import BLUE, GREY, ORANGE, figure
from r1aqa_helpers.scoring import Accuracy


def gold_positions(reports: Mapping[str, Mapping[str, Any]], task: str) -> None:
    """Show how often the gold answer stands in which place, a colour per release.

    Args:
        reports: name of a release -> its report from `data.audit.audit`.
        task: a task, or ``all``.
    """
    fig, ax = plt.subplots(figsize=(7.0, 3.2))
    width = 0.8 / len(reports)
    told = []
    for index, (name, report) in enumerate(reports.items()):
        counts = {int(place): n for place, n in report["gold_position"][task].items()}
        places = np.arange(1, max(counts) + 1)
        share = [100 * counts.get(place, 0) / sum(counts.values()) for place in places]
        at = places + (index - (len(reports) - 1) / 2) * width
        ax.bar_label(ax.bar(at, share, width, label=name, **look(index)), fmt="%.0f", fontsize=10)
        told.append(f"{name}: " + ", ".join(f"{one:.0f}" for one in share))
    ax.set(xlabel="place of the correct choice", ylabel="% of questions", xticks=places)
    ax.grid(axis="x", visible=False)
    ax.legend(title="MMAU test-mini")
    figure(fig, alt=f"Place of the correct choice, {task}, in % of questions. {'; '.join(told)}.")


def lost_bars(lost: Mapping[str, Mapping[str, int]]) -> None:
    """Show how many correct answers a wording loses, a bar per wording and release."""
    fig, ax = plt.subplots(figsize=(7.4, 3.4))
    heights = lines(ax, [w.format("X") for w in next(iter(lost.values()))])
    for index, (release, counts) in enumerate(lost.items()):
        at = heights + (0.2 - 0.4 * index)
        bars = ax.barh(at, list(counts.values()), 0.38, label=release, **look(index))
        ax.bar_label(bars, padding=3, fontsize=9)
    ax.set_xlabel("correct answers that are called wrong, of 1,000")
    ax.legend(title="MMAU test-mini", loc="upper right")
    told = "; ".join(f"{w.format('X')} {n}" for w, n in lost["v05.15.25"].items())
    figure(fig, alt=f"Correct answers lost by wording, release v05.15.25: {told}. v1 is similar.")


def baseline_bars(rows: Mapping[str, Accuracy], chance: float) -> None:
    """Show accuracies with their 95 % intervals beside chance."""
    fig, ax = plt.subplots(figsize=(7.4, 0.9 + 0.42 * len(rows)))
    error_bars(ax, rows)
    ax.axvline(chance, color=GREY, linestyle="--")
    ax.set_ylim(-0.6, len(rows) - 0.1)
    ax.text(chance, len(rows) - 0.45, f" chance, {chance:.1f} %", color=GREY)
    told = ", ".join(f"{name} {row.percent:.1f}" for name, row in rows.items())
    figure(fig, alt=f"Baselines in percent with intervals, chance at {chance:.1f}: {told}.")


def scatter_of_tests(few: np.ndarray, many: np.ndarray, truth: float) -> None:
    """Show measured accuracies (percent) of repeated tests: of 100 and of 1,000 questions."""
    fig, ax = plt.subplots(figsize=(7.4, 3.2))
    bins = np.arange(39.5, 80.5, 1)
    look_few = {"color": ORANGE, "hatch": "..", "edgecolor": "white"}
    ax.hist(few, bins, weights=np.full(len(few), 100 / len(few)), **look_few)
    weights = np.full(len(many), 100 / len(many))
    ax.hist(many, bins, weights=weights, histtype="step", linewidth=2.5, color=BLUE)
    ax.text(63.5, 15, "1,000 questions", color=BLUE)
    ax.text(67.5, 4.5, "100 questions", color="#8A5F00")
    ax.axvline(truth, color=GREY, linestyle="--")
    ax.set(xlabel="measured accuracy, %", ylabel="% of the tests")
    figure(
        fig,
        alt=f"Two histograms about {truth:.0f} %: measured accuracies of tests with 100 questions "
        "lie mostly between 50 and 70, with 1,000 questions between 57 and 63.",
    )


def best_of(single: np.ndarray, best: np.ndarray, truth: float) -> None:
    """Show what one checkpoint measures (percent), and the best of several equally good ones."""
    fig, ax = plt.subplots(figsize=(7.4, 3.0))
    bins = np.arange(55.05, 68, 0.5)
    for index, (values, name) in enumerate(((single, "one checkpoint"), (best, "best of ten"))):
        weights = np.full(len(values), 100 / len(values))
        style = look(index) | {"alpha": 0.75}
        ax.hist(values, bins, weights=weights, label=name, **style)
    ax.axvline(truth, color=GREY, linestyle="--")
    ax.text(truth - 0.1, 16, "truth", color=GREY, ha="right")
    ax.set(xlabel="measured accuracy, %", ylabel="% of the tests")
    ax.legend(loc="upper left")
    figure(
        fig,
        alt=f"Two histograms: one checkpoint measures about {truth:.0f} %, the best of ten "
        "equally good ones lies more than two points higher.",
    )


def two_lines(rows: Mapping[str, Sequence[Accuracy]], names: Sequence[str]) -> None:
    """Show several accuracies per line, each with its interval and its own marker."""
    fig, ax = plt.subplots(figsize=(7.4, 1.3 + 0.5 * len(rows)))
    for place, (name, colour, marker) in enumerate(
        zip(names, (ORANGE, BLUE), ("s", "o"), strict=False)
    ):
        these = {row: values[place] for row, values in rows.items()}
        error_bars(ax, these, colour, marker, 0.24 * (0.5 - place), name)
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    told = "; ".join(
        f"{row}: " + ", ".join(f"{n} {v.percent:.0f}" for n, v in zip(names, values, strict=True))
        for row, values in rows.items()
    )
    figure(fig, alt=f"Accuracies in percent with 95 % intervals. {told}.")
