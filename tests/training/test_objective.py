"""GRPO's loss: by hand, and equal to what TRL computes during training."""

import inspect
import math

import pytest
import torch
from test_trainer import Recorder, make, rows
from trl import GRPOTrainer

from r1aqa_helpers.models import LoadedModel
from r1aqa_helpers.tiny.build import random_tiny
from r1aqa_helpers.training.grpo.objective import (
    LOSS_TYPES,
    group_advantages,
    grpo_loss,
    per_token_kl,
)
from r1aqa_helpers.training.grpo.run import GRPOSettings, audio_grpo_config


def test_advantages_are_standardised_within_each_group_and_not_across():
    rewards = torch.tensor([2.0, 1.0, 0.0, 1.0, 100.0, 100.0, 104.0, 100.0])
    advantages = group_advantages(rewards, 4)
    deviation = math.sqrt(2 / 3)  # of 2, 1, 0, 1 over G - 1 = 3
    expected = torch.tensor([1, 0, -1, 0]) / (deviation + 1e-4)
    torch.testing.assert_close(advantages[:4], expected)
    # 100, 100, 104, 100: mean 101, deviation sqrt((1 + 1 + 9 + 1) / 3) = 2
    torch.testing.assert_close(advantages[4:], torch.tensor([-1.0, -1, 3, -1]) / (2 + 1e-4))
    assert group_advantages(torch.tensor([2.0, 2, 2, 2]), 4).tolist() == [0, 0, 0, 0]
    unscaled = group_advantages(torch.tensor([2.0, 0, 1, 1]), 2, scale=False)
    assert unscaled.tolist() == [1, -1, 0, 0]


@pytest.mark.parametrize(("shape", "group"), [((7,), 4), ((4,), 1), ((4,), 0), ((2, 4), 4)])
def test_rewards_that_fill_no_groups_are_refused(shape, group):
    with pytest.raises(ValueError, match="groups"):
        group_advantages(torch.zeros(shape), group)


def test_the_divergence_estimate_is_unbiased_and_zero_only_where_the_models_agree():
    policy, reference = torch.tensor([0.5, 0.3, 0.2]), torch.tensor([0.2, 0.2, 0.6])
    mean = (policy * per_token_kl(policy.log(), reference.log())).sum()
    torch.testing.assert_close(mean, (policy * (policy / reference).log()).sum())
    values = per_token_kl(torch.tensor([-1.0, -1, -1]), torch.tensor([-1.0, -1.5, -0.5]))
    assert values[0] == 0 and (values[1:] > 0).all()


def test_loss_by_hand():
    # Two answers of two and one tokens; ratios 1.5 (clipped to 1.2) and 1; second answer 0.5.
    logps = torch.log(torch.tensor([[0.6, 0.5], [0.2, 0.9]]))
    old = torch.log(torch.tensor([[0.4, 0.5], [0.4, 0.1]]))
    mask, advantages = torch.tensor([[1, 1], [1, 0]]), torch.tensor([1.0, -1.0])
    loss = grpo_loss(logps, old, None, advantages, mask, beta=0.0)
    # First: -(min(1.5, 1.2) + 1) / 2 = -1.1. Second: -min(-0.5, -0.8) = 0.8.
    torch.testing.assert_close(loss, torch.tensor((-1.1 + 0.8) / 2))
    reference = logps + math.log(0.5)
    more = grpo_loss(logps, old, reference, advantages, mask, beta=0.04)
    torch.testing.assert_close(more - loss, torch.tensor(0.04 * (0.5 - math.log(0.5) - 1)))


def test_what_is_not_given_is_r1_aqas(tmp_path):
    given = inspect.signature(grpo_loss).parameters
    config, settings = audio_grpo_config(tmp_path, use_cpu=True), GRPOSettings()
    assert given["beta"].default == settings.beta and given["clip"].default == config.epsilon
    assert given["max_completion"].default == settings.max_completion
    assert given["loss_type"].default == config.loss_type
    eps = inspect.signature(group_advantages).parameters["eps"].default
    assert eps == 1e-4  # TRL's, which it does not name


def test_a_step_raises_what_was_better_than_its_group_and_nothing_after_the_end():
    logps = torch.tensor([[-1.0, -2.0, -3.0]], requires_grad=True)
    mask, advantage = torch.tensor([[1, 1, 0]]), torch.tensor([3.0])
    grpo_loss(logps, logps.detach(), None, advantage, mask, beta=0.0).backward()
    # Downhill is up for the answer's tokens, which share its advantage.
    torch.testing.assert_close(-logps.grad, torch.tensor([[1.5, 1.5, 0.0]]))


@pytest.mark.parametrize("loss_type", LOSS_TYPES)
def test_answers_of_no_tokens_count_as_zero_and_one_token_is_not_diluted(loss_type):
    logps, advantages = torch.zeros(2, 1), torch.tensor([1.0, 1.0])
    for tokens, expected in ((0, 0.0), (1, -0.5 if loss_type in ("grpo", "dr_grpo") else -1.0)):
        mask = torch.tensor([[tokens], [0]])
        loss = grpo_loss(
            logps, logps, None, advantages, mask, 0.0, loss_type=loss_type, max_completion=1
        )
        assert loss == expected


@pytest.fixture(scope="module")
def trainer(tmp_path_factory, questions):
    loaded = LoadedModel(*random_tiny(seed=0), "random")
    made = make(loaded, rows(questions), tmp_path_factory.mktemp("out"), Recorder())
    made.current_gradient_accumulation_steps = 1
    return made


@pytest.mark.parametrize("loss_type", LOSS_TYPES)
@pytest.mark.parametrize(("beta", "on_policy"), [(0.0, False), (0.04, True), (0.04, False)])
def test_value_and_gradient_are_those_of_trl(trainer, loss_type, beta, on_policy):
    """Off the policy, as in a second iteration: ratios from 0.3 to 3, many of them clipped."""
    draw = torch.Generator().manual_seed(0)
    logps, ref, old = (-3 * torch.rand(8, 6, generator=draw) for _ in range(3))
    old = None if on_policy else logps + 0.5 * torch.randn(8, 6, generator=draw)
    mask = (torch.arange(6) < torch.randint(1, 7, (8, 1), generator=draw)).long()
    mask[5] = 0  # an answer of no tokens
    advantages = group_advantages(torch.rand(8, generator=draw), 4)

    theirs = logps.clone().requires_grad_()
    trainer.loss_type, trainer.beta = loss_type, beta
    trainer._get_per_token_logps_and_entropies = lambda *_, **__: (theirs, 0 * mask.float(), None)
    batch = {
        "prompt_ids": torch.zeros(8, 1, dtype=torch.long),
        "prompt_mask": torch.ones(8, 1, dtype=torch.long),
        "completion_ids": torch.zeros(8, 6, dtype=torch.long),
        "completion_mask": mask,
        "advantages": advantages,
        "old_per_token_logps": old,
        "ref_per_token_logps": ref,
        "num_items_in_batch": mask.sum(),
    }
    expected = GRPOTrainer._compute_loss(trainer, trainer.model, batch)
    expected.backward()

    ours = logps.clone().requires_grad_()
    before = ours.detach() if old is None else old
    longest = trainer.max_completion_length
    loss = grpo_loss(ours, before, ref, advantages, mask, beta, 0.2, loss_type, longest)
    loss.backward()
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(ours.grad, theirs.grad)
    assert theirs.grad.abs().sum() > 0
