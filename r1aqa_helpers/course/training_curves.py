"""Curves of a training run: live while it goes on, and as a picture afterwards."""

import io
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from IPython.display import display
from matplotlib.figure import Figure

from r1aqa_helpers.course.figures.style import COLOURS, DPI
from r1aqa_helpers.utils.io import write_bytes

#: Title, y label, and the log's columns with their labels.
Panel = tuple[str, str, Sequence[tuple[str, str]]]

#: What is drawn of a GRPO run.
GRPO_PANELS: tuple[Panel, ...] = (
    ("Rewards", "mean reward", (("accuracy", "accuracy"), ("format", "format"))),
    (
        "Variation within groups",
        "deviation, share",
        (("reward_std", "standard deviation"), ("zero_variance_groups", "zero-variance groups")),
    ),
    ("Distance from the start", "KL, nats per token", (("kl", "KL"),)),
    ("Length", "tokens per answer", (("completion_length", "length"),)),
)
#: The same of a run with one reward of one's own, which is neither accuracy nor format.
OWN_PANELS = (("Reward", "mean reward", (("reward", "reward"),)), *GRPO_PANELS[1:])
SFT_PANELS = (("Loss", "nats per token", (("loss", "loss"),)),)

#: Steps over which the thick line is averaged.
WINDOW = 9
_SECONDS = 2.0  # between two drawings


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


def curves(rows: Sequence[Mapping[str, Any]], panels: Sequence[Panel] = GRPO_PANELS) -> Figure:
    """Draw a run's rows (of ``metrics.jsonl``) over steps.

    A thin line is what each step gave, a thick one its moving mean over `WINDOW` steps.
    """
    columns, lines = min(2, len(panels)), -(-len(panels) // 2)
    size = (4.0 * columns if columns > 1 else 6.0, 2.5 * lines + 0.3)
    fig, axes = plt.subplots(lines, columns, figsize=size, squeeze=False)
    for ax in axes.flat[len(panels) :]:
        ax.set_axis_off()
    steps = [row["step"] for row in rows]
    for ax, (title, label, fields) in zip(axes.flat, panels, strict=False):
        for (field, text), colour, dash in zip(fields, COLOURS, ("-", "--"), strict=False):
            values = [math.nan if row.get(field) is None else row[field] for row in rows]
            ax.plot(steps, values, color=colour, linewidth=0.8, alpha=0.4)
            ax.plot(steps, smoothed(values), color=colour, linestyle=dash, label=text)
        ax.set(title=title, xlabel="step", ylabel=label)
        if len(fields) > 1:
            ax.legend(fontsize=10)
    return fig


class LiveCurves:
    """Curves that grow while a model trains: give it to ``train_grpo(..., watch=...)``.

    The picture is drawn in place, every few seconds at most, so that drawing costs the training
    next to nothing; `close` draws the last one.
    """

    def __init__(
        self,
        steps: int,
        panels: Sequence[Panel] = GRPO_PANELS,
        picture: Path | str | None = None,
    ) -> None:
        """Open the place of the picture.

        Args:
            steps: those of the whole run.
            picture: a PNG file in which the latest drawing is kept as well.
        """
        self.steps, self.panels, self.picture = steps, panels, picture
        self.rows: list[dict[str, Any]] = []
        self._drawn = -math.inf
        self._handle = display({"text/plain": "training begins"}, raw=True, display_id=True)

    def __call__(self, row: Mapping[str, Any]) -> None:
        """Take a step's row, and draw where the last picture is old enough."""
        self.rows.append(dict(row))
        if time.monotonic() - self._drawn >= _SECONDS or row.get("step") == self.steps:
            self.close()

    def close(self) -> None:
        """Draw what there is."""
        if not self.rows or self._handle is None:
            return
        fig = curves(self.rows, self.panels)
        buffer = io.BytesIO()
        fig.savefig(buffer, format="png", dpi=DPI)
        plt.close(fig)
        if self.picture is not None:
            write_bytes(self.picture, buffer.getvalue())
        self._handle.update(
            {"image/png": buffer.getvalue(), "text/plain": self.caption()}, raw=True
        )
        self._drawn = time.monotonic()

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
