"""A bandit with a softmax policy: the smallest place where a policy gradient can be seen."""

import torch


def policy_gradients(
    logits: torch.Tensor, arms: torch.Tensor, weights: torch.Tensor
) -> torch.Tensor:
    """What each pull alone says about the gradient: weight * grad log pi(arm).

    For a softmax over logits, grad log pi(arm) is the arm's one-hot vector minus pi (Williams,
    1992, REINFORCE, https://doi.org/10.1007/BF00992696).

    Args:
        logits: (..., arms), the policy.
        arms: (..., n), the arms that were pulled, from 0.
        weights: (..., n), rewards or advantages.

    Returns:
        (..., n, arms), one estimate per pull; their mean over n is the usual estimate.
    """
    policy = torch.softmax(logits, dim=-1).unsqueeze(-2)
    pulled = torch.nn.functional.one_hot(arms, logits.shape[-1]).to(policy)
    return weights.unsqueeze(-1) * (pulled - policy)


def learn(
    pays: torch.Tensor,
    baseline: bool,
    shift: float = 0.0,
    group: int = 8,
    steps: int = 150,
    lr: float = 0.4,
    runs: int = 200,
    seed: int = 0,
) -> torch.Tensor:
    """Train ``runs`` bandit policies by REINFORCE, each step from a group of pulls.

    Args:
        pays: (arms,), the chance that a pull pays 1.
        baseline: subtract the group's mean reward.
        shift: added to every reward; changes nothing about which arm is best.

    Returns:
        (runs, steps), the chance to be paid under the policy before each step.
    """
    random = torch.Generator().manual_seed(seed)
    logits = torch.zeros(runs, len(pays))
    curve = []
    for _ in range(steps):
        policy = torch.softmax(logits, dim=-1)
        curve.append(policy @ pays)
        arms = torch.multinomial(policy, group, replacement=True, generator=random)
        rewards = torch.bernoulli(pays[arms], generator=random) + shift
        if baseline:
            rewards = rewards - rewards.mean(dim=1, keepdim=True)
        logits = logits + lr * policy_gradients(logits, arms, rewards).mean(dim=1)
    return torch.stack(curve, dim=1)
