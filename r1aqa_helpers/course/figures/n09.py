"""Pictures of notebook 09: sixteen levels, stacked bars of memory, and the roofline."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes

from r1aqa_helpers.course.figures.style import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    RED,
    SKY,
    YELLOW,
    figure,
)
from r1aqa_helpers.course.lessons.n09 import EVEN, NF4, bytes_per_gpu
from r1aqa_helpers.hardware.budgets import Budget
from r1aqa_helpers.hardware.gpus import GB, Gpu
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


def memory_bars(
    ax: Axes, rows: Mapping[str, Mapping[str, float]], memory: Mapping[str, float] | None = None
) -> None:
    """One stacked bar per row, in GB.

    Args:
        rows: name -> part -> bytes; parts as `budgets` names them.
        memory: bytes of the row's GPU, drawn as a line at what can be counted on.
    """
    left = np.zeros(len(rows))
    for part, (colour, hatch) in _LOOKS.items():
        sizes = np.array([row.get(part, 0) / GB for row in rows.values()])
        if sizes.any():
            ax.barh(
                range(len(rows)), sizes, 0.66, left=left, color=colour, hatch=hatch,
                edgecolor="white", linewidth=0.5, label=part,
            )  # fmt: skip
            left += sizes
    ends = left.copy()
    if memory:
        lines = [(1 - HEADROOM) * memory[name] / GB for name in rows]
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


def levels_figure() -> None:
    """A normal distribution of weights, and where both kinds of levels lie."""
    weights = torch.randn(4096, generator=torch.Generator().manual_seed(0))
    fig, ax = plt.subplots(figsize=(8, 2.8))
    ax.hist((weights / 4).clamp(-1, 1), 80, color=GREY, alpha=0.45)
    for name, levels, colour, height in (("even", EVEN, ORANGE, 210), ("NF4", NF4, BLUE, 240)):
        ax.plot(levels, [height] * 16, "|", color=colour, markersize=14, markeredgewidth=2.5)
        ax.text(1.05, height, name, color=colour, va="center")
    ax.set(xlabel="weight / scale", ylabel="weights", xlim=(-1.05, 1.2))
    figure(
        fig,
        "A bell of 4,096 weights, and above it two rows of sixteen marks: even levels, and NF4's, "
        "which stand close together in the middle and far apart at the ends.",
    )


def stages_figure(found: Budget) -> None:
    """One profile, stage by stage."""
    fig, ax = plt.subplots(figsize=(8, 3.1))
    memory_bars(ax, found.stages, dict.fromkeys(found.stages, found.gpu_memory or 0))
    totals = {name: sum(parts.values()) / GB for name, parts in found.stages.items()}
    texts = ", ".join(f"{name} {total:.1f} GB" for name, total in totals.items())
    figure(fig, f"Profile {found.profile}, memory by stage and part: {texts}. A black line marks "
           "nine tenths of the GPU.")  # fmt: skip


def zero_figure(parameters: int, gpu_memory: float = 80e9) -> None:
    """What each GPU holds where all weights are trained: copied, and shared out."""
    rows = {"one GPU, or ddp": ("ddp", 8), "8 GPUs, ZeRO-1": ("ZeRO-1", 8),
            "8 GPUs, ZeRO-2": ("ZeRO-2", 8), "4 GPUs, ZeRO-3": ("ZeRO-3, FSDP", 4),
            "8 GPUs, ZeRO-3": ("ZeRO-3, FSDP", 8)}  # fmt: skip
    sizes = {name: bytes_per_gpu(parameters, *how) for name, how in rows.items()}
    fig, ax = plt.subplots(figsize=(8, 3.4))
    memory_bars(ax, sizes, dict.fromkeys(sizes, gpu_memory))
    texts = ", ".join(f"{name} {sum(parts.values()) / GB:.0f}" for name, parts in sizes.items())
    figure(fig, f"GB on each GPU, without activations: {texts}. A black line marks nine tenths of "
           f"{gpu_memory / GB:.0f} GB.")  # fmt: skip


def roofline_figure(gpus: Sequence[Gpu], points: Mapping[str, float]) -> None:
    """The roofline of some GPUs, with points on the first one's."""
    fig, ax = plt.subplots(figsize=(8, 3.6))
    roofline(ax, gpus, points)
    texts = ", ".join(f"{name} at {at:.0f}" for name, at in points.items())
    figure(fig, "Most TFLOP/s over FLOPs per byte read, both logarithmic: rising lines that become "
           f"level, one per GPU ({', '.join(gpu.name for gpu in gpus)}). On the first: {texts} "
           "FLOPs per byte.")  # fmt: skip
