"""What notebook 06 uses: the bandit's gradients against autograd, trained weights, a step."""

import dataclasses

import numpy as np
import pytest
import torch

from r1aqa_helpers.course.lessons.n06 import learn, policy_gradients, trainable, trainer_step
from r1aqa_helpers.data import AudioQuestion
from r1aqa_helpers.data.audio import SAMPLE_RATE, save_audio
from r1aqa_helpers.hardware import PROFILES, TINY_PROFILE
from r1aqa_helpers.models import LoadedModel
from r1aqa_helpers.tiny.build import random_tiny

PAYS = torch.tensor([0.2, 0.4, 0.5, 0.8])


def test_an_estimate_is_the_gradient_of_the_weighted_log_probability():
    logits = torch.tensor([0.3, -1.0, 0.2, 0.9], requires_grad=True)
    arms, weights = torch.tensor([2, 0, 2]), torch.tensor([1.5, -0.5, 0.0])
    found = policy_gradients(logits.detach(), arms, weights)
    for arm, weight, estimate in zip(arms, weights, found, strict=True):
        loss = weight * torch.log_softmax(logits, dim=0)[arm]
        torch.testing.assert_close(estimate, torch.autograd.grad(loss, logits)[0])


def test_the_mean_estimate_is_the_gradient_of_the_expected_reward():
    logits = torch.zeros(4, requires_grad=True)
    (torch.softmax(logits, dim=0) @ PAYS).backward()
    each = policy_gradients(logits.detach(), torch.arange(4), PAYS)
    torch.testing.assert_close(each.mean(dim=0), logits.grad)


def test_a_baseline_makes_learning_indifferent_to_a_shift_of_all_rewards():
    plain = learn(PAYS, baseline=True, steps=40, runs=20)
    shifted = learn(PAYS, baseline=True, steps=40, runs=20, shift=5.0)
    torch.testing.assert_close(plain, shifted, atol=1e-3, rtol=0)
    assert plain.shape == (20, 40)
    assert plain[:, -1].mean() > plain[:, 0].mean() + 0.1
    without = learn(PAYS, baseline=False, steps=150, runs=50, shift=5.0)
    assert (without[:, -1] < 0.6).float().mean() > 0.2


@pytest.fixture
def loaded() -> LoadedModel:
    model, processor = random_tiny(seed=0)
    return LoadedModel(model, processor, "random")


@pytest.fixture
def questions(tmp_path) -> list[AudioQuestion]:
    noise = np.random.default_rng(0)
    made = []
    for i in range(2):
        wave = 0.1 * noise.standard_normal(SAMPLE_RATE).astype(np.float32)
        save_audio(tmp_path / f"{i}.wav", wave)
        made.append(AudioQuestion(f"q{i}", tmp_path / f"{i}.wav", "Which?", ("dog", "cat"), "dog"))
    return made


def test_the_tiny_profile_trains_all_weights(loaded):
    chosen = trainable(loaded.model, TINY_PROFILE)
    assert sum(p.numel() for p in chosen) > 0.9 * sum(p.numel() for p in loaded.model.parameters())
    assert not any("lora" in name for name, _ in loaded.model.named_parameters())


def test_a_profile_with_an_adapter_trains_that_alone_and_in_float32(loaded):
    model = loaded.model.to(torch.bfloat16)
    profile = dataclasses.replace(PROFILES["a100"], grpo={"lora_rank": 2})
    chosen = trainable(model, profile)
    names = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    assert names and all("lora" in name and "audio_tower" not in name for name in names)
    assert len(chosen) == len(names) and {p.dtype for p in chosen} == {torch.float32}
    ids = torch.tensor([[7, 8, 9]])
    model(input_ids=ids).logits.float().sum().backward()
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in chosen)


def test_the_compared_step_leaves_the_policy_and_shows_what_was_done(loaded, questions, tmp_path):
    before = {name: p.clone() for name, p in loaded.model.named_parameters()}
    step = trainer_step(loaded, questions, tmp_path / "step", group_size=4, nudge=0.1)
    assert [said.question.id for said in step.said] == ["q0"] * 4 + ["q1"] * 4
    assert all(1 <= len(said.tokens) <= 24 for said in step.said)
    assert np.isfinite(step.loss)
    reference = dict(step.reference.named_parameters())
    for name, weight in loaded.model.named_parameters():
        assert torch.equal(reference[name], before[name])
        # What is the same everywhere, as a fresh model's biases, has no deviation to go by.
        constant = weight.numel() < 2 or before[name].std() == 0
        assert torch.equal(weight, before[name]) == bool(constant)
        if name in step.gradients:
            assert step.gradients[name].shape == weight.shape
    assert "forward" not in vars(loaded.model) and "forward" not in vars(step.reference)
