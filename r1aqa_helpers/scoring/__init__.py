"""From what a model said to how well it did: extraction, MMAU's matching, scores, tests.

Nothing here loads a model or reads audio. `matching` judges one answer, `tables` counts over
questions, `breakdown` over groups of them, `statistics` says how sure the counts are, `power` how
many questions are enough, `floors` what needs no ears, and `predictions` reads files.
"""

from .breakdown import GROUPINGS, KINDS, Group, answer_kind, breakdown, confusions
from .floors import (
    best_position,
    chance,
    fixed_position,
    longest_choice,
    majority_answer,
    random_choice,
)
from .matching import accepted_choices, extract_answer, strict_match, string_match
from .power import detection_power, questions_needed
from .predictions import read_predictions
from .statistics import (
    McNemar,
    bootstrap_difference,
    holm,
    mcnemar,
    mcnemar_p,
    wilson_interval,
)
from .tables import Accuracy, Score, score

__all__ = [
    "GROUPINGS",
    "KINDS",
    "Accuracy",
    "Group",
    "McNemar",
    "Score",
    "accepted_choices",
    "answer_kind",
    "best_position",
    "bootstrap_difference",
    "breakdown",
    "chance",
    "confusions",
    "detection_power",
    "extract_answer",
    "fixed_position",
    "holm",
    "longest_choice",
    "majority_answer",
    "mcnemar",
    "mcnemar_p",
    "questions_needed",
    "random_choice",
    "read_predictions",
    "score",
    "strict_match",
    "string_match",
    "wilson_interval",
]
