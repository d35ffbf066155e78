import math

import pytest
import torch

from r1aqa_helpers.grpo.advantages import group_advantages, grpo_loss, per_token_kl


def test_advantages_are_standardised_within_each_group_and_not_across():
    rewards = torch.tensor([2.0, 1.0, 0.0, 1.0, 100.0, 100.0, 104.0, 100.0])
    advantages = group_advantages(rewards, 4)
    deviation = math.sqrt(2 / 3)  # of 2, 1, 0, 1 over G - 1 = 3
    expected = torch.tensor([1, 0, -1, 0]) / (deviation + 1e-4)
    torch.testing.assert_close(advantages[:4], expected)
    # 100, 100, 104, 100: mean 101, deviation sqrt((1 + 1 + 9 + 1) / 3) = 2
    torch.testing.assert_close(advantages[4:], torch.tensor([-1.0, -1, 3, -1]) / (2 + 1e-4))


def test_a_group_of_equal_rewards_has_no_advantage():
    assert group_advantages(torch.tensor([2.0, 2, 2, 2]), 4).tolist() == [0, 0, 0, 0]


def test_without_scaling_the_deviation_is_left_out():
    advantages = group_advantages(torch.tensor([2.0, 0, 1, 1]), 2, scale=False)
    assert advantages.tolist() == [1, -1, 0, 0]


@pytest.mark.parametrize(("count", "group"), [(7, 4), (4, 1), (4, 0)])
def test_rewards_that_fill_no_groups_are_refused(count, group):
    with pytest.raises(ValueError, match="groups"):
        group_advantages(torch.zeros(count), group)


def test_the_divergence_estimate_equals_the_divergence_in_the_mean():
    policy, reference = torch.tensor([0.5, 0.3, 0.2]), torch.tensor([0.2, 0.2, 0.6])
    mean = (policy * per_token_kl(policy.log(), reference.log())).sum()
    torch.testing.assert_close(mean, (policy * (policy / reference).log()).sum())


def test_the_divergence_estimate_is_zero_only_where_the_models_agree():
    logps = torch.tensor([-1.0, -1.0, -1.0])
    values = per_token_kl(logps, torch.tensor([-1.0, -1.5, -0.5]))
    assert values[0] == 0 and (values[1:] > 0).all()


def test_loss_by_hand():
    # Two answers of two and one tokens; ratios 1.5 (clipped to 1.2) and 1; second answer 0.5.
    logps = torch.log(torch.tensor([[0.6, 0.5], [0.2, 0.9]]))
    old = torch.log(torch.tensor([[0.4, 0.5], [0.4, 0.1]]))
    mask = torch.tensor([[1, 1], [1, 0]])
    loss = grpo_loss(logps, old, None, torch.tensor([1.0, -1.0]), mask, beta=0.0)
    # First: -(min(1.5, 1.2) + 1) / 2 = -1.1. Second: -min(-0.5, -0.8) = 0.8.
    torch.testing.assert_close(loss, torch.tensor((-1.1 + 0.8) / 2))


def test_loss_adds_the_weighted_divergence():
    logps, old = torch.log(torch.tensor([[0.5]])), torch.log(torch.tensor([[0.5]]))
    reference = torch.log(torch.tensor([[0.25]]))
    loss = grpo_loss(logps, old, reference, torch.tensor([0.0]), torch.ones(1, 1), beta=0.04)
    divergence = 0.5 - math.log(0.5) - 1
    torch.testing.assert_close(loss, torch.tensor(0.04 * divergence))


def test_what_stands_after_the_end_carries_no_gradient():
    logps = torch.tensor([[-1.0, -2.0, -3.0]], requires_grad=True)
    mask = torch.tensor([[1, 1, 0]])
    reference = torch.zeros(1, 3)
    grpo_loss(logps, logps.detach(), reference, torch.tensor([1.0]), mask).backward()
    assert logps.grad[0, 2] == 0 and (logps.grad[0, :2] != 0).all()


def test_on_policy_gradient_is_the_advantage_shared_by_the_tokens():
    logps = torch.tensor([[-1.0, -2.0]], requires_grad=True)
    loss = grpo_loss(logps, logps.detach(), None, torch.tensor([3.0]), torch.ones(1, 2), beta=0.0)
    loss.backward()
    torch.testing.assert_close(logps.grad, torch.tensor([[-1.5, -1.5]]))
