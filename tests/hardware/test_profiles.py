"""The profiles fit the settings that they are meant for, and the hardware picks the right one."""

import json
import os
from types import SimpleNamespace

import pytest
import torch

from r1aqa_helpers.hardware import PROFILES, TINY_PROFILE, pick_for, pick_profile
from r1aqa_helpers.training.grpo.run import GRPOSettings
from r1aqa_helpers.training.sft import SFTSettings
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.machine import Machine, this_machine
from r1aqa_helpers.utils.paths import TINY

GB = 10**9
T4, L4 = ("Tesla T4", 15_800_000_000), ("NVIDIA L4", 23_600_000_000)
A100 = ("NVIDIA A100-SXM4-40GB", 42 * GB)
H100, H200 = ("NVIDIA H100 80GB HBM3", 85 * GB), ("NVIDIA H200", 150 * GB)

each = pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)


@each
def test_overrides_are_names_and_values_of_settings(profile):
    for made, wanted in (
        (GRPOSettings(**profile.grpo), profile.grpo),
        (SFTSettings(**profile.sft), profile.sft),
    ):
        assert {name: getattr(made, name) for name in wanted} == wanted
        assert wanted["freeze_audio_encoder"] is (profile.name != "tiny")
        assert bool(made.lora_rank) is (profile.name not in ("tiny", "h200-full"))
    assert json.loads(json.dumps(profile.as_dict()))["name"] == profile.name


def test_the_tiny_profile_is_that_of_the_recorded_run():
    recorded = json.loads((TINY / "reference_run" / "results.json").read_text())["settings"]
    now = TINY_PROFILE.as_dict()
    assert {name: now[name] for name in recorded if name not in ("sft", "grpo")} == {
        name: value for name, value in recorded.items() if name not in ("sft", "grpo")
    }
    assert now["quantise"] is None
    # All weights were trained, the default at that time.
    all_weights = {"freeze_audio_encoder": False}
    assert now["sft"] == recorded["sft"] | all_weights
    assert now["grpo"] == recorded["grpo"] | all_weights


@pytest.mark.parametrize(
    ("machine", "name"),
    [
        (Machine(), "tiny"),
        (Machine((("GeForce GTX 1080", 8 * GB),)), "tiny"),
        (Machine((T4,)), "t4"),
        (Machine((("Tesla V100-SXM2-32GB", 34 * GB),)), "t4"),
        (Machine((("NVIDIA RTX 4080", 17 * GB),), bf16=True), "t4"),
        (Machine((L4,), bf16=True), "l4"),
        (Machine((("NVIDIA L40S", 47 * GB),), bf16=True), "a100"),
        (Machine((A100,), bf16=True), "a100"),
        (Machine((H100,), bf16=True), "h100"),
        (Machine((H200,), bf16=True), "h100"),
        (Machine((A100, A100), bf16=True), "multi-gpu"),
        (Machine((H100, L4), bf16=True), "l4"),
        (Machine(mps=True, memory=64 * GB), "mps"),
        (Machine(mps=True, memory=16 * GB), "tiny"),
    ],
)
def test_the_hardware_picks(machine, name):
    picked, why = pick_for(machine)
    assert picked == name and picked in PROFILES
    smallest = min(machine.gpus, key=lambda gpu: gpu[1], default=None)
    assert (smallest[0] if smallest else "GPU") in why


def cuda(monkeypatch, *gpus):
    """Make PyTorch see these: name, bytes, compute capability."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: bool(gpus))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: len(gpus))
    seen = [SimpleNamespace(name=name, total_memory=size) for name, size, _ in gpus]
    monkeypatch.setattr(torch.cuda, "get_device_properties", seen.__getitem__)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda index: gpus[index][2])


def test_what_pytorch_sees(monkeypatch):
    cuda(monkeypatch, (*A100, (8, 0)), (*T4, (7, 5)))
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    found = this_machine()
    assert found.gpus == (A100, T4) and not found.bf16 and not found.mps
    assert found.memory == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert pick_profile().name == "t4"
    cuda(monkeypatch, (*A100, (8, 0)))
    assert this_machine().bf16 and pick_profile().name == "a100"
    cuda(monkeypatch)
    assert not this_machine().bf16 and pick_profile().name == "tiny"


@pytest.mark.parametrize("name", ["huge", "T4"])
def test_unknown_profile(name):
    with pytest.raises(UserError, match=f"^profile {name!r}: unknown, choose one of tiny, t4"):
        pick_profile(name)
