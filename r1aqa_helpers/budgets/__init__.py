"""Budgets: the memory that a profile takes, computed or measured, and its minutes where measured.

``gpus`` holds the data sheets, ``memory`` the arithmetic, ``budget`` brings it together with what
has been measured, and ``summary`` is what a command prints before it starts to work.
"""

from r1aqa_helpers.budgets.budget import COMPUTED, Budget, Figure, budget
from r1aqa_helpers.budgets.gpus import GPUS, MEANT_FOR, Gpu, find_gpu
from r1aqa_helpers.budgets.memory import HEADROOM
from r1aqa_helpers.budgets.summary import announcement, warnings_for, with_settings

__all__ = [
    "COMPUTED",
    "GPUS",
    "HEADROOM",
    "MEANT_FOR",
    "Budget",
    "Figure",
    "Gpu",
    "announcement",
    "budget",
    "find_gpu",
    "warnings_for",
    "with_settings",
]
