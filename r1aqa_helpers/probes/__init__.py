"""Probes: what stands behind an accuracy. Floors, choice order, the clip's contribution."""

from .contribution import Contribution, contribution
from .floors import Floor, deaf_floors, text_floors
from .orders import OrderReport, order_report, rotations
from .run import probe, probe_lines

__all__ = [
    "Contribution",
    "Floor",
    "OrderReport",
    "contribution",
    "deaf_floors",
    "order_report",
    "probe",
    "probe_lines",
    "rotations",
    "text_floors",
]
