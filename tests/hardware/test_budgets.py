"""Budgets: by hand, against real updates, and that every profile fits the GPU it is meant for."""

import dataclasses
import json
import sys
from importlib import import_module
from pathlib import Path

import pytest

from r1aqa_helpers.experiments.methods import METHODS, method_settings
from r1aqa_helpers.hardware import PROFILES, TINY_PROFILE, budgets, flops
from r1aqa_helpers.hardware.budgets import RESULTS, budget
from r1aqa_helpers.hardware.gpus import GPUS, MEANT_FOR, find_gpu
from r1aqa_helpers.hardware.memory import TEXT
from r1aqa_helpers.hardware.summary import announcement, warnings_for, with_settings
from r1aqa_helpers.training.grpo.run import GRPOSettings
from r1aqa_helpers.training.sft import SFTSettings
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.machine import Machine

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))
benchmark = import_module("budgets")
sys.path.remove(str(ROOT / "benchmarks"))

GB = 10**9
ON_GPUS = [profile for profile in PROFILES.values() if profile.device == "cuda"]
on_gpus = pytest.mark.parametrize("profile", ON_GPUS, ids=lambda profile: profile.name)
T4 = Machine((("Tesla T4", 15_800_000_000),))


# --- memory ---------------------------------------------------------------------------------


@pytest.mark.parametrize("thinking", [False, True], ids=["<2>", "<3>"])
@on_gpus
def test_every_profile_fits_its_gpu(profile, thinking):
    """Prompt <3> is 16 tokens longer than <2>, and its answers are as long as when it is asked."""
    found = budget(profile)
    if thinking:
        profile = profile.for_thinking()
        assert profile.grpo["max_completion"] == profile.max_new_tokens == 256
        found = budget(profile, text=TEXT + 16)
    assert found.gpu == MEANT_FOR[profile.name]
    assert found.fits and found.peak <= 0.9 * GPUS[found.gpu].memory
    assert found.peak == max(sum(parts.values()) for parts in found.stages.values())


@on_gpus
def test_clips_of_30_s_fit_too(profile):
    for chosen in (profile, profile.for_thinking()):
        assert budget(chosen, text=TEXT + 16, audio=30 * 25).fits


def test_the_largest_rollout_that_fits_an_h100():
    """With twice as many groups at once, their caches are too large for clips of 30 s."""
    base = PROFILES["h100"]
    twice = 2 * base.grpo["prompts_per_rollout"]
    more = dataclasses.replace(base, grpo={**base.grpo, "prompts_per_rollout": twice})
    assert budget(more).fits and not budget(more, audio=30 * 25).fits


def test_thinking_that_does_not_fit_is_told_before_it_starts():
    machine = Machine((("NVIDIA L4", 24 * GB),), True)
    settings = method_settings(METHODS["grpo-3"], PROFILES["l4"])
    assert settings.gradient_checkpointing and settings.max_completion == 256
    assert "note:" not in announcement(with_settings(PROFILES["l4"], settings), machine)
    kept = with_settings(
        PROFILES["l4"], dataclasses.replace(settings, gradient_checkpointing=False)
    )
    (line,) = warnings_for(kept, machine)
    assert line.startswith("NVIDIA L4 may be too small: 29.6 GB computed at the peak")


def test_gradient_checkpointing_keeps_layers_inputs_alone():
    base = PROFILES["a100"]
    plain, again = (
        budget(dataclasses.replace(base, grpo={**base.grpo, "gradient_checkpointing": chosen}))
        for chosen in (False, True)
    )
    row = 330 + 8 * 127
    inputs = 32 * row * 4096 * 2
    assert again.stages["grpo update"]["activations"] == inputs + row**2
    assert plain.stages["grpo update"]["activations"] > 10 * inputs
    assert plain.stages["grpo update"]["logits"] == again.stages["grpo update"]["logits"]


def test_what_does_not_fit_is_told():
    assert budget("a100", "L4").fits is False
    assert budget("h200-full", "H100").fits is False
    assert budget("h100", "A100 80 GB").fits and not budget("h100", "A100 40 GB").fits
    assert budget("a100", "L4", gpu_memory=80 * GB).fits
    assert budget("tiny").fits is None


def test_what_training_adds_by_hand():
    lora = flops.lora_parameters(flops.config_7b(), 16)
    parts = budget("a100").stages["grpo update"]
    # The adapter in float32 and its 16-bit copy, its gradient, and two moments.
    assert (parts["adapter"], parts["gradients"], parts["optimiser"]) == (
        6 * lora,
        4 * lora,
        8 * lora,
    )
    assert parts["reference"] == 0
    counted = flops.parameters(flops.config_7b())
    trained = counted["total"] - counted["encoder"]
    assert budget("h200-full").stages["grpo update"]["reference"] == 4 * counted["total"]
    full = budget("h200-full").stages["sft"]
    assert full["gradients"] == 4 * trained
    embeddings = counted["embeddings"]
    assert full["optimiser"] == round((trained - embeddings) * (2 + 8 / 256)) + 8 * embeddings
    assert "reference" not in full


def test_more_at_once_takes_more():
    base = PROFILES["a100"]

    def peak(stage, **changed):
        found = budget(dataclasses.replace(base, grpo={**base.grpo, **changed}))
        return sum(found.stages[stage].values())

    assert peak("grpo rollout", prompts_per_rollout=8) > peak("grpo rollout")
    assert peak("grpo rollout", prompts_per_rollout=None) == peak(
        "grpo rollout", prompts_per_rollout=16
    )
    for more in ({"prompts_per_forward": 2}, {"freeze_audio_encoder": False}, {"lora_rank": 64}):
        assert peak("grpo update", **more) > peak("grpo update")


@pytest.mark.parametrize(
    "case",
    [
        ("float32", 0, 2),
        # These compute in bfloat16, which takes minutes where the processor does not know it.
        pytest.param(("autocast", 0, 2, True), marks=pytest.mark.slow),
        pytest.param(("bfloat16", 16, 1, False, 96), marks=pytest.mark.slow),
        pytest.param(("bfloat16", 16, 1, True, 96), marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_the_arithmetic_is_that_of_a_real_update(case):
    """Tensors that two updates of the tiny model hold at most, weights and optimiser included."""
    assert 0.9 < benchmark.update_bytes(*case)["measured_by_computed"] < 1.1


def test_several_gpus_share_a_step():
    assert budget("multi-gpu", gpus=8).peak <= budget("multi-gpu").peak
    with pytest.raises(UserError, match="^profile multi-gpu: 3 GPUs cannot share the 16 questions"):
        budget("multi-gpu", gpus=3)


# --- GPUs and what was measured ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "size", "found"),
    [
        ("Tesla T4", None, "T4"),
        ("NVIDIA L40S", None, None),
        ("NVIDIA A100-SXM4-40GB", None, "A100 40 GB"),
        ("NVIDIA A100-SXM4-80GB", None, "A100 80 GB"),
        ("NVIDIA A100-PCIE", 85 * GB, "A100 80 GB"),
        ("NVIDIA H100 80GB HBM3", None, "H100"),
        ("H200", None, "H200"),
    ],
)
def test_gpus_by_name(name, size, found):
    gpu = find_gpu(name, size)
    assert (gpu.name if gpu else None) == found


def test_only_what_was_measured_is_told_as_measured(tmp_path, monkeypatch):
    tiny = budget("tiny")
    for figure in [*tiny.memory.values(), *tiny.minutes.values()]:
        assert figure.source.startswith("measured (")
    others = [dataclasses.replace(TINY_PROFILE, eval_tokens=1), *ON_GPUS]
    monkeypatch.setattr(budgets, "RESULTS", tmp_path / "none.json")
    for profile in [*others, TINY_PROFILE]:
        found = budget(profile)
        assert {figure.source for figure in found.memory.values()} == {"computed"}
        assert found.minutes == {}


def test_the_committed_budgets_are_those_of_now():
    stored = json.loads(RESULTS.read_text(encoding="utf-8"))
    assert stored["profiles"] == json.loads(json.dumps(benchmark.budgets()))
    for check in stored["checks"]["memory"]:
        assert 0.9 < check["measured_by_computed"] < 1.1
    assert stored["checks"]["time"] == benchmark.update_seconds()


# --- what is printed --------------------------------------------------------------------------


def test_the_block_says_everything_and_what_is_measured():
    rows = {line[2:12].strip(): line[13:] for line in announcement(PROFILES["t4"], T4).splitlines()}
    assert rows["precision"] == "float16, linear layers in 4 bits (NF4)"
    assert rows["trains"] == "LoRA of rank 16 on the language model, audio encoder frozen"
    assert "8 questions x 4 answers of at most 64 tokens" in rows["GRPO"]
    assert rows["GRPO"].endswith(" at once, layers computed again")
    assert rows["memory"].endswith(": computed") and rows["minutes"] == "not measured here"
    full = announcement(PROFILES["h200-full"], Machine((("NVIDIA H200", 150 * GB),), True))
    assert "precision  float32; trained with products in bfloat16" in full
    tiny = announcement(TINY_PROFILE, Machine())
    minutes = budget("tiny").minutes["answering"].value
    assert f"minutes    answering {minutes:.1f}" in tiny and "measured (" in tiny


def test_a_gpu_that_is_missing_too_small_or_without_bf16():
    with pytest.raises(UserError, match="^profile t4: wants a CUDA GPU, and PyTorch sees none; "):
        announcement(PROFILES["t4"], Machine(mps=True))
    with pytest.raises(UserError, match="^profile mps: wants Apple's GPU"):
        announcement(PROFILES["mps"], Machine((("NVIDIA L4", 24 * GB),), True))
    emulated, small = warnings_for(PROFILES["l4"], T4)
    assert emulated.startswith("Tesla T4 computes bfloat16 by emulation only")
    assert small.startswith("Tesla T4 may be too small: 18.8 GB computed at the peak")
    assert warnings_for(PROFILES["t4"], T4) == []
    assert warnings_for(PROFILES["mps"], Machine(mps=True, memory=64 * GB)) == []
    (small,) = warnings_for(PROFILES["mps"], Machine(mps=True, memory=16 * GB))
    assert small.startswith("Apple's GPU may be too small")
    assert small in announcement(PROFILES["mps"], Machine(mps=True, memory=16 * GB))


def test_settings_that_were_given_are_shown():
    profile = PROFILES["a100"]
    settings = GRPOSettings(**{**profile.grpo, "seed": 3})
    assert with_settings(profile, settings) == profile
    changed = with_settings(profile, dataclasses.replace(settings, steps=7))
    assert changed.grpo["steps"] == 7 and changed.sft == profile.sft
    trained = SFTSettings(**{**TINY_PROFILE.sft, "lora_rank": 4, "freeze_audio_encoder": True})
    assert "SFT: LoRA of rank 4" in announcement(with_settings(TINY_PROFILE, trained), Machine())
    plain = SFTSettings(**TINY_PROFILE.sft)
    assert with_settings(TINY_PROFILE, plain) == TINY_PROFILE
