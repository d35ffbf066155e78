"""The bandit's gradients against autograd, and what a baseline does to learning."""

import torch

from r1aqa_helpers.course import bandit

PAYS = torch.tensor([0.2, 0.4, 0.5, 0.8])


def test_an_opinion_is_the_gradient_of_the_weighted_log_probability():
    logits = torch.tensor([0.3, -1.0, 0.2, 0.9], requires_grad=True)
    arms, weights = torch.tensor([2, 0, 2]), torch.tensor([1.5, -0.5, 0.0])
    found = bandit.policy_gradients(logits.detach(), arms, weights)
    for arm, weight, opinion in zip(arms, weights, found, strict=True):
        loss = weight * torch.log_softmax(logits, dim=0)[arm]
        (gradient,) = torch.autograd.grad(loss, logits)
        torch.testing.assert_close(opinion, gradient)


def test_the_mean_opinion_is_the_gradient_of_the_expected_reward():
    logits = torch.zeros(4, requires_grad=True)
    (torch.softmax(logits, dim=0) @ PAYS).backward()
    policy = torch.full((4,), 0.25)
    exact = sum(
        chance * bandit.policy_gradients(logits.detach(), torch.tensor([arm]), PAYS[arm : arm + 1])
        for arm, chance in enumerate(policy)
    )[0]
    torch.testing.assert_close(exact, logits.grad)


def test_a_baseline_makes_learning_indifferent_to_a_shift_of_all_rewards():
    plain = bandit.learn(PAYS, baseline=True, steps=40, runs=20)
    shifted = bandit.learn(PAYS, baseline=True, steps=40, runs=20, shift=5.0)
    torch.testing.assert_close(plain, shifted, atol=1e-3, rtol=0)
    assert plain.shape == (20, 40)
    assert plain[:, -1].mean() > plain[:, 0].mean() + 0.1
    without = bandit.learn(PAYS, baseline=False, steps=150, runs=50, shift=5.0)
    assert (without[:, -1] < 0.6).float().mean() > 0.2
