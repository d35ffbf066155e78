"""Which settings for which hardware, and how much memory they take; nothing here loads a model.

`profile` says what a profile is, `profiles` holds them all, `select` picks one for a machine;
`gpus`, `flops`, `memory` and `budgets` compute what a profile takes, `summary` prints it, `doctor`
checks a machine.
"""

from r1aqa_helpers.hardware.profile import Profile
from r1aqa_helpers.hardware.profiles import PROFILES, QWEN2_AUDIO, TINY_PROFILE
from r1aqa_helpers.hardware.select import pick_for, pick_profile
from r1aqa_helpers.utils.machine import Machine, hardware, this_machine

__all__ = [
    "PROFILES",
    "QWEN2_AUDIO",
    "TINY_PROFILE",
    "Machine",
    "Profile",
    "hardware",
    "pick_for",
    "pick_profile",
    "this_machine",
]
