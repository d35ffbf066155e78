"""Profiles: what a reproduction runs on, and with which settings. Nothing here loads a model.

``profile`` says what one is, ``table`` holds them all, ``picking`` finds the one for a machine,
``machine`` looks at it.
"""

from r1aqa_helpers.profiles.machine import Machine, hardware, this_machine
from r1aqa_helpers.profiles.picking import pick_for, pick_profile
from r1aqa_helpers.profiles.profile import Profile
from r1aqa_helpers.profiles.table import PROFILES, QWEN2_AUDIO, TINY_PROFILE

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
