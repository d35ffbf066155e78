"""Two jobs that end in a table, reported beside measured.

`training` is the main one: from a base model, through SFT and GRPO, to their rows. `finished`
trains nothing: it measures the base model and one that is trained already, such as the released
``mispeech/r1-aqa``, on MMAU, and says of each published row whether it is reproduced. `rows` is
what both share.
"""

from r1aqa_helpers.reproduce.finished import RELEASED_MODEL, compare
from r1aqa_helpers.reproduce.training import LARGEST_P, LEAST_GAIN, check_gain, reproduce

__all__ = ["LARGEST_P", "LEAST_GAIN", "RELEASED_MODEL", "check_gain", "compare", "reproduce"]
