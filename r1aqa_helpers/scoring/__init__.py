"""From what a model said to how well it did: extraction, MMAU's matching, scores, tests.

Nothing here loads a model or reads audio. `matching` judges one answer, `tables` counts over
questions, `statistics` says how sure the counts are, `predictions` reads files.
"""

from .matching import extract_answer, string_match
from .predictions import read_predictions
from .statistics import McNemar, mcnemar, wilson_interval
from .tables import Accuracy, Score, score

__all__ = [
    "Accuracy",
    "McNemar",
    "Score",
    "extract_answer",
    "mcnemar",
    "read_predictions",
    "score",
    "string_match",
    "wilson_interval",
]
