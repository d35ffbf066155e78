"""Checks of notebook 06: advantages, clipping, the KL estimate, means over tokens, block masks."""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from r1aqa_helpers.course.exercise import exercise, expect
from r1aqa_helpers.course.figures.n06 import block_mask as packed_mask
from r1aqa_helpers.grpo import objective as library


def _tensor(got: Any, what: str) -> torch.Tensor:
    expect(isinstance(got, torch.Tensor), f"{what} is wanted as a tensor, not {type(got).__name__}")
    return got.detach().double() if got.dtype.is_floating_point else got.detach()


def _near(got: torch.Tensor, wanted: torch.Tensor) -> bool:
    return got.shape == wanted.shape and torch.allclose(
        got.double(), wanted.double(), rtol=0, atol=1e-5
    )


def _name_the_mistake(
    got: torch.Tensor,
    right: torch.Tensor,
    mistakes: Sequence[tuple[torch.Tensor, str]],
    otherwise: str,
) -> None:
    """Pass what is right; of what is wrong, say which known mistake it is."""
    if _near(got, right):
        return
    for wrong, message in mistakes:
        expect(not _near(got, wrong), message)
    expect(False, otherwise)


@exercise(
    "06.1",
    passed="each group is measured against itself, and a group of equals moves nothing",
)
def group_advantages(answer: Callable[[torch.Tensor, int], torch.Tensor]) -> None:
    """(r - group mean) / (group deviation + 1e-4), flat, groups next to one another."""
    rewards = torch.tensor([0.0, 1.0, 1.0, 2.0, 1.0, 2.0, 2.0, 2.0])
    got = _tensor(answer(rewards, 4), "one advantage per reward")
    expect(
        got.shape == rewards.shape,
        f"the shape should be that of the rewards, (8,), not {tuple(got.shape)}",
    )
    equal = _tensor(answer(torch.ones(4), 4), "one advantage per reward")
    expect(
        equal.isfinite().all(),
        "four equal rewards give nan: add 1e-4 to the spread before you divide",
    )
    groups = rewards.view(2, 4)
    centred = groups - groups.mean(dim=1, keepdim=True)
    spread = groups.std(dim=1, keepdim=True)
    dealt = rewards.view(4, 2).T
    dealt = (dealt - dealt.mean(1, keepdim=True)) / (dealt.std(1, keepdim=True) + 1e-4)
    right = library.group_advantages(rewards, 4).double()
    _name_the_mistake(
        got,
        right,
        [
            (
                centred.flatten(),
                "these are differences from the mean: the spread is not divided by",
            ),
            (
                -right,
                "the sign is turned round: an answer above its group's mean has advantage > 0",
            ),
            (
                (groups / (spread + 1e-4)).flatten(),
                "the group's mean was not subtracted: here no answer is worse than its group",
            ),
            (
                (rewards - rewards.mean()) / (rewards.std() + 1e-4),
                "mean and spread were taken over all rewards: each group has its own",
            ),
            (
                (centred / (groups.std(dim=1, keepdim=True, correction=0) + 1e-4)).flatten(),
                "the spread divides by G: the unbiased deviation divides by G - 1",
            ),
            (
                dealt.T.flatten(),
                "answers of different questions were put together: a group's rewards stand next "
                "to one another",
            ),
        ],
        "the numbers differ from (r - mean) / (spread + 1e-4), taken in each group of 4",
    )
    expect((equal == 0).all(), "four equal rewards should give four advantages of 0")


@exercise("06.2", passed="the gain stops at the edge, the loss never does")
def clipped_surrogate(
    answer: Callable[[torch.Tensor, torch.Tensor, float], torch.Tensor],
) -> None:
    """min(w A, clip(w, 1 - e, 1 + e) A), per token, to be made large."""
    ratio = torch.tensor([0.5, 0.9, 1.0, 1.1, 1.5, 0.5, 0.9, 1.0, 1.1, 1.5])
    advantage = torch.tensor([2.0] * 5 + [-2.0] * 5)
    got = _tensor(answer(ratio, advantage, 0.2), "one value per ratio")
    expect(
        got.shape == ratio.shape,
        f"one value per ratio is wanted, shape (10,): yours has {tuple(got.shape)}",
    )
    clipped = ratio.clamp(0.8, 1.2)
    right = torch.min(ratio * advantage, clipped * advantage)
    _name_the_mistake(
        got,
        right,
        [
            (-right, "this is the loss, to be made small: the surrogate is to be made large"),
            (ratio * advantage, "nothing is clipped: at ratio 1.5 and advantage 2 the gain is 2.4"),
            (
                clipped * advantage,
                "only the clipped value is used: an answer whose ratio went the wrong way would "
                "get no gradient back",
            ),
            (
                torch.max(ratio * advantage, clipped * advantage),
                "the larger of the two was taken: that is the optimist's choice",
            ),
            (
                torch.min(ratio * advantage, (ratio * advantage).clamp(0.8, 1.2)),
                "the product was clipped: only the ratio is",
            ),
            (
                ratio.clamp(max=1.2) * advantage,
                "clipped above alone: for a negative advantage the lower edge binds",
            ),
        ],
        "the values differ from min(w A, clip(w, 1 - e, 1 + e) A)",
    )
    wider = _tensor(answer(ratio, advantage, 0.4), "one value per ratio")
    expect(
        _near(wider, torch.min(ratio * advantage, ratio.clamp(0.6, 1.4) * advantage)),
        "with clip 0.4 the edges are 0.6 and 1.4: yours did not move with the argument",
    )


@exercise("06.3", passed="never negative, nought where the two agree, and right on average")
def kl_estimate(answer: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> None:
    """exp(d) - d - 1 with d = log ref - log policy, per token."""
    policy = torch.tensor([0.5, 0.25, 0.25])
    reference = torch.tensor([0.2, 0.2, 0.6])
    logps, ref_logps = policy.log(), reference.log()
    got = _tensor(answer(logps, ref_logps), "one estimate per token")
    expect(
        got.shape == logps.shape,
        f"one estimate per token is wanted, shape (3,): yours has {tuple(got.shape)}",
    )
    d = ref_logps - logps
    _name_the_mistake(
        got,
        torch.exp(d) - d - 1,
        [
            (-d, "this is k1, the plain log-ratio: right on average, but below 0 for some tokens"),
            (d, "this is the log-ratio upside down: its mean is minus the divergence"),
            (d**2 / 2, "this is k2, half the square: never negative, but its mean is not the KL"),
            (d.abs(), "the absolute log-ratio is never negative, but its mean is not the KL"),
            (
                torch.exp(-d) + d - 1,
                "policy and reference are exchanged: d is the reference's minus the policy's",
            ),
            (torch.exp(d) - d, "where the two agree this gives 1: the constant is missing"),
            (
                torch.exp(d) - 1,
                "the mean of this is 0 whatever the policies: the term linear in d is missing",
            ),
        ],
        "the numbers differ from exp(d) - d - 1, d being log reference minus log policy",
    )


@exercise("06.4", passed="one mean counts answers alike, the other tokens")
def two_means(answer: Callable[[torch.Tensor, torch.Tensor], Any]) -> None:
    """(mean over answers of their mean token, mean over all tokens), padding left out."""
    losses = torch.tensor([[1.0, 1.0, 7.0, 7.0], [2.0, 4.0, 6.0, 8.0]])
    mask = torch.tensor([[1, 1, 0, 0], [1, 1, 1, 1]])
    got = answer(losses, mask)
    expect(
        isinstance(got, (tuple, list)) and len(got) == 2,
        "two numbers are wanted: return sequence_mean, token_mean",
    )
    first, second = (float(one) for one in got)
    sequence, token = 3.0, 22 / 6
    close = [abs(first - sequence) < 1e-5, abs(second - token) < 1e-5]
    if all(close):
        return
    full = float(losses.mean())
    expect(
        abs(first - full) > 1e-5 and abs(second - full) > 1e-5,
        "padding was counted in: multiply by the mask, and divide by what it keeps",
    )
    expect(
        abs(first - token) > 1e-5 or abs(second - sequence) > 1e-5,
        "the two are in the wrong order: the mean of the answers' means comes first",
    )
    expect(
        abs(first - token) > 1e-5,
        "both numbers weigh tokens alike: the first should take each answer's own mean",
    )
    expect(
        abs(second - sequence) > 1e-5,
        "both numbers weigh answers alike: the second should put all tokens into one pool",
    )
    expect(
        abs(first - 11 / 4) > 1e-5,
        "each answer was divided by the padded width: an answer's length is its mask's sum",
    )
    expect(
        abs(first - 6.0) > 1e-5,
        "the answers' means were added up: the mean of the two is wanted",
    )
    expect(close[1], f"the first is right; over all tokens the mean is 22 / 6, not {second:.4f}")
    expect(close[0], f"the mean of the answers' means is (1 + 5) / 2 = 3, not {first:.4f}")


@exercise("06.5", passed="an answer sees the prompt and itself, and nothing that comes later")
def block_mask(answer: Callable[[int, list[int]], torch.Tensor]) -> None:
    """(L, L) bool, [query, key], for one prompt and answers of these lengths in one row."""
    prompt, lengths = 3, [2, 1, 3]
    got = answer(prompt, lengths)
    expect(isinstance(got, torch.Tensor), f"a tensor is wanted, not {type(got).__name__}")
    size = prompt + sum(lengths)
    expect(
        got.shape == (size, size),
        f"prompt and answers have {size} tokens together: the mask is ({size}, {size}), "
        f"not {tuple(got.shape)}",
    )
    expect(got.dtype == torch.bool, f"a mask of True and False is wanted, not of {got.dtype}")
    right = packed_mask(prompt, lengths)
    if torch.equal(got, right):
        return
    inside = slice(0, prompt)
    expect(
        not torch.equal(got, right.T),
        "rows and columns are exchanged: row q says what token q may look at",
    )
    expect(got.diagonal().all(), "a token should see itself: the diagonal is not all True")
    expect(
        not got[inside, prompt:].any(),
        "the prompt sees the answers: what comes later is never visible",
    )
    expect(
        not got.triu(1).any(),
        "some token sees a later one: the mask has to be causal as well",
    )
    expect(
        got[prompt:, inside].all(),
        "some answer token does not see the whole prompt",
    )
    others = ~right & torch.ones_like(right).tril()
    expect(
        not (got & others).any(),
        "answers see the answers before them: in the plain way they are strangers",
    )
    expect(
        False,
        "something is hidden that should be seen: a token sees all before it in its own "
        "answer, and in the prompt",
    )
