"""The profiles fit the settings that they are meant for."""

import dataclasses
import json

import pytest
import torch

from r1aqa_helpers.errors import UserError
from r1aqa_helpers.grpo.train import GRPOSettings
from r1aqa_helpers.profiles import PROFILES, pick_profile
from r1aqa_helpers.sft import SFTSettings


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
def test_overrides_are_settings(profile):
    GRPOSettings(**profile.grpo)
    SFTSettings(**profile.sft)


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
def test_profiles_are_json_and_cannot_change(profile):
    assert json.loads(json.dumps(profile.as_dict()))["name"] == profile.name
    with pytest.raises(dataclasses.FrozenInstanceError):
        profile.device = "cuda"


@pytest.mark.parametrize("cuda, name", [(False, "tiny"), (True, "full")])
def test_the_hardware_picks(monkeypatch, cuda, name):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    assert pick_profile().name == name


def test_a_name_picks_whatever_the_hardware(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert pick_profile("tiny").device == "cpu"


def test_unknown_profile():
    with pytest.raises(UserError, match="^profile 'huge': unknown, choose one of tiny, full$"):
        pick_profile("huge")
