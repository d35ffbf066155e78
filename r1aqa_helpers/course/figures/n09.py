"""Pictures of notebook 10: stacked bars of memory, and the roofline."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from r1aqa_helpers.course.figures.style import BLUE, GREEN, GREY, ORANGE, PURPLE, RED, SKY, YELLOW
from r1aqa_helpers.hardware.gpus import Gpu
from r1aqa_helpers.hardware.memory import HEADROOM

#: Parts of a GPU's memory: colour and hatch, the same in every chart.
_LOOKS = {
    "weights": (BLUE, ""),
    "adapter": (RED, "xx"),
    "gradients": (ORANGE, "//"),
    "optimiser": (GREEN, "\\\\"),
    "reference": (SKY, ".."),
    "cache": (PURPLE, "--"),
    "activations": (YELLOW, "++"),
    "logits": (GREY, "oo"),
}
_GB = 1e9


def memory_bars(
    ax: Axes, rows: Mapping[str, Mapping[str, float]], memory: Mapping[str, float] | None = None
) -> None:
    """One stacked bar per row, in GB.

    Args:
        rows: name -> part -> bytes; parts as ``budgets`` names them.
        memory: bytes of the row's GPU, drawn as a line at what can be counted on.
    """
    left = np.zeros(len(rows))
    for part, (colour, hatch) in _LOOKS.items():
        sizes = np.array([row.get(part, 0) / _GB for row in rows.values()])
        if sizes.any():
            ax.barh(
                range(len(rows)), sizes, 0.66, left=left, color=colour, hatch=hatch,
                edgecolor="white", linewidth=0.5, label=part,
            )  # fmt: skip
            left += sizes
    ends = left.copy()
    if memory:
        lines = [(1 - HEADROOM) * memory[name] / _GB for name in rows]
        for place, line in enumerate(lines):
            label = "nine tenths of the GPU" if place == 0 else None
            ax.plot([line, line], [place - 0.42, place + 0.42], color="black", label=label)
        # A number that a line would cross stands behind the line.
        near = (left < lines) & (left > np.array(lines) - 0.08 * max(*lines, *left))
        ends = np.where(near, lines, left)
    for place, (end, total) in enumerate(zip(ends, left, strict=True)):
        ax.text(end, place, f" {total:.1f}", va="center", fontsize=10)
    ax.set_yticks(range(len(rows)), list(rows))
    ax.invert_yaxis()
    ax.grid(False, axis="y")
    ax.margins(x=0.09)
    ax.set_xlabel("GB")
    handles, labels = ax.get_legend_handles_labels()
    ax.figure.legend(handles, labels, ncols=5, fontsize=10, loc="outside upper center")


def roofline(ax: Axes, gpus: Sequence[Gpu], points: Mapping[str, float]) -> None:
    """The most TFLOP/s over FLOPs per byte, a line per GPU, and points on the first one's.

    Args:
        points: name -> FLOPs per byte.
    """
    intensity = np.logspace(-0.5, 4, 200)
    looks = ((BLUE, "-"), (ORANGE, "--"), (GREEN, "-."))
    for gpu, (colour, style) in zip(gpus, looks, strict=False):
        most = np.minimum(gpu.sixteen, intensity * gpu.bandwidth) / 1e12
        ax.loglog(intensity, most, style, color=colour, label=gpu.name)
    for (name, at), marker in zip(points.items(), "osD^v", strict=False):
        height = min(gpus[0].sixteen, at * gpus[0].bandwidth) / 1e12
        ax.plot(at, height, marker, color=RED)
        ax.annotate(name, (at, height), (6, -14), textcoords="offset points", fontsize=10)
    ax.set(xlabel="FLOPs per byte read", ylabel="TFLOP/s at most")
    ax.legend(loc="lower right")
