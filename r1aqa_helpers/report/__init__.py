"""One self-contained web page about a reproduction: tables, curves, and clips to listen to.

Whatever a model or a file wrote passes through :func:`fill`, which escapes it; the page holds
no script and fetches nothing. Colours are Okabe and Ito's, told apart by colour-blind readers
(Okabe & Ito, "Color Universal Design", 2008).
"""

from .clips import Answer, Clip, choose_clips
from .curves import CURVES, GRPO_CURVES, SFT_CURVES, Axis, Curve, curves
from .markup import Html, fill, join
from .page import write_report

__all__ = [
    "CURVES",
    "GRPO_CURVES",
    "SFT_CURVES",
    "Answer",
    "Axis",
    "Clip",
    "Curve",
    "Html",
    "choose_clips",
    "curves",
    "fill",
    "join",
    "write_report",
]
