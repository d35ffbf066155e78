"""How a training went, as curves."""

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .markup import Html, fill, join

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, VERMILLION, PURPLE = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7"
SMOOTHING = 10  # steps in a running mean


@dataclass(frozen=True)
class Curve:
    """One line of a training figure: ``values[i]`` was logged at ``steps[i]``."""

    title: str
    y_label: str
    steps: Sequence[float]
    values: Sequence[float]
    colour: str = BLUE


@dataclass(frozen=True)
class Axis:
    """A column of ``metrics.jsonl`` that is drawn."""

    key: str
    title: str
    label: str
    colour: str


GRPO_CURVES = (
    Axis("accuracy", "Accuracy reward", "mean reward", BLUE),
    Axis("format", "Format reward", "mean reward", GREEN),
    Axis("reward_std", "Reward spread", "mean deviation in a group", ORANGE),
    Axis("kl", "KL from the base model", "nats per token", VERMILLION),
    Axis("completion_length", "Completion length", "tokens", PURPLE),
)
SFT_CURVES = (Axis("loss", "SFT loss", "nats per token", BLUE),)
CURVES = {"GRPO": GRPO_CURVES, "SFT": SFT_CURVES}


def curves(rows: Sequence[Mapping[str, Any]], wanted: Sequence[Axis]) -> list[Curve]:
    """The wanted curves of those that the rows, with a "step" each, have values for."""
    found = []
    for axis in wanted:
        points = [(row["step"], row[axis.key]) for row in rows if row.get(axis.key) is not None]
        if points:
            steps, values = zip(*points, strict=True)
            found.append(Curve(axis.title, axis.label, steps, values, axis.colour))
    return found


def training(name: str, rows: Sequence[Mapping[str, Any]]) -> Html:
    """The curves of one method's training."""
    return fill(
        '<h2>$name training</h2>\n<p class="note">Each step\'s mean over its answers; the bold line'
        ' is the mean of ten steps.</p>\n<div class="figures">$figures</div>',
        name=name,
        figures=join(_figure(curve) for curve in curves(rows, CURVES[name])),
    )


def _figure(curve: Curve) -> Html:
    """The curve as inline SVG, with a sentence for those who do not see it."""
    values = list(curve.values)
    summary = (
        f"{curve.title}: {values[0]:.3g} at step {curve.steps[0]:g}, "
        f"{values[-1]:.3g} at step {curve.steps[-1]:g}; "
        f"lowest {min(values):.3g}, highest {max(values):.3g}."
    )
    return fill(
        '<figure><div role="img" aria-label="$summary">$svg</div>'
        "<figcaption>$summary</figcaption></figure>",
        summary=summary,
        svg=_svg(curve),
    )


def _svg(curve: Curve) -> Html:
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context({"font.size": 11}):
        figure = Figure(figsize=(4.2, 2.8), layout="constrained")
        axes = figure.add_subplot()
        marker = "o" if len(curve.values) == 1 else None
        many = len(curve.values) > 2 * SMOOTHING
        faint = {"alpha": 0.35, "linewidth": 0.8} if many else {"linewidth": 1.8}
        axes.plot(curve.steps, curve.values, color=curve.colour, marker=marker, **faint)
        if many:
            mean = np.convolve(curve.values, np.ones(SMOOTHING) / SMOOTHING, mode="valid")
            middle = curve.steps[SMOOTHING // 2 :][: len(mean)]
            axes.plot(middle, mean, color=curve.colour, linewidth=1.8)
        axes.set(title=curve.title, xlabel="step", ylabel=curve.y_label)
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        return svg_of(figure, curve.title)


def svg_of(figure: "Figure", salt: str) -> Html:
    """A figure as inline SVG, as wide as its place; ``salt`` differs among those of a page."""
    import matplotlib

    # Text stays text (small files, readable aloud); a salt of its own keeps the ids of the
    # figures of one page apart and the file the same on every run.
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": salt}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    # The page decides the width, so that a figure fits a phone.
    return Html(re.sub(r'<svg ([^>]*?)width="[^"]*" ?', r"<svg \1", svg, count=1))
