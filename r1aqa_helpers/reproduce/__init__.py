"""Two jobs that end in a table, reported beside measured.

`training` is the main one: from a base model, through SFT and GRPO, to their rows. `finished`
trains nothing: it measures the base model and one that is trained already, such as the released
``mispeech/r1-aqa``, on MMAU, and says of each published row whether it is reproduced.

Both use `methods` (the rows of a table), `run` (a folder, the clock, answers of a model in it)
and `writing` (results, report).
"""

from .finished import RELEASED_MODEL, compare
from .training import LARGEST_P, LEAST_GAIN, check_gain, reproduce

__all__ = [
    "LARGEST_P",
    "LEAST_GAIN",
    "RELEASED_MODEL",
    "check_gain",
    "compare",
    "reproduce",
]
