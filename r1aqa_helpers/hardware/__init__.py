"""Which settings for which hardware, and how much memory they take; nothing here loads a model.

`profiles` holds all profiles and picks one for a machine; `gpus`, `flops`, `memory` and `budgets`
compute what a profile takes, `summary` prints it, `doctor` checks a machine.
"""

from r1aqa_helpers.hardware.profiles import (
    PROFILES,
    TINY_PROFILE,
    Profile,
    pick_for,
    pick_profile,
)
