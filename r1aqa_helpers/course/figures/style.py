"""One style for every figure: colour-blind safe, readable on a projector, with words beside it."""

import base64
import io

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import display
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

#: Okabe and Ito's colours, told apart with any colour vision (jfly.uni-koeln.de/color).
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


def figure(fig: Figure, alt: str) -> None:
    """Show a figure as a picture with a text for those who do not see it, and close it.

    Args:
        alt: what the figure shows, in a sentence or two.
    """
    buffer = io.BytesIO()
    fig.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    plt.close(fig)
    # 256 colours are enough for a drawing, and take less than half the room in the file.
    pixels = Image.open(buffer).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    small = io.BytesIO()
    pixels.save(small, format="png", optimize=True)
    # Not IPython's Image, which takes no text in the versions of hosted notebooks.
    png = base64.b64encode(small.getvalue()).decode("ascii")
    data = {"image/png": png, "text/plain": f"Figure: {alt}"}
    display(data, metadata={"image/png": {"alt": alt}}, raw=True)


def waveform(ax: Axes, wave: np.ndarray, rate: int = 16_000) -> None:
    """Draw samples (shape (n,), in [-1, 1]) over seconds."""
    seconds = np.arange(len(wave)) / rate
    ax.plot(seconds, wave, color=BLUE, linewidth=0.6)
    ax.set(xlabel="seconds", ylabel="amplitude", xlim=(0, len(wave) / rate), ylim=(-1, 1))


def spectrogram(ax: Axes, mel: np.ndarray, frames_per_second: int = 100) -> None:
    """Draw a log-mel spectrogram (shape (channels, frames)) over seconds, low channels below."""
    ax.imshow(
        mel,
        origin="lower",
        aspect="auto",
        extent=(0, mel.shape[1] / frames_per_second, 0, mel.shape[0]),
        interpolation="nearest",
    )
    ax.grid(False)
    ax.set(xlabel="seconds", ylabel="mel channel")
