"""Figures of notebook 02: waveform, spectrograms, mel filters, the encoder, attention, layers."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch

from r1aqa_helpers.course.figures.style import (
    BLUE,
    COLOURS,
    GREY,
    ORANGE,
    SKY,
    figure,
    spectrogram,
    waveform,
)
from r1aqa_helpers.data.audio import SAMPLE_RATE


def wave_and_detail(wave: np.ndarray, at: float) -> None:
    """Show a wave, and 25 ms of it from ``at`` seconds."""
    fig, (whole, close) = plt.subplots(1, 2, figsize=(9, 2.6), width_ratios=[2, 1])
    waveform(whole, wave)
    top = 1.1 * np.abs(wave).max()
    whole.set(ylim=(-top, top), title="the clip")
    whole.axvline(at, color=ORANGE)
    start, n = round(at * SAMPLE_RATE), round(0.025 * SAMPLE_RATE)
    close.plot(1000 * np.arange(n) / SAMPLE_RATE, wave[start : start + n], color=ORANGE)
    close.set(xlabel="milliseconds", title=f"25 ms of it, from {at:.2f} s")
    figure(
        fig,
        f"Left: the waveform of the clip, {len(wave) / SAMPLE_RATE:.1f} s. Right: 25 ms of it "
        f"from {at:.2f} s, a shape that repeats regularly.",
    )


def power_and_log(power: torch.Tensor) -> None:
    """Show a spectrogram (bins, frames) of 0 to 8 kHz as it is, and its logarithm."""
    fig, axes = plt.subplots(1, 2, figsize=(9, 2.8), sharey=True)
    extent = (0, power.shape[1] / 100, 0, SAMPLE_RATE / 2000)
    images = {"power": power, "log10 of it": power.clamp(min=1e-10).log10()}
    for ax, (name, image) in zip(axes, images.items(), strict=True):
        ax.imshow(image, origin="lower", aspect="auto", extent=extent)
        ax.set(title=name, xlabel="seconds")
        ax.grid(False)
    axes[0].set_ylabel("kHz")
    figure(
        fig,
        "Two spectrograms of the clip. Left, the raw power: nearly black. Right, its logarithm: "
        "the sounds are visible.",
    )


def mel_filters(filters: torch.Tensor, some: Sequence[int]) -> None:
    """Show some of the mel filters (bins, channels) over frequency."""
    fig, ax = plt.subplots(figsize=(9, 2.4))
    hertz = np.linspace(0, SAMPLE_RATE / 2, len(filters))
    for place, channel in enumerate(some):
        weights, colour = filters[:, channel].numpy(), COLOURS[place % len(COLOURS)]
        ax.fill_between(hertz, weights, color=colour, alpha=0.35)
        ax.plot(hertz, weights, color=colour, linewidth=1.4)
        tip = (hertz[weights.argmax()], weights.max())
        ax.text(*tip, str(channel), ha="center", va="bottom", fontsize=10)
    top = 1.2 * float(filters[:, list(some)].max())
    ax.set(xlabel="Hz", ylabel="weight", xlim=(0, SAMPLE_RATE / 2), ylim=(0, top))
    figure(
        fig,
        "Triangles over frequency, some of the mel channels. The low ones are narrow and high, "
        "the high ones wide and flat.",
    )


def log_mel(mel: np.ndarray, seconds: float) -> None:
    """Show a log-mel spectrogram (channels, frames) of a whole window, and where its clip ends."""
    fig, ax = plt.subplots(figsize=(9, 2.9))
    spectrogram(ax, mel)
    ax.axvline(seconds, color="white", linestyle="--")
    if seconds < 0.98 * mel.shape[1] / 100:
        ax.annotate(
            "padding",
            ((seconds + mel.shape[1] / 100) / 2, 60),
            ha="center",
            color="white",
            rotation=90,
            va="center",
        )
    figure(
        fig,
        f"The log-mel spectrogram of the clip: {len(mel)} channels over time; after "
        f"{seconds:.1f} s, behind a dashed line, an even area of padding.",
    )


def tree_of_frames(tokens: int = 3) -> None:
    """Show how frames become tokens: convolution of kernel 3, one of stride 2, a pool of 2.

    Lines join what is added up; what the middle token hears is marked.
    """
    fig, ax = plt.subplots(figsize=(9, 3.2))
    names = ("mel frames", "conv 1", "conv 2", "pool")
    counts = (4 * tokens, 4 * tokens, 2 * tokens, tokens)
    inputs = (
        lambda i: range(i - 1, i + 2),
        lambda i: range(2 * i - 1, 2 * i + 2),
        lambda i: range(2 * i, 2 * i + 2),
    )
    heard = [{tokens // 2}]
    for of in reversed(inputs):
        heard.insert(0, {j for i in heard[0] for j in of(i)})

    def place(row: int, index: int) -> float:
        return (index + 0.5) * 4 * tokens / counts[row]

    for row, count in enumerate(counts):
        for i in range(count):
            lit = i in heard[row]
            for j in inputs[row - 1](i) if row else ():
                if 0 <= j < counts[row - 1]:
                    ends = [place(row - 1, j), place(row, i)]
                    style = {"color": ORANGE, "lw": 1.8} if lit else {"color": "#CCCCCC", "lw": 0.8}
                    ax.plot(ends, [row - 1, row], zorder=1, **style)
            style = {"marker": "s", "color": ORANGE} if lit else {"marker": "o", "color": SKY}
            ax.scatter(place(row, i), row, s=130, zorder=2, edgecolor="black", **style)
    ax.set_yticks(range(len(names)), names)
    ax.set(xlim=(0, 4 * tokens), ylim=(-0.4, len(names) - 0.6))
    marks = range(0, 4 * tokens + 1, 4)
    ax.set_xticks(marks, [f"{10 * frame} ms" for frame in marks])
    ax.grid(False)
    figure(
        fig,
        f"{4 * tokens} mel frames below, joined by lines to {4 * tokens}, {2 * tokens} and "
        f"{tokens} positions above. The middle token goes back to {len(heard[0])} frames.",
    )


def moved(change: Sequence[float], silenced: float) -> None:
    """Show how far each audio token moved when the first ``silenced`` seconds fell silent."""
    fig, ax = plt.subplots(figsize=(9, 2.4))
    middles = (np.arange(len(change)) + 0.5) / 25
    ax.bar(middles, change, width=0.035, color=BLUE)
    ax.axvspan(0, silenced, color=ORANGE, alpha=0.3)
    ax.text(silenced / 2, max(change), "silenced", ha="center", va="bottom", fontsize=11)
    ax.set(xlabel="seconds", ylabel="relative change", xlim=(0, len(change) / 25))
    ax.set_ylim(0, 1.2 * max(change))
    figure(
        fig,
        "Bars over time: how far each audio token moves when the shaded part is silenced. Those "
        "near it move most, all others move, too.",
    )


def answer_by_layer(chances: torch.Tensor, choices: Sequence[str]) -> None:
    """Show each choice's probability after each layer: (layers + 1, choices)."""
    fig, ax = plt.subplots(figsize=(8, 3.0))
    steps = np.arange(len(chances))
    order = chances[-1].argsort(descending=True).tolist()
    lowest = np.inf
    for place, choice in enumerate(order):
        colour = COLOURS[place % len(COLOURS)]
        ax.plot(steps, chances[:, choice].numpy(), "o-", color=colour)
        # Names of lines that end close to one another stand below one another.
        lowest = min(float(chances[-1, choice]), lowest - 0.09)
        ax.text(steps[-1] + 0.1, lowest, choices[choice], color=colour, va="center")
    ax.set(xlabel="layers of the language model", ylabel="probability", xticks=steps)
    ax.set(xlim=(0, steps[-1] + 0.9), ylim=(min(-0.05, lowest - 0.05), 1.02))
    told = ", ".join(f"{choices[c]} {chances[-1, c]:.2f}" for c in order)
    figure(fig, f"Probability of each choice after each layer. After the last one: {told}.")


def looked_and_lost(
    looks: Mapping[str, torch.Tensor], losses: Mapping[str, Mapping[float, float]]
) -> None:
    """Show, a column per question, attention over the clip and what silencing each part costs.

    Args:
        looks: title -> weights (audio tokens,).
        losses: the same titles -> start of a stretch in seconds -> nats per token.
    """
    fig, axes = plt.subplots(2, len(looks), figsize=(9, 4.2), sharex=True, sharey="row")
    for column, (title, weights) in zip(axes.T, looks.items(), strict=True):
        middles = (np.arange(len(weights)) + 0.5) / 25
        column[0].fill_between(middles, weights.numpy(), color=BLUE, alpha=0.4)
        column[0].plot(middles, weights.numpy(), color=BLUE)
        column[0].set_title(title)
        starts = np.array(list(losses[title]))
        width = starts[1] - starts[0]
        column[1].bar(starts + width / 2, list(losses[title].values()), 0.9 * width, color=ORANGE)
        column[1].axhline(0, color=GREY, linewidth=0.8)
        column[1].set_xlabel("seconds")
    axes[0, 0].set_ylabel("attention")
    axes[1, 0].set_ylabel("nats lost\nby silencing")
    told = "; ".join(
        f"{title}: attention is highest at {(int(weights.argmax()) + 0.5) / 25:.1f} s, most is "
        f"lost at {max(losses[title], key=losses[title].__getitem__):.2f} s"
        for title, weights in looks.items()
    )
    figure(fig, f"Above, attention over the clip's time; below, what silencing costs. {told}.")
