"""Figures as text: one format for tables, reports and what commands print."""

from collections.abc import Mapping, Sequence
from typing import Any


def number_text(value: float | None, digits: int) -> str:
    """With so many digits, or a dash where there is none."""
    return "–" if value is None else f"{value:.{digits}f}"


def interval_text(ends: Sequence[float] | None) -> str:
    """The ends with one digit, or a dash."""
    return "–" if ends is None else f"{ends[0]:.1f}–{ends[1]:.1f}"


def accuracy_text(part: Mapping[str, Any]) -> str:
    """An `Accuracy.as_dict`: ``81.3 % (78.8–83.6, n 1000)``."""
    return f"{part['accuracy']:.1f} % ({interval_text(part['ci95'])}, n {part['n']})"


def gain_text(difference: float, mcnemar_p: float, ci95: Sequence[float] | None = None) -> str:
    """The difference of two accuracies in points, its interval, and the p of their paired test."""
    ends = "" if ci95 is None else f" ({ci95[0]:+.1f} to {ci95[1]:+.1f})"
    return f"{difference:+.1f} points{ends}, McNemar's exact test p = {mcnemar_p:.2g}"
