"""GRPO's loss: from rewards and log-probabilities to the number that training minimises.

GRPO (DeepSeekMath, arXiv 2402.03300, eq. 3 and 4) as R1-AQA (arXiv 2503.11197) uses it. For each
question q, a group of G answers o_1 … o_G is sampled from the old policy and gets the rewards
r_1 … r_G. The loss is -J::

    J = 1/G sum_i 1/|o_i| sum_t { min( w_it A_i, clip(w_it, 1 - e, 1 + e) A_i ) - beta KL_it }

with the ratio w_it = pi(o_it | q, o_i<t) / pi_old(o_it | q, o_i<t), the advantage A_i of
`group_advantages` and the estimate KL_it of `per_token_kl`.

This file is the definition. During training TRL evaluates the same formula in
``GRPOTrainer._compute_loss``, for the loss types below; tests/training/test_objective.py
checks that value and gradient are equal.
"""

import torch

#: How the terms of all tokens are averaged. "grpo": per answer, then over answers. "dapo" (arXiv
#: 2503.14476): over all tokens of a step; "bnpo": over all tokens of a forward pass. "dr_grpo"
#: (arXiv 2503.20783): their sum over answers times the largest length, a constant.
LOSS_TYPES = ("grpo", "dapo", "bnpo", "dr_grpo")


def group_advantages(
    rewards: torch.Tensor, group_size: int, eps: float = 1e-4, scale: bool = True
) -> torch.Tensor:
    """How much better each answer is than its group: A_i = (r_i - mean(r)) / (std(r) + eps).

    The advantage of outcome supervision (DeepSeekMath, section 4.1.2). The deviation is the
    unbiased one (over G - 1) and ``eps`` 1e-4, as in TRL; DeepSeekMath leaves both open.

    Args:
        rewards: (prompts * group_size,), the rewards of one group next to one another.
        group_size: G, at least 2.
        eps: keeps the quotient finite where all the rewards of a group are equal, in which
            case its advantages are zero.
        scale: False leaves the division out (Dr. GRPO, arXiv 2503.20783).

    Returns:
        (prompts * group_size,), in the order of ``rewards``.

    Raises:
        ValueError: the rewards do not fill whole groups, or a group is of fewer than two.
    """
    if group_size < 2 or rewards.dim() != 1 or rewards.numel() % group_size:
        raise ValueError(
            f"rewards of shape {tuple(rewards.shape)} do not fill groups of {group_size} (>= 2)"
        )
    groups = rewards.view(-1, group_size)
    advantages = groups - groups.mean(dim=1, keepdim=True)
    if scale:
        advantages = advantages / (groups.std(dim=1, keepdim=True) + eps)
    return advantages.flatten()


def per_token_kl(logps: torch.Tensor, ref_logps: torch.Tensor) -> torch.Tensor:
    """KL(pi || pi_ref) estimated from the sampled tokens alone, never negative, 0 where equal.

    DeepSeekMath eq. 4, the estimator known as k3: with d = log pi_ref - log pi, exp(d) - d - 1.
    Its mean over tokens sampled from pi is the divergence; see
    http://joschu.net/blog/kl-approx.html.

    Args:
        logps: log-probabilities of the sampled tokens under the policy, any shape, nats.
        ref_logps: the same under the reference model.
    """
    difference = ref_logps - logps
    return torch.exp(difference) - difference - 1


def grpo_loss(
    logps: torch.Tensor,
    old_logps: torch.Tensor,
    ref_logps: torch.Tensor | None,
    advantages: torch.Tensor,
    mask: torch.Tensor,
    beta: float = 0.04,
    clip: float = 0.2,
    loss_type: str = "grpo",
    max_completion: int = 256,
) -> torch.Tensor:
    """-J of the module's docstring, with R1-AQA's values as defaults.

    Args:
        logps: (N, T), log-probabilities of the answers' tokens under the policy, with gradient.
        old_logps: (N, T), under the policy that sampled them, without gradient.
        ref_logps: (N, T), under the reference model; None only with ``beta`` 0.
        advantages: (N,).
        mask: (N, T), 1 up to and with an answer's end token, 0 after it.
        beta: weight of the divergence from the reference model.
        clip: e above.
        loss_type: one of `LOSS_TYPES`.
        max_completion: the largest length of an answer in tokens, for "dr_grpo".

    Returns:
        A scalar. An answer of no tokens counts as 0.
    """
    lengths = mask.sum(dim=1).clamp(min=1)
    ratio, advantages = torch.exp(logps - old_logps), advantages.unsqueeze(1)
    loss = -torch.min(ratio * advantages, ratio.clamp(1 - clip, 1 + clip) * advantages)
    if beta:
        loss = loss + beta * per_token_kl(logps, ref_logps)
    loss = loss * mask
    if loss_type == "grpo":
        return (loss.sum(dim=1) / lengths).mean()
    if loss_type == "dr_grpo":
        return loss.sum() / (len(loss) * max_completion)
    return loss.sum() / mask.sum().clamp(min=1)
