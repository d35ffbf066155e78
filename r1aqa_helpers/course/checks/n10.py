"""Checks of notebook 10: bytes of a training, 4 bits, the roofline, gradients put together."""

from collections.abc import Callable
from typing import Any

import torch

from r1aqa_helpers.course.exercise import exercise, expect
from r1aqa_helpers.course.scaling import EVEN, NF4, round_trip


def _number(got: Any, what: str) -> float:
    expect(
        isinstance(got, int | float) and not isinstance(got, bool),
        f"{what} is wanted as a number, not {type(got).__name__}",
    )
    return float(got)


def _close(a: float, b: float) -> bool:
    return abs(a - b) <= 1e-9 * max(abs(a), abs(b), 1e-12)


@exercise(
    "10.1", passed="what is trained costs 16 bytes per parameter, what stands still its width"
)
def training_bytes(answer: Callable[[int, float, int], float]) -> None:
    """frozen * width + 16 * trained."""
    frozen, width, trained = 1000, 2.0, 10
    got = _number(answer(frozen, width, trained), "the number of bytes")
    full = _number(answer(0, 2.0, 10), "the number of bytes")
    if _close(got, 2160) and _close(full, 160):
        small = _number(answer(1000, 0.5, 0), "the number of bytes")
        expect(_close(small, 500), "1000 weights in 4 bits take 500 bytes: the width may be 0.5")
        return
    expect(not _close(got, 160), "the frozen weights are missing: they lie there, too")
    expect(
        not _close(got, 16160),
        "frozen weights have neither gradient nor moments: only what is trained has",
    )
    expect(not _close(got, 2160 * 8), "these are bits: eight of them make a byte")
    expect(not _close(got, 2160 / 1e9), "these are GB: the bytes themselves are wanted")
    expect(
        not _close(got, 2040),
        "4 bytes per trained parameter are its weight alone: gradient and moments come on top",
    )
    expect(
        not _close(got, 2080),
        "8 bytes per trained parameter are weight and gradient: AdamW's moments come on top",
    )
    expect(
        not _close(got, 2120),
        "12 bytes per trained parameter: of weight, gradient and two moments one is missing",
    )
    expect(False, f"1000 frozen weights of 2 bytes and 10 trained ones take 2160, not {got:g}")


@exercise("10.2", passed="sixteen levels and one scale: the block's largest value comes back whole")
def four_bits(answer: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> None:
    """levels[nearest(block / absmax)] * absmax."""
    block = torch.tensor([0.10, -0.80, 0.33, 0.05, -0.21, 0.62, 0.02, -0.47])
    got = answer(block.clone(), NF4.clone())
    expect(isinstance(got, torch.Tensor), f"a tensor is wanted, not {type(got).__name__}")
    expect(
        got.shape == block.shape,
        f"as many values as the block has are wanted, shape (8,), not {tuple(got.shape)}",
    )
    expect(
        got.dtype.is_floating_point,
        "these are the levels' numbers: what they stand for is wanted",
    )
    got = got.detach().float()
    zeros = answer(torch.zeros(8), NF4.clone())
    expect(
        zeros.isfinite().all(),
        "a block of zeros gives nan: its scale is 0, and nothing may be divided by that",
    )
    right = round_trip(block, NF4, block=8)
    if torch.allclose(got, right, atol=1e-6):
        even = answer(block.clone(), EVEN.clone()).float()
        expect(
            torch.allclose(even, round_trip(block, EVEN, block=8), atol=1e-6),
            "right for NF4 but not for even levels: take the levels that are given",
        )
        return
    unit = round_trip(block, NF4, block=8) / 0.8
    expect(
        not torch.allclose(got, unit, atol=1e-6),
        "these lie between -1 and 1: multiply by the scale again",
    )
    # A positive largest value would take -0.80 for its nearest level, -1.
    largest = NF4[(block[:, None] / block.max() - NF4).abs().argmin(dim=1)] * block.max()
    expect(
        not torch.allclose(got, largest, atol=1e-6),
        "the scale is the largest value with its sign: the largest absolute value is wanted",
    )
    below = NF4[(torch.bucketize(block / 0.8, NF4, right=True) - 1).clamp(0)] * 0.8
    above = NF4[torch.bucketize(block / 0.8, NF4).clamp(max=15)] * 0.8
    expect(
        not (torch.allclose(got, below, atol=1e-6) or torch.allclose(got, above, atol=1e-6)),
        "rounded to one side: the nearest level may lie above or below",
    )
    unscaled = NF4[(block[:, None] - NF4).abs().argmin(dim=1)]
    expect(
        not torch.allclose(got, unscaled, atol=1e-6),
        "nothing was divided: the levels are for values whose largest is 1",
    )
    expect(
        not torch.allclose(got, block, atol=1e-6),
        "the block came back as it was: sixteen levels cannot do that",
    )
    expect(False, "the values differ from levels[nearest to block / scale] * scale")


@exercise(
    "10.3", passed="below the roof's bend more rows cost nothing, above it each costs its share"
)
def step_seconds(answer: Callable[..., float]) -> None:
    """max(rows * flops / rate, (weights + rows * cache) / bandwidth)."""

    def ask(rows: int) -> float:
        got = answer(rows, 100.0, 6.0, 50.0, 1000.0, 10.0)
        return _number(got, "the number of seconds")

    def truth(rows: int) -> float:
        return max(rows * 50.0 / 1000.0, (100.0 + rows * 6.0) / 10.0)

    one, few = ask(1), ask(10)
    # With little cache many rows are bound by arithmetic.
    many = _number(answer(1000, 100.0, 0.1, 50.0, 1000.0, 10.0), "the number of seconds")
    if _close(one, truth(1)) and _close(few, truth(10)) and _close(many, 50.0):
        return
    expect(
        not _close(one, 0.05 + 10.6),
        "the two times were added: they overlap, and the longer one decides",
    )
    expect(not _close(one, 0.05), "the smaller of the two was taken: whoever is slower decides")
    expect(
        not _close(few, 10 * truth(1)),
        "ten rows were given ten readings of the weights: one reading serves them all",
    )
    expect(not _close(few, 10.6), "the cache was read once: each row has its own")
    expect(not _close(few, 10.0), "the cache is missing: each row's is read along with the weights")
    expect(
        not _close(many, (100.0 + 1000 * 0.1) / 10.0),
        "arithmetic is not counted for every row: a thousand rows compute a thousand times as much",
    )
    expect(
        not _close(few, truth(10) / 10),
        "this is the time per row: that of the whole step is wanted",
    )
    expect(False, f"10 rows should take {truth(10):g} s here, not {few:g}")


@exercise("10.4", passed="every group counts once, whichever process it lies in")
def combine(answer: Callable[[list[torch.Tensor], list[int]], torch.Tensor]) -> None:
    """sum(n_i * mean_i) / sum(n_i)."""
    means = [torch.tensor([1.0, 2.0]), torch.tensor([4.0, -1.0])]
    groups = [3, 1]
    kept = [mean.clone() for mean in means]
    got = answer(means, groups)
    expect(isinstance(got, torch.Tensor), f"a tensor is wanted, not {type(got).__name__}")
    expect(
        got.shape == (2,),
        f"one gradient is wanted, of the shape of each mean, (2,), not {tuple(got.shape)}",
    )
    expect(
        all(torch.equal(a, b) for a, b in zip(means, kept, strict=True)),
        "the means themselves were changed: other code still needs them",
    )
    total = sum(n * m for n, m in zip(groups, kept, strict=True))
    if torch.allclose(got.float(), total / 4):
        return
    expect(
        not torch.allclose(got.float(), (kept[0] + kept[1]) / 2),
        "each process has the same weight: the one with a single group counts as much as that "
        "with three",
    )
    expect(
        not torch.allclose(got.float(), kept[0] + kept[1]),
        "the means were added up: the step would grow with the number of processes",
    )
    expect(
        not torch.allclose(got.float(), total),
        "weighted, but not divided by the number of all groups",
    )
    expect(
        not torch.allclose(got.float(), total / 2),
        "divided by the number of processes: there are four groups",
    )
    swapped = (kept[0] * 1 + kept[1] * 3) / 4
    expect(
        not torch.allclose(got.float(), swapped),
        "the weights are exchanged: three groups weigh three quarters",
    )
    expect(False, "the mean over all four groups is [1.75, 1.25]")
