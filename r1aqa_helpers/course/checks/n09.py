"""Checks of notebook 09: bytes of a training, checkpointing, the largest group, several GPUs."""

import torch
from torch import nn

from r1aqa_helpers.course.checks.common import Answer, close, explain, of_kind, tensor
from r1aqa_helpers.course.exercise import exercise, expect
from r1aqa_helpers.course.widgets.calculator import estimate


@exercise("09.1", passed="a trained parameter takes 16 bytes, a frozen one only its width")
def training_bytes(answer: Answer) -> None:
    """Bytes: frozen * width + 16 * trained."""
    got = float(of_kind(answer(1000, 2.0, 10), (int, float), "the number of bytes"))
    mistakes = {
        "the frozen weights are missing: they are in memory, too": 160,
        "frozen weights have neither gradient nor moments: only what is trained has": 16160,
        "4 bytes are its weight alone: gradient and moments come on top": 2040,
    }
    told = f"1000 frozen weights of 2 bytes and 10 trained ones take 2160, not {got:g}"
    explain(
        got, 2160, mistakes, "these are GB: the bytes themselves are wanted" if got < 1 else told
    )
    expect(close(answer(1000, 0.5, 0), 500), "1000 weights in 4 bits take 500: width may be 0.5")


@exercise("09.2", passed="the same output and gradients, and only the input is kept")
def checkpointed(answer: Answer) -> None:
    """The block's output and gradients, with no tensor kept but its input."""
    torch.manual_seed(0)
    block = nn.Sequential(nn.Linear(4, 64), nn.GELU(), nn.Linear(64, 4))
    x = torch.randn(8, 4, requires_grad=True)
    weights = [*block.parameters()]
    expected = torch.autograd.grad(block(x).square().sum(), [x, *weights])
    kept: list[int] = []

    def keep(value: torch.Tensor) -> torch.Tensor:
        kept.append(0 if any(value.data_ptr() == w.data_ptr() for w in weights) else value.numel())
        return value

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda value: value):
        out = answer(block, x)
    y = tensor(out, (8, 4), "the block's output")
    expect(close(y, block(x).detach(), 1e-5), "the output is not that of the block")
    expect(out.requires_grad, "the output has no gradient function: nothing below it would learn")
    stored = sum(kept)  # before the backward pass adds its own
    out.square().sum().backward()
    expect(x.grad is not None, "x gets no gradient: the layers below learn nothing")
    bare = [weight.grad is None for weight in weights]
    expect(not any(bare), "the block's weights get no gradient: run backward through the block")
    same = all(close(w.grad, g, 1e-4) for w, g in zip([x, *weights], expected, strict=True))
    expect(same, "the gradients differ from the plain block's: is grad passed on into backward?")
    told = f"{stored} numbers are kept for the backward pass; the input has {x.numel()}"
    expect(stored <= x.numel(), f"{told}: run the block without a graph first")


@exercise("09.3", passed="the longer the answers, the smaller the group, down to none")
def largest_group(answer: Answer) -> None:
    """The largest group of 2 to 16 answers that fits; 0 where none does."""
    cases = (("a100", 128), ("l4", 1024), ("h100", 64))
    for profile, longest in cases:
        size = 2
        while size < 17 and estimate(profile, max_completion=longest, group_size=size).fits:
            size += 1
        expected = size - 1 if size > 2 else 0
        got = of_kind(answer(profile, longest), int, "a number of answers")
        place = f"{profile}, answers of up to {longest} tokens"
        expect(got != 1, f"{place}: a group of one has no advantage, so 1 means that none fits: 0")
        low = got == 2 != expected and expected > 2
        expect(not low, f"{place}: {got} is the smallest that fits, the largest is wanted")
        expect(
            got != expected + 1, f"{place}: {got} is the first that does not fit, or one above 16"
        )
        expect(got == expected, f"{place}: {got} is not the largest group that fits")


@exercise("09.4", passed="every group counts once, whichever process it is on")
def combine(answer: Answer) -> None:
    """sum(n_i * mean_i) / sum(n_i)."""
    means = [torch.tensor([1.0, 2.0]), torch.tensor([4.0, -1.0])]
    a, b = (mean.clone() for mean in means)
    got = tensor(answer(means, [3, 1]), (2,), "one gradient, of the shape of each mean")
    kept = torch.equal(means[0], a) and torch.equal(means[1], b)
    expect(kept, "the means themselves were changed: other code still needs them")
    mistakes = {
        "each process has the same weight: one group counts as much as three": (a + b) / 2,
        "the means were added up: the step would grow with the processes": a + b,
    }
    explain(got, (3 * a + b) / 4, mistakes, "the mean over all four groups is [1.75, 1.25]")
