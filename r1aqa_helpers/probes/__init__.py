"""Probes: what explains an accuracy. Baselines, choice order, the clip's contribution."""

from r1aqa_helpers.probes.baselines import Baseline, text_baselines
from r1aqa_helpers.probes.orders import OrderReport, order_report, rotations
from r1aqa_helpers.probes.run import Contribution, contribution, probe, probe_lines

__all__ = [
    "Baseline",
    "Contribution",
    "OrderReport",
    "contribution",
    "order_report",
    "probe",
    "probe_lines",
    "rotations",
    "text_baselines",
]
