"""Figures of notebook 03: where gold answers stand, what conversion does, what noise costs."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from r1aqa_helpers.course.figures.parts import boxes, error_bars, look, stacked
from r1aqa_helpers.course.figures.style import BLUE, GREY, RED, arrow, box
from r1aqa_helpers.data import AudioQuestion
from r1aqa_helpers.data.audit import audit
from r1aqa_helpers.scoring import Accuracy


def gold_positions(audits: Mapping[str, Mapping[str, Any]], group: str = "all") -> Figure:
    """Bars of how often the gold answer stands in which place, one colour per file.

    Args:
        audits: name of a file -> its report from `questions.audit.audit`.
        group: ``all`` or a task.
    """
    fig, ax = plt.subplots()
    width, last = 0.8 / len(audits), 1
    for index, (name, report) in enumerate(audits.items()):
        counts = {int(place): n for place, n in report["gold_position"][group].items()}
        places = np.arange(1, max(counts) + 1)
        share = [100 * counts.get(place, 0) / sum(counts.values()) for place in places]
        at = places + (index - (len(audits) - 1) / 2) * width
        ax.bar_label(ax.bar(at, share, width, label=name, **look(index)), fmt="%.1f", fontsize=9)
        last = max(last, *places)
    chance = next(iter(audits.values()))["chance"][group]
    told = f"evenly distributed, about {chance:.0f} %"
    ax.axhline(chance, color=RED, linestyle="--", label=told)
    ax.set(xlabel="place of the gold answer", ylabel="% of questions", xticks=range(1, last + 1))
    ax.legend()
    return fig


def composition(files: Mapping[str, Sequence[AudioQuestion]]) -> Figure:
    """Tasks and numbers of choices of several files, as shares of each."""
    fig, axes = plt.subplots(1, 2, figsize=(9.0, 2.6))
    reports = {name: audit(questions) for name, questions in files.items()}
    titles = {"task": "task", "choices_per_item": "number of choices"}
    for ax, (key, title) in zip(axes, titles.items(), strict=True):
        rows = {name: report[key] for name, report in reports.items()}
        stacked(ax, rows, sorted({part for row in rows.values() for part in row}))
        ax.set(title=title, xlabel="% of questions")
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.32), ncol=4, fontsize=10)
    return fig


def conversion_flow(written: int, counts: Mapping[str, int]) -> Figure:
    """The steps from annotations to training lines, and what leaves on the way."""
    fig, ax = plt.subplots(figsize=(9.2, 2.7))
    first = f"annotations\n{written + sum(counts.values())}"
    checks = ["clip there?", "clip decodes?", "line is sound?"]
    boxes(ax, [first, *checks, f"training lines\n{written}"])
    for place, name in enumerate(("missing", "broken", "faulty"), start=1):
        box(ax, (1.9 * place, -1.3), (1.3, 0.7), f"{name}\n{counts[name]}", RED, fontsize=11)
        arrow(ax, (1.9 * place, -0.38), (1.9 * place, -0.92))
    ax.text(6.6, -1.3, "counted, and listed\nin a file", va="center", color=RED)
    ax.set_ylim(-1.75, 0.45)
    return fig


def baselines(rows: Mapping[str, Accuracy], chance: float) -> Figure:
    """Accuracies with their 95 % intervals, one under the other, beside chance."""
    fig, ax = plt.subplots(figsize=(8.0, 0.9 + 0.5 * len(rows)))
    error_bars(ax, rows)
    ax.axvline(chance, color=RED, linestyle="--", label=f"chance, {chance:.1f} %")
    ax.legend()
    return fig


def noise_lines(noise: float, choices: int = 4) -> Figure:
    """True accuracy against the one that is measured with a share of wrong labels."""
    fig, ax = plt.subplots(figsize=(5.6, 4.2))
    true = np.linspace(0, 1, 101)
    ax.plot(100 * true, 100 * true, color=GREY, linestyle="--", label="correct labels")
    measured = true * (1 - noise) + (1 - true) * noise / (choices - 1)
    ax.plot(100 * true, 100 * measured, color=BLUE, label=f"{100 * noise:.0f} % wrong labels")
    ax.plot(100, 100 * measured[-1], "o", color=BLUE, label="a perfect listener")
    ax.set(xlabel="true accuracy, %", ylabel="measured accuracy, %")
    ax.legend(loc="lower right")
    return fig
