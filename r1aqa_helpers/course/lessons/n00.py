"""Notebook 00: what the course ends with, reported accuracies beside measured ones.

The two never share a row of bars: another model on another test is another question.
"""

import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import display

from r1aqa_helpers.course.figures.style import BLUE, GREEN, GREY, ORANGE, SKY, figure
from r1aqa_helpers.course.tables import Table
from r1aqa_helpers.reporting import ResultRow, load_measured, load_published, published_beside
from r1aqa_helpers.scoring import wilson_interval
from r1aqa_helpers.utils.paths import TINY

#: Questions of MMAU test-mini, from which the published rows' intervals are computed here.
PUBLISHED_N = 1000

#: An accuracy and its 95 % interval, in percent; None: not given.
Figure95 = tuple[float, tuple[float, float] | None]

_QWEN = "Qwen2-Audio-7B-Instruct"
#: Heading of a line; its published row (model, method) or its measured one (method, prompt),
#: beside which `published_beside` finds what was reported; in the picture: the labels of its bars,
#: reported and measured ("": none), their colour and hatch.
_LINES = (
    ("direct inference, as published", (_QWEN, "Direct Inference"), ("direct", ""), SKY, ""),
    ("direct inference, prompt <2>", ("direct", 2), ("", "direct"), SKY, ""),
    (
        "zero-shot chain of thought, as published",
        (_QWEN, "Zero-Shot-CoT"),
        ("zero-shot CoT", ""),
        GREY,
        "",
    ),
    (
        "zero-shot chain of thought, prompt <3>",
        ("zero-shot-cot", 3),
        ("", "zero-shot CoT"),
        GREY,
        "",
    ),
    ("SFT, full, prompt <1>", (_QWEN, "SFT Full + Prompt <1>"), ("SFT full", ""), ORANGE, "//"),
    ("SFT, LoRA, prompt <1>", (_QWEN, "SFT LoRA + Prompt <1>"), ("SFT LoRA", ""), ORANGE, "//"),
    ("SFT, prompt <2>", ("sft", 2), ("", "SFT"), ORANGE, "//"),
    (
        "SFT on structured thoughts (CoTA), as published",
        (_QWEN, "CoTA"),
        ("SFT CoTA", ""),
        ORANGE,
        "xx",
    ),
    ("SFT on thoughts (CoTA), prompt <3>", ("cota", 3), ("", "SFT CoTA"), ORANGE, "xx"),
    ("GRPO, prompt <2>", ("grpo", 2), ("GRPO <2>", "GRPO <2>"), GREEN, ".."),
    ("GRPO with thinking, prompt <3>", ("grpo", 3), ("GRPO <3>", "GRPO <3>"), GREEN, "xx"),
    ("people", ("", "Human"), ("", ""), "", ""),
)


def lines() -> dict[str, tuple[Figure95 | None, Figure95 | None]]:
    """Each method's reported average for the 7B model, and the one measured here.

    Reported averages stand without an interval in the sources; theirs is Wilson's for the
    1,000 questions of MMAU test-mini.
    """
    published = load_published()
    rows = {(r.model, r.method): r for r in (*published.card, *published.paper)}
    measured = {(r.method, r.prompt): r for r in load_measured()}
    found = {}
    for name, key, *_ in _LINES:
        run = measured.get(key)
        reported = rows.get(key) if run is None else published_beside(published, run)
        left = None if reported is None else _reported(reported)
        found[name] = (left, None if run is None else (run.average, run.ci95))
    return found


def _reported(row: ResultRow) -> Figure95:
    if not row.model:
        return row.average, None  # people: how many answered how much is not given
    correct = round(row.average / 100 * PUBLISHED_N)
    return row.average, wilson_interval(correct, PUBLISHED_N)


def results_table() -> None:
    """Show the table that the course ends with, as far as it is filled."""
    rows = [(name, _told(left), _told(right)) for name, (left, right) in lines().items()]
    columns = (
        "method",
        "reported: Qwen2-Audio-7B on MMAU test-mini",
        "measured: tiny model on tiny-mmau",
    )
    caption = "Correct answers, in percent, with 95 % intervals for 1,000 questions"
    display(Table(caption, rows, columns))


def _told(found: Figure95 | None) -> str:
    if found is None:
        return "–"
    percent, interval = found
    return f"{percent:.1f}" + (f" ({interval[0]:.1f} to {interval[1]:.1f})" if interval else "")


def results_picture() -> None:
    """Show the table's main rows as bars: reported on the left, measured on the right."""
    found = lines()
    fig, axes = plt.subplots(1, 2, figsize=(10.6, 4.2), sharey=True, width_ratios=[7, 6])
    told = []
    for side, (ax, title, name) in enumerate(
        zip(
            axes,
            ("Reported: 7B model, MMAU test-mini", "Measured: tiny model, tiny-mmau"),
            ("reported for the 7B model", "measured, tiny model"),
            strict=True,
        )
    ):
        bars = [(labels[side], line, *look) for line, _, labels, *look in _LINES if labels[side]]
        for x, (_, line, colour, hatch) in enumerate(bars):
            percent, (low, high) = found[line][side]
            ax.bar(x, percent, width=0.66, color=colour, hatch=hatch, edgecolor="white")
            error = [[percent - low], [high - percent]]
            ax.errorbar(x, percent, yerr=error, color="black", capsize=4, linewidth=1.4)
            ax.text(x, high + 1.5, f"{percent:.1f}", ha="center", fontsize=11)
        ax.set_xticks(range(len(bars)), [bar[0].replace(" ", "\n") for bar in bars])
        ax.set(title=title, ylim=(0, 100))
        ax.grid(axis="x", visible=False)
        values = ", ".join(f"{label} {found[line][side][0]:.1f}" for label, line, *_ in bars)
        told.append(f"{name}: {values}")
    people = found["people"][0][0]
    axes[0].axhline(people, color=GREY, linestyle="--", linewidth=1.4)
    axes[0].text(-0.45, people + 1, "people", color=GREY)
    axes[0].set_ylabel("correct answers, %")
    figure(fig, alt=f"Bars of accuracy in percent with 95 % intervals. {'; '.join(told)}.")


def training_picture() -> None:
    """Show the recorded GRPO run: the share of answers that are correct, and in the format."""
    rows = pd.read_json(TINY / "reference_run" / "metrics.jsonl", lines=True).set_index("step")
    smooth = rows.rolling(10, center=True, min_periods=5).mean(numeric_only=True)
    fig, ax = plt.subplots(figsize=(8.0, 3.4))
    told = []
    for name, label, colour, style in (
        ("format", "answer in tags", ORANGE, "--"),
        ("accuracy", "correct answer", BLUE, "-"),
    ):
        ax.plot(rows[name], color=colour, alpha=0.25, linewidth=1)
        ax.plot(smooth[name], color=colour, linestyle=style, label=label)
        told.append(f"{label} from {smooth[name].iloc[0]:.2f} to {smooth[name].iloc[-1]:.2f}")
    ax.set(xlabel="training step", ylabel="share of 64 answers", ylim=(0, 1.05))
    ax.legend(loc="lower right")
    means = f"A GRPO run of {len(rows)} steps, means over ten steps"
    figure(fig, alt=f"{means}: {', '.join(told)}.")
