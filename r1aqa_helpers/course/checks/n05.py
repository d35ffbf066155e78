"""Checks of notebook 05: the four functions that are the learner's own trainer."""

import copy

import torch

from r1aqa_helpers.course.checks.common import Answer, close, explain, number, tensor
from r1aqa_helpers.course.exercise import exercise, expect
from r1aqa_helpers.course.lessons import n05 as lesson
from r1aqa_helpers.data import read_questions
from r1aqa_helpers.models import load
from r1aqa_helpers.tiny.data import MODEL, prepare
from r1aqa_helpers.training.grpo import objective as library


@exercise("05.1", passed="each group is its own baseline, and equal rewards give no advantage")
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


@exercise("05.2", passed="a token's probability stands at the position before it")
def completion_logprobs(answer: Answer) -> None:
    """Log-probabilities of the last T tokens of each row, from the logits of whole rows."""
    logits = torch.randn(2, 7, 5, generator=torch.Generator().manual_seed(0))
    ids = torch.tensor([[1, 4, 0], [3, 3, 2]])
    logps = torch.log_softmax(logits, dim=-1)

    def at(first: int) -> torch.Tensor:
        part = logps[:, first : first + 3]
        return part.gather(-1, ids.unsqueeze(-1)).squeeze(-1)

    got = tensor(answer(logits, ids), (2, 3), "one number per answer token")
    raw = logits[:, 3:6].gather(-1, ids.unsqueeze(-1)).squeeze(-1)
    mistakes = {
        "these stand at the tokens themselves: position t predicts token t + 1": at(4),
        "these stand at the prompt's beginning: the answer is at the row's end": at(0),
        "these are logits: take log_softmax over the vocabulary first": raw,
        "these are probabilities: take their logarithm": at(3).exp(),
    }
    explain(got, at(3), mistakes, "the numbers differ from log pi of the answer's tokens", 1e-5)


@exercise("05.3", passed="value and gradient are those of the library's loss")
def grpo_loss(answer: Answer) -> None:
    """The clipped surrogate and the KL penalty, averaged per answer, then over answers."""
    generator = torch.Generator().manual_seed(1)
    old = -torch.rand(3, 4, generator=generator)
    start = old + 0.5 * torch.randn(3, 4, generator=generator)
    ref = old + 0.3 * torch.randn(3, 4, generator=generator)
    advantages = torch.tensor([1.0, -0.5, 2.0])
    mask = torch.tensor([[1.0, 1, 1, 1], [1, 1, 0, 0], [1, 1, 1, 0]])

    def both(loss: Answer, beta: float = 0.04) -> tuple[torch.Tensor, torch.Tensor]:
        logps = start.clone().requires_grad_()
        value = loss(logps, old, ref, advantages, mask, beta)
        tensor(value, (), "one number, the loss")
        expect(value.requires_grad, "the loss has no gradient: do not detach the log-probabilities")
        return value.detach(), torch.autograd.grad(value, logps)[0]

    def variant(sign: float = 1, clip: bool = True, kl: float = 1, mean: str = "grpo") -> Answer:
        def loss(logps, old, ref, advantages, mask, beta):  # noqa: ANN001, ANN202
            ratio, a = torch.exp(logps - old), advantages.unsqueeze(1)
            kept = ratio.clamp(0.8, 1.2) * a if clip else ratio * a
            term = -sign * torch.min(ratio * a, kept)
            term = term + kl * beta * library.per_token_kl(logps, ref)
            if mean == "plain":
                return term.mean()
            if mean == "tokens":
                return (term * mask).sum() / mask.sum()
            return ((term * mask).sum(dim=1) / mask.sum(dim=1)).mean()

        return loss

    got, gradient = both(answer)
    expected, wanted = both(library.grpo_loss)
    mistakes = {
        "the sign is reversed: the surrogate is to grow, the loss to shrink": variant(sign=-1),
        "nothing is clipped: ratios beyond 0.8 and 1.2 count in full": variant(clip=False),
        "the KL penalty is missing: add beta times the estimate": variant(kl=0),
        "the KL penalty has the wrong sign: it is added to the loss": variant(kl=-1),
        "padding was counted in: multiply by the mask, divide by its sum": variant(mean="plain"),
        "all tokens were averaged at once: first each answer, then the answers": variant(
            mean="tokens"
        ),
    }
    values = {message: both(wrong)[0] for message, wrong in mistakes.items()}
    told = f"the loss should be {expected.item():.4f}, not {got.item():.4f}"
    explain(got, expected, values, told, 1e-5)
    expect(
        close(gradient, wanted, 1e-5),
        "the value is correct, its gradient is not: which log-probabilities carry one?",
    )
    without, _ = both(answer, beta=0.0)
    expect(
        close(without, both(library.grpo_loss, beta=0.0)[0], 1e-5),
        "with beta 0 the KL penalty should vanish: use the argument, not 0.04",
    )


@exercise("05.4", passed="your update equals the library's: this is a GRPO trainer")
def train_step(answer: Answer) -> None:
    """One update from some groups: weights change as with the library's loss."""
    loaded = load(MODEL, device="cpu", dtype="float32")
    asked = read_questions(prepare().train)[:2]
    torch.manual_seed(0)
    groups = lesson.sample_groups(loaded, asked, size=4, most=12)
    reference = copy.deepcopy(loaded.model)
    with torch.no_grad():  # or the KL penalty, and its gradient, would be 0
        for parameter in reference.parameters():
            parameter.add_(0.02 * parameter.std().nan_to_num(0) * torch.randn_like(parameter))

    def change(step: Answer, beta: float = 0.4) -> torch.Tensor:
        policy = copy.deepcopy(loaded.model)
        before = torch.cat([p.detach().flatten().clone() for p in policy.parameters()])
        optimizer = torch.optim.SGD(policy.parameters(), lr=1.0)
        loss = step(policy, reference, optimizer, groups, beta)
        number(loss, "the loss as one number")
        after = torch.cat([p.detach().flatten() for p in policy.parameters()])
        return before - after

    wanted = change(lesson.train_step)
    got = change(answer)
    size = wanted.norm()
    expect(got.norm() > 0, "the weights did not move: call backward() and optimizer.step()")

    def like(other: torch.Tensor) -> bool:
        return bool((got - other).norm() < 1e-3 * size)

    if like(wanted):
        expect(
            close(change(answer), wanted, 1e-4),
            "a second call moves differently: are old gradients set to zero first?",
        )
        return
    expect(not like(2 * wanted), "twice the step: divide the loss by the number of groups")
    expect(not like(-wanted), "the weights moved the wrong way")
    expect(not like(change(lesson.train_step, 0.0)), "the KL penalty has no effect: pass beta on")
    share = float((got @ wanted) / (got.norm() * size))
    expect(False, f"the update differs from the library's (cosine {share:.3f}); check each part")
