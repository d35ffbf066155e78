"""Checks of notebook 06: advantages, clipping, the KL estimate, means over tokens, block masks."""

import torch

from r1aqa_helpers.course.checks.common import Answer, close, explain, parts, tensor
from r1aqa_helpers.course.exercise import Mistake, exercise, expect
from r1aqa_helpers.course.figures.n05 import block_mask as packed_mask
from r1aqa_helpers.training.grpo import objective as library


@exercise("06.1", passed="each group is its own baseline, and equal rewards give no gradient")
def group_advantages(answer: Answer) -> None:
    """(r - group mean) / (group deviation + 1e-4), flat, groups next to one another."""
    rewards = torch.tensor([0.0, 1.0, 1.0, 2.0, 1.0, 2.0, 2.0, 2.0])
    got = tensor(answer(rewards, 4), (8,), "one advantage per reward")
    equal = tensor(answer(torch.ones(4), 4), (4,), "one advantage per reward")
    expect(equal.isfinite().all(), "four equal rewards give nan: add 1e-4 before you divide")
    groups = rewards.view(2, 4)
    centred = groups - groups.mean(dim=1, keepdim=True)
    biased = groups.std(dim=1, keepdim=True, correction=0) + 1e-4
    expected = library.group_advantages(rewards, 4)
    over_all = (rewards - rewards.mean()) / (rewards.std() + 1e-4)
    mistakes = {
        "these are differences from the mean, not divided by the deviation": centred.flatten(),
        "the sign is reversed: above the group's mean the advantage is > 0": -expected,
        "mean and deviation were taken over all rewards: each group has its own": over_all,
        "the deviation divides by G: the unbiased one divides by G - 1": (
            centred / biased
        ).flatten(),
    }
    told = "the numbers differ from (r - mean) / (deviation + 1e-4), taken in each group of 4"
    explain(got, expected, mistakes, told, 1e-5)
    expect((equal == 0).all(), "four equal rewards should give four advantages of 0")


@exercise("06.2", passed="the objective is clipped where it improves, not where it gets worse")
def clipped_surrogate(answer: Answer) -> None:
    """min(w A, clip(w, 1 - e, 1 + e) A), per token, to be made large."""
    ratio = torch.tensor([0.5, 0.9, 1.0, 1.1, 1.5, 0.5, 0.9, 1.0, 1.1, 1.5])
    advantage = torch.tensor([2.0] * 5 + [-2.0] * 5)
    plain, clipped = ratio * advantage, ratio.clamp(0.8, 1.2) * advantage
    expected = torch.min(plain, clipped)
    got = tensor(answer(ratio, advantage, 0.2), (10,), "one value per ratio")
    mistakes = {
        "this is the loss, to be made small: the surrogate is to be made large": -expected,
        "nothing is clipped: at ratio 1.5 and advantage 2 it is 2.4": plain,
    }
    explain(got, expected, mistakes, "it differs from min(w A, clip(w, 1 - e, 1 + e) A)", 1e-5)
    wider = torch.min(plain, ratio.clamp(0.6, 1.4) * advantage)
    moved = close(answer(ratio, advantage, 0.4), wider, 1e-5)
    expect(moved, "with clip 0.4 the edges are 0.6 and 1.4: yours did not move with the argument")


@exercise("06.3", passed="never negative, zero where the two agree, and unbiased")
def kl_estimate(answer: Answer) -> None:
    """exp(d) - d - 1 with d = log ref - log policy, per token."""
    logps = torch.tensor([0.5, 0.25, 0.25]).log()
    ref_logps = torch.tensor([0.2, 0.2, 0.6]).log()
    got = tensor(answer(logps, ref_logps), (3,), "one estimate per token")
    d = ref_logps - logps
    mistakes = {
        "this is k1, the plain log-ratio: below 0 for some tokens": -d,
        "this is the log-ratio upside down: its mean is minus the divergence": d,
        "this is k2, half the square: its mean is not the KL": d**2 / 2,
        "policy and reference are exchanged": torch.exp(-d) + d - 1,
    }
    told = "the numbers differ from exp(d) - d - 1, d being log reference minus log policy"
    explain(got, torch.exp(d) - d - 1, mistakes, told, 1e-5)


@exercise("06.4", passed="one mean counts answers alike, the other tokens")
def two_means(answer: Answer) -> None:
    """(mean over answers of their mean token, mean over all tokens), padding left out."""
    losses = torch.tensor([[1.0, 1.0, 7.0, 7.0], [2.0, 4.0, 6.0, 8.0]])
    mask = torch.tensor([[1, 1, 0, 0], [1, 1, 1, 1]])
    got = parts(answer(losses, mask), "sequence_mean, token_mean")
    first, second = (float(one) for one in got)
    sequence, token, full = 3.0, 22 / 6, 4.5
    padded = "padding was counted in: multiply by the mask, and divide by what it keeps"
    expect(not close(first, full) and not close(second, full), padded)
    mistakes = {
        "the two are in the wrong order: the mean of the means comes first": (token, sequence),
        "both numbers count tokens alike: the first takes each answer's mean": (token, token),
        "each answer was divided by the padded width: use its mask's sum": (11 / 4, token),
        "the answers' means were added up: the mean of the two is wanted": (6.0, token),
    }
    other = f"over all tokens the mean is 22 / 6, not {second:.4f}"
    if not close(first, sequence, 1e-5):
        other = f"the mean of the answers' means is (1 + 5) / 2 = 3, not {first:.4f}"
    explain((first, second), (sequence, token), mistakes, other, 1e-5)


@exercise("06.5", passed="an answer sees the prompt and itself, and nothing that comes later")
def block_mask(answer: Answer) -> None:
    """(L, L) bool, [query, key], for one prompt and answers of these lengths in one row."""
    prompt, lengths = 3, [2, 1, 3]
    got = tensor(
        answer(prompt, lengths), (9, 9), "a mask for prompt and answers, 9 tokens together"
    )
    expect(got.dtype == torch.bool, f"a mask of True and False is wanted, not of {got.dtype}")
    expected = packed_mask(prompt, lengths)
    if torch.equal(got, expected):
        return
    turned = torch.equal(got, expected.T)
    expect(not turned, "rows and columns are exchanged: row q says what token q may look at")
    expect(got.diagonal().all(), "a token should see itself: the diagonal is not all True")
    expect(not got[:prompt, prompt:].any(), "the prompt sees the answers, which come later")
    expect(not got.triu(1).any(), "some token sees a later one: the mask has to be causal as well")
    expect(not (got & ~expected).any(), "answers see the answers before them: they must not")
    raise Mistake("a token should see all before it in its own answer, and in the prompt")
