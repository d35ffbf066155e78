"""Budgets: what a profile takes in memory and time, computed or measured, and said which.

``gpus`` holds the data sheets, ``work`` says what a profile has to do, ``memory`` and ``times``
do the arithmetic on it, ``measured`` finds what has been measured, ``budget`` brings all
together, and ``shown`` turns it into what is printed before work starts.
"""

from r1aqa_helpers.budgets.budget import COMPUTED, Budget, Figure, budget
from r1aqa_helpers.budgets.gpus import GPUS, MEANT_FOR, Gpu, find_gpu
from r1aqa_helpers.budgets.memory import HEADROOM
from r1aqa_helpers.budgets.shown import announcement, warnings_for, with_settings

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
