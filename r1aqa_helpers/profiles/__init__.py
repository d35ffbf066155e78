"""Profiles: the settings for each kind of hardware. Nothing here loads a model.

``profile`` says what a profile is, ``profiles`` holds them all, ``select`` picks one for a
machine, ``machine`` describes the machine and knows nothing of profiles.
"""

from r1aqa_helpers.profiles.machine import Machine, hardware, this_machine
from r1aqa_helpers.profiles.profile import Profile
from r1aqa_helpers.profiles.profiles import PROFILES, QWEN2_AUDIO, TINY_PROFILE
from r1aqa_helpers.profiles.select import pick_for, pick_profile

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
