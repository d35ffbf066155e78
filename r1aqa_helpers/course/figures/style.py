"""One style for every figure: colour-blind safe, readable on a projector, with words beside it."""

import base64
import io
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import display
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from PIL import Image

from r1aqa_helpers.data.audio import SAMPLE_RATE

#: Okabe and Ito's colours, which differ to any colour vision (jfly.uni-koeln.de/color).
BLUE, ORANGE, GREEN, RED = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, SKY, YELLOW, GREY = "#CC79A7", "#56B4E9", "#F0E442", "#6B6B6B"
COLOURS = (BLUE, ORANGE, GREEN, RED, PURPLE, SKY, YELLOW)

#: Pixels per inch of a stored figure: sharp when shown at half its size, small in the file.
DPI = 110


def use_style() -> None:
    """Set matplotlib's defaults for the course."""
    plt.rcParams.update(
        {
            "figure.figsize": (8.0, 3.6),
            "figure.dpi": DPI,
            "figure.constrained_layout.use": True,
            "font.size": 12,
            "axes.titlesize": 13,
            "axes.titlelocation": "left",
            "axes.labelsize": 12,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.axisbelow": True,
            "grid.color": "#DDDDDD",
            "grid.linewidth": 0.8,
            "lines.linewidth": 2.2,
            "lines.markersize": 7,
            "legend.frameon": False,
            "image.cmap": "viridis",
            "axes.prop_cycle": plt.cycler(color=COLOURS),
            "savefig.facecolor": "white",
        }
    )


def png(fig: Figure, dpi: int = DPI, colours: int = 256) -> bytes:
    """A figure as a small PNG: a drawing needs no more colours than these. Closes the figure."""
    drawn, packed = io.BytesIO(), io.BytesIO()
    fig.savefig(drawn, format="png", dpi=dpi, metadata={"Software": None})
    plt.close(fig)
    picture = Image.open(drawn).convert("RGB")
    picture.quantize(colours, dither=Image.Dither.NONE).save(packed, format="PNG", optimize=True)
    return packed.getvalue()


def figure(fig: Figure, alt: str) -> None:
    """Show a figure as a picture with a text for those who do not see it, and close it.

    Args:
        alt: what the figure shows, in a sentence or two.
    """
    # Not IPython's Image, which takes no text in the versions of hosted notebooks.
    data = {
        "image/png": base64.b64encode(png(fig)).decode("ascii"),
        "text/plain": f"Figure: {alt}",
    }
    display(data, metadata={"image/png": {"alt": alt}}, raw=True)


def box(
    ax: Axes,
    centre: tuple[float, float],
    size: tuple[float, float],
    text: str,
    colour: str,
    filled: bool = False,
) -> None:
    """Draw a rounded box with text in it: of one colour, or framed by it."""
    (x, y), (width, height) = centre, size
    ax.add_patch(
        FancyBboxPatch(
            (x - width / 2, y - height / 2),
            width,
            height,
            boxstyle="round,pad=0,rounding_size=0.08",
            facecolor=colour if filled else "white",
            edgecolor=colour,
            linewidth=2,
        )
    )
    style: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 9.5}
    ax.text(x, y, text, color="white" if filled else "black", **style)


def arrow(ax: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Draw an arrow between two points."""
    style = {"arrowstyle": "-|>", "color": GREY, "shrinkA": 0, "shrinkB": 0}
    ax.annotate("", end, start, arrowprops=style)


def waveform(ax: Axes, wave: np.ndarray) -> None:
    """Draw samples (shape (n,), in [-1, 1], at the model's rate) over seconds."""
    seconds = np.arange(len(wave)) / SAMPLE_RATE
    ax.plot(seconds, wave, color=BLUE, linewidth=0.6)
    ax.set(xlabel="seconds", ylabel="amplitude", xlim=(0, len(wave) / SAMPLE_RATE), ylim=(-1, 1))


def spectrogram(ax: Axes, mel: np.ndarray) -> None:
    """Draw a log-mel spectrogram (shape (channels, frames of 10 ms)), low channels below."""
    ax.imshow(
        mel,
        origin="lower",
        aspect="auto",
        extent=(0, mel.shape[1] / 100, 0, mel.shape[0]),
        interpolation="nearest",
    )
    ax.grid(False)
    ax.set(xlabel="seconds", ylabel="mel channel")
