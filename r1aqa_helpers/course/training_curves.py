"""Curves of a training run: live while it goes on, and as a picture afterwards."""

import base64
import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
from IPython.display import display
from matplotlib.figure import Figure

from r1aqa_helpers.course.figures.style import COLOURS, figure, png

#: Title, y label, and the log's columns with their labels.
Panel = tuple[str, str, Sequence[tuple[str, str]]]

_REWARDS = (("accuracy", "accuracy"), ("format", "format"))
#: What is drawn of a GRPO run beside its rewards, and of SFT.
GRPO_PANELS: tuple[Panel, ...] = (
    ("Zero-variance groups", "share of groups", (("zero_variance_groups", "zero-variance"),)),
    ("Distance from the start", "KL, nats per token", (("kl", "KL"),)),
    ("Length", "tokens per answer", (("completion_length", "length"),)),
)
SFT_PANELS: tuple[Panel, ...] = (("Loss", "nats per token", (("loss", "loss"),)),)

#: The mark of an output that lasts only while a run goes on: neither stored nor compared.
_LIVE = "r1aqa-live"

#: Steps over which the thick line is averaged.
WINDOW = 9
_SECONDS = 2.0  # between two drawings, at least
_SHARE = 0.05  # of the time that drawing may take


def smoothed(values: Sequence[float | None], window: int = WINDOW) -> list[float]:
    """A centred moving mean, narrower at the ends; gaps (None, NaN) are left out.

    Returns one value per step; NaN where the whole window is a gap.
    """
    half, result = window // 2, []
    for place in range(len(values)):
        near = values[max(0, place - half) : place + half + 1]
        known = [v for v in near if v is not None and not math.isnan(v)]
        result.append(sum(known) / len(known) if known else math.nan)
    return result


def panels_of(row: Mapping[str, Any]) -> tuple[Panel, ...]:
    """What is drawn of a run, by a row of its log: rewards of one's own as their sum."""
    if "reward" not in row:
        return SFT_PANELS
    rewards = [one for one in _REWARDS if row.get(one[0]) is not None]
    if len(rewards) < len(_REWARDS):
        rewards.insert(0, ("reward", "all rewards"))
    return (("Rewards", "mean per answer", tuple(rewards)), *GRPO_PANELS)


def curves(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw a run's rows (of ``metrics.jsonl``) over steps.

    A thin line is what each step gave, a thick one its moving mean over `WINDOW` steps.

    Raises:
        ValueError: there is no row.
    """
    if not rows:
        raise ValueError("curves: the run has made no step yet")
    panels = panels_of(rows[0])
    columns, lines = min(2, len(panels)), -(-len(panels) // 2)
    size = (4.0 * columns if columns > 1 else 6.0, 2.5 * lines + 0.3)
    fig, axes = plt.subplots(lines, columns, figsize=size, squeeze=False)
    steps = [row["step"] for row in rows]
    for ax, (title, label, fields) in zip(axes.flat, panels, strict=True):
        for (field, text), colour, dash in zip(fields, COLOURS, ("-", "--", ":"), strict=False):
            values = [math.nan if row.get(field) is None else row[field] for row in rows]
            ax.plot(steps, values, color=colour, linewidth=0.8, alpha=0.4)
            ax.plot(steps, smoothed(values), color=colour, linestyle=dash, label=text)
        ax.set(title=title, xlabel="step", ylabel=label)
        if len(fields) > 1:
            ax.legend(fontsize=10)
    return fig


def show_curves(rows: Sequence[Mapping[str, Any]]) -> None:
    """Show `curves` as a picture, with a text for those who do not see it."""
    shown = [
        f"{title.lower()} ({', '.join(text for _, text in fields)})"
        for title, _, fields in panels_of(rows[0] if rows else {})
    ]
    figure(curves(rows), alt=f"Training curves over {len(rows)} steps: {'; '.join(shown)}.")


def is_live(output: Mapping[str, Any]) -> bool:
    """Whether a cell's output is that of `LiveCurves`."""
    return bool(output.get("metadata", {}).get(_LIVE))


class LiveCurves:
    """Curves that grow while a model trains: give it each step's row, as ``train_grpo`` does.

    The picture is drawn in place, so seldom that drawing costs the training next to nothing.
    `close` takes it away: `show_curves` shows what is to stay.
    """

    def __init__(self, steps: int) -> None:
        """Open the place of the picture, for a run of so many steps."""
        self.steps = steps
        self.rows: list[dict[str, Any]] = []
        self._next = -math.inf  # when the next picture is due
        begin = {"text/plain": "training begins"}
        self._handle = display(begin, metadata={_LIVE: True}, raw=True, display_id=True)

    def __call__(self, row: Mapping[str, Any]) -> None:
        """Take a step's row, and draw where the last picture is old enough."""
        self.rows.append(dict(row))
        if (begun := time.monotonic()) >= self._next:
            picture = base64.b64encode(png(curves(self.rows))).decode("ascii")
            self._update({"image/png": picture, "text/plain": self.caption()})
            ended = time.monotonic()
            self._next = ended + max(_SECONDS, (ended - begun) / _SHARE)

    def close(self) -> None:
        """Take the picture away."""
        self._update({"text/plain": ""})

    def _update(self, data: dict[str, str]) -> None:
        if self._handle is not None:  # None where there is no notebook
            self._handle.update(data, metadata={_LIVE: True}, raw=True)

    def caption(self) -> str:
        """How far the run is, and how long the rest will take at this pace."""
        if not self.rows:
            return "no step yet"
        done = self.rows[-1]["step"]
        seconds = [row["seconds"] for row in self.rows if row.get("seconds") is not None]
        if not seconds:
            return f"step {done} of {self.steps}"
        left = (self.steps - done) * sum(seconds) / len(seconds)
        return f"step {done} of {self.steps}, about {left:.0f} s left"
