"""What single notebooks use beside their checks: numbers, toys, recorded runs, figures."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from r1aqa_helpers.course.figures import n05 as masks
from r1aqa_helpers.course.lessons import n00, n06, n07, n10
from r1aqa_helpers.course.recorded_run import RecordedRun, Rollout
from r1aqa_helpers.data import AudioQuestion, read_questions
from r1aqa_helpers.hardware import PROFILES, TINY_PROFILE
from r1aqa_helpers.scoring import wilson_interval

WIN_RATES = torch.tensor([0.2, 0.4, 0.5, 0.8])


def test_00_lines_carry_reported_and_measured_figures_with_intervals():
    found = n00.lines()
    grpo = ((64.5, wilson_interval(645, 1000)), (73.9, wilson_interval(739, 1000)))
    assert found["GRPO, prompt <2>"] == grpo
    assert found["SFT, full, prompt <1>"][1] is None and found["SFT, prompt <2>"][0] is None
    assert found["people"] == ((82.23, None), None)


def test_06_an_estimate_is_the_gradient_of_the_weighted_log_probability():
    logits = torch.tensor([0.3, -1.0, 0.2, 0.9], requires_grad=True)
    actions, weights = torch.tensor([2, 0, 2]), torch.tensor([1.5, -0.5, 0.0])
    found = n06.policy_gradients(logits.detach(), actions, weights)
    for action, weight, estimate in zip(actions, weights, found, strict=True):
        loss = weight * torch.log_softmax(logits, dim=0)[action]
        torch.testing.assert_close(estimate, torch.autograd.grad(loss, logits)[0])


def test_06_a_baseline_makes_learning_indifferent_to_a_shift_of_all_rewards():
    plain = n06.learn(WIN_RATES, baseline=True, steps=40, runs=20)
    shifted = n06.learn(WIN_RATES, baseline=True, steps=40, runs=20, shift=5.0)
    torch.testing.assert_close(plain, shifted, atol=1e-3, rtol=0)
    assert plain[:, -1].mean() > plain[:, 0].mean() + 0.1
    without = n06.learn(WIN_RATES, baseline=False, steps=150, runs=50, shift=5.0)
    assert (without[:, -1] < 0.6).float().mean() > 0.2


def test_06_a_profile_trains_all_weights_or_an_adapter_in_float32(loaded):
    chosen = n06.trainable(loaded.model, TINY_PROFILE)
    assert sum(p.numel() for p in chosen) > 0.9 * sum(p.numel() for p in loaded.model.parameters())
    model = loaded.model.to(torch.bfloat16)
    profile = dataclasses.replace(PROFILES["a100"], grpo={"lora_rank": 2})
    chosen = n06.trainable(model, profile)
    names = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    assert names and all("lora" in name and "audio_tower" not in name for name in names)
    assert len(chosen) == len(names) and {p.dtype for p in chosen} == {torch.float32}
    model(input_ids=torch.tensor([[7, 8, 9]])).logits.float().sum().backward()
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in chosen)


def test_06_the_compared_step_leaves_the_policy_as_it_is(loaded, make_questions, tmp_path):
    questions = read_questions(make_questions(2)[0])
    before = {name: p.clone() for name, p in loaded.model.named_parameters()}
    step = n06.trainer_step(loaded, questions, tmp_path / "step", group_size=4)
    assert [said.question.id for said in step.said] == ["q0"] * 4 + ["q1"] * 4
    assert all(1 <= len(said.tokens) <= 24 for said in step.said) and np.isfinite(step.loss)
    reference = dict(step.reference.named_parameters())
    for name, weight in loaded.model.named_parameters():
        assert torch.equal(reference[name], before[name])
        # What is the same everywhere, as a fresh model's biases, has no deviation to go by.
        constant = weight.numel() < 2 or before[name].std() == 0
        assert torch.equal(weight, before[name]) == bool(constant)
        assert name not in step.gradients or step.gradients[name].shape == weight.shape
    assert "forward" not in vars(loaded.model) and "forward" not in vars(step.reference)


def test_06_a_token_sees_the_prompt_and_its_own_answer_so_far():
    seen = masks.block_mask(2, [2, 1])
    rows = ["10000", "11000", "11100", "11110", "11001"]
    assert seen.dtype == torch.bool
    assert seen.int().tolist() == [[int(sign) for sign in row] for row in rows]
    assert masks.packed_positions(3, [2, 0, 3]).tolist() == [0, 1, 2, 3, 4, 3, 4, 5]
    assert masks.owners(3, [2, 0, 3]).tolist() == [0, 0, 0, 1, 1, 3, 3, 3]


def test_07_a_group_varies_or_has_no_variance_in_one_of_two_ways():
    def rollout(step: int, *rewards: float) -> Rollout:
        return Rollout(step, "q", ("a",) * len(rewards), rewards, {}, (0.0,) * len(rewards))

    rewards = {1: (2.0, 0.0), 10: (2.0, 2.0), 11: (1.0, 1.0), 12: (0.0, 0.0)}
    run = RecordedRun(Path(), [], [rollout(step, *r) for step, r in rewards.items()], {})
    varied, perfect, short = n07.STATES
    assert [n07.state(r) for r in run.rollouts] == [varied, perfect, short, short]
    assert n07.counts_by_block(run) == {
        10: {varied: 1, perfect: 1, short: 0},
        20: {varied: 0, perfect: 0, short: 2},
    }


def test_07_the_first_step_above_a_level_is_that_of_the_moving_mean():
    assert n07.first_above([0.0] * 20 + [1.0] * 20, 0.9) == 25
    with pytest.raises(ValueError, match="never above"):
        n07.first_above([0.0, 0.1], 0.9)


def test_07_kinds_are_counted_and_tasks_where_there_are_none():
    def question(key: str, **extra: str) -> AudioQuestion:
        return AudioQuestion(key, "q.flac", "?", ("a", "b"), "a", task="sound", extra=extra)

    kind = {"question-type": "count"}
    questions = [question("q1", **kind), question("q2", **kind), question("q3")]
    found = n07.by_kind(questions, {"q1": 1, "q2": 0, "q3": 1})
    assert found == {"count": (1, 2), "sound": (1, 1)}


@pytest.mark.parametrize("levels", [n10.EVEN, n10.NF4])
def test_10_every_value_goes_to_its_nearest_level(levels):
    assert len(levels) == 16 and levels[0] == -1 and levels[-1] == 1 and (levels.diff() > 0).all()
    torch.manual_seed(0)
    values = torch.randn(4, 64)
    scale = values.abs().amax(dim=1, keepdim=True)
    apart = (values[..., None] / scale[..., None] - levels).abs()
    assert torch.allclose(n10.round_trip(values, levels), levels[apart.argmin(-1)] * scale)
    block = torch.cat([3 * levels, 0.5 * levels])
    assert n10.relative_error(block, n10.round_trip(block, levels, block=16)) < 1e-6
    assert (n10.round_trip(torch.zeros(64), levels) == 0).all()
    with pytest.raises(ValueError, match="whole blocks of 64"):
        n10.round_trip(torch.zeros(65), levels)


def test_10_zero_shares_out_ever_more():
    # ZeRO, arXiv 1910.02054, figure 1: 7.5 billion parameters on 64 GPUs, in GB.
    published = {"ddp": 120, "ZeRO-1": 31.4, "ZeRO-2": 16.6, "ZeRO-3, FSDP": 1.9}
    for way in n10.SHARED_OUT:
        found = sum(n10.bytes_per_gpu(7_500_000_000, way, 64).values()) / 1e9
        assert found == pytest.approx(published[way], abs=0.06)
