"""What a recorded GRPO run shows beside its curves: dead groups by cause, kinds, checkpoints."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from r1aqa_helpers.course.figures.style import BLUE, GREEN, GREY, ORANGE, RED, SKY
from r1aqa_helpers.course.lessons.n07 import Checkpoint
from r1aqa_helpers.course.recorded_run import RecordedRun, Rollout
from r1aqa_helpers.course.training_curves import smoothed
from r1aqa_helpers.questions import AudioQuestion

#: What a group is, from its rewards.
STATES = ("alive", "dead, all perfect", "dead, all equally short of it")
_LOOKS = ((SKY, ""), (GREEN, "//"), (RED, ".."))


def state(rollout: Rollout, perfect: float = 2.0) -> str:
    """One of `STATES`; ``perfect`` is the most that an answer can earn."""
    if not rollout.dead:
        return STATES[0]
    return STATES[1] if rollout.rewards[0] == perfect else STATES[2]


def counts_by_block(run: RecordedRun, size: int = 10) -> dict[int, dict[str, int]]:
    """How many groups of each state, for every block of ``size`` steps, by its last step."""
    found: dict[int, dict[str, int]] = {}
    for rollout in run.rollouts:
        block = -(-rollout.step // size) * size
        found.setdefault(block, dict.fromkeys(STATES, 0))[state(rollout)] += 1
    return dict(sorted(found.items()))


def groups_figure(run: RecordedRun, size: int = 10) -> Figure:
    """Stacked bars: the groups of every block of steps, by state."""
    blocks = counts_by_block(run, size)
    fig, ax = plt.subplots(figsize=(8, 3.2))
    floor = [0] * len(blocks)
    for name, (colour, hatch) in zip(STATES, _LOOKS, strict=True):
        heights = [block[name] for block in blocks.values()]
        ax.bar(list(blocks), heights, 0.8 * size, floor, color=colour, hatch=hatch, label=name)
        floor = [low + height for low, height in zip(floor, heights, strict=True)]
    ax.set_xticks(list(blocks), [f"{last - size + 1}–{last}" for last in blocks])
    ax.set(xlabel="steps", ylabel="groups", ylim=(0, 1.32 * max(floor)))
    ax.legend(loc="upper center", ncols=3, fontsize=10)
    return fig


def first_above(values: Sequence[float | None], level: float) -> int:
    """The first step, counted from 1, whose moving mean is above ``level``.

    Raises:
        ValueError: it never is.
    """
    for step, mean in enumerate(smoothed(values), start=1):
        if mean > level:
            return step
    raise ValueError(f"never above {level}")


def by_kind(
    questions: Sequence[AudioQuestion], matches: Mapping[str, int]
) -> dict[str, tuple[int, int]]:
    """Kind of question to how many were right, of how many; where kinds are not known, by task."""
    found: dict[str, tuple[int, int]] = {}
    for question in questions:
        kind = str(question.extra.get("question-type") or question.task or "all")
        right, n = found.get(kind, (0, 0))
        found[kind] = right + matches[question.id], n + 1
    return found


def kinds_figure(
    before: Mapping[str, tuple[int, int]], after: Mapping[str, tuple[int, int]]
) -> Figure:
    """A line per kind of question, from its accuracy before to that after, lowest gain below."""

    def percent(pair: tuple[int, int]) -> float:
        return 100 * pair[0] / pair[1]

    kinds = sorted(before, key=lambda kind: percent(after[kind]) - percent(before[kind]))
    fig, ax = plt.subplots(figsize=(7.5, 0.24 * len(kinds) + 1.0))
    for place, kind in enumerate(kinds):
        a, b = percent(before[kind]), percent(after[kind])
        ax.plot([a, b], [place, place], color=GREY if b >= a else RED, linewidth=1.5, zorder=1)
        first, last = "before" if place == 0 else None, "after" if place == 0 else None
        ax.scatter(a, place, color=ORANGE, marker="o", s=30, label=first, zorder=2)
        ax.scatter(b, place, color=BLUE, marker="s", s=30, label=last, zorder=2)
    ax.set_yticks(range(len(kinds)), kinds, fontsize=9)
    ax.set(xlabel="accuracy, %", xlim=(-3, 103))
    ax.legend(loc="lower left")
    return fig


def checkpoints_figure(checkpoints: Sequence[Checkpoint]) -> Figure:
    """Validation accuracies over steps, with their 95 % intervals."""
    steps = [c.step for c in checkpoints]
    middle = [c.validation.percent for c in checkpoints]
    reach = [
        [m - c.validation.ci95[0] for m, c in zip(middle, checkpoints, strict=True)],
        [c.validation.ci95[1] - m for m, c in zip(middle, checkpoints, strict=True)],
    ]
    fig, ax = plt.subplots(figsize=(7.5, 3.2))
    ax.errorbar(steps, middle, reach, fmt="o-", color=BLUE, ecolor=GREY, capsize=3)
    ax.set(xlabel="step of the checkpoint", ylabel="validation accuracy, %")
    ax.set_xticks(steps)
    return fig


def pairing_figure(clips: Sequence[Sequence[int]], titles: Sequence[str]) -> Figure:
    """Which question's clip each answer is scored with, beside the question that it answers.

    Args:
        clips: for each panel, the clip's question by answer; answers stand in groups of equals.
    """
    fig, axes = plt.subplots(1, len(clips), figsize=(4.2 * len(clips), 2.2), squeeze=False)
    colours = (BLUE, ORANGE, GREEN)
    for ax, own, title in zip(axes.flat, clips, titles, strict=True):
        size = len(own) // len(set(own))
        for place, clip in enumerate(own):
            for row, question in enumerate((place // size, clip)):
                ax.add_patch(
                    plt.Rectangle((place, 1 - row), 0.92, 0.85, color=colours[question % 3])
                )
                ax.text(
                    place + 0.46, 1.42 - row, "ABC"[question % 3], ha="center", va="center",
                    color="white", fontweight="bold",
                )  # fmt: skip
            if clip != place // size:
                ax.text(place + 0.46, -0.3, "✗", ha="center", va="center", color=RED)
        ax.set(xlim=(0, len(own)), ylim=(-0.6, 2), title=title, xticks=[])
        ax.set_yticks([1.42, 0.42], ["question", "clip"])
        ax.tick_params(length=0)
        ax.grid(False)
        for side in ax.spines.values():
            side.set_visible(False)
    return fig
