"""Checks of notebook 10: bytes of a training, 4 bits, the roofline, gradients put together."""

import torch

from r1aqa_helpers.course.checks.common import Answer, close, explain, of_kind, tensor
from r1aqa_helpers.course.exercise import exercise, expect
from r1aqa_helpers.course.lessons.n09 import EVEN, NF4, round_trip


def _number(got: object, wanted: str) -> float:
    return float(of_kind(got, (int, float), wanted))


@exercise("10.1", passed="a trained parameter takes 16 bytes, a frozen one only its width")
def training_bytes(answer: Answer) -> None:
    """Bytes: frozen * width + 16 * trained."""
    got = _number(answer(1000, 2.0, 10), "the number of bytes")
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


@exercise("10.2", passed="sixteen levels and one scale: the block's largest value is exact")
def four_bits(answer: Answer) -> None:
    """levels[nearest(block / absmax)] * absmax."""
    block = torch.tensor([0.10, -0.80, 0.33, 0.05, -0.21, 0.62, 0.02, -0.47])
    got = tensor(answer(block.clone(), NF4.clone()), (8,), "as many values as the block has")
    expect(got.dtype.is_floating_point, "these are the levels' numbers, not what they stand for")
    zeros = answer(torch.zeros(8), NF4.clone())
    expect(zeros.isfinite().all(), "a block of zeros gives nan: its scale is 0, do not divide")

    def nearest(scale: torch.Tensor | float) -> torch.Tensor:
        return NF4[(block[:, None] / scale - NF4).abs().argmin(dim=1)]

    # A positive largest value would take -0.80 for its nearest level, -1.
    one_side = "rounded to one side: the nearest level may lie above or below"
    mistakes = {
        "these lie between -1 and 1: multiply by the scale again": nearest(0.8),
        "the scale is the largest value with its sign": nearest(block.max()) * block.max(),
        one_side: NF4[(torch.bucketize(block / 0.8, NF4, right=True) - 1).clamp(0)] * 0.8,
    }
    told = "the values differ from levels[nearest to block / scale] * scale"
    explain(got, round_trip(block, NF4, block=8), mistakes, told)
    even = close(answer(block.clone(), EVEN.clone()), round_trip(block, EVEN, block=8))
    expect(even, "correct for NF4 but not for even levels: use the levels that are given")


@exercise("10.3", passed="below the ridge more rows are free, above it each adds its share")
def step_seconds(answer: Answer) -> None:
    """max(rows * flops / rate, (weights + rows * cache) / bandwidth)."""

    def ask(rows: int, cache: float = 6.0) -> float:
        seconds = answer(rows, 100.0, cache, 50.0, 1000.0, 10.0)
        return _number(seconds, "the number of seconds")

    one, few, many = ask(1), ask(10), ask(1000, 0.1)
    mistakes = {
        "the two times were added: they overlap, and the longer one decides": 0.05 + 10.6,
        "the cache is missing: it is read along with the weights": 10.0,
    }
    explain(one, 10.6, mistakes, f"1 row should take 10.6 s here, not {one:g}")
    mistakes = {
        "ten rows were given ten readings of the weights: one serves them all": 10 * 10.6,
        "the cache was read once: each row has its own": 10.6,
    }
    explain(few, 16.0, mistakes, f"10 rows should take 16 s here, not {few:g}")
    # With little cache many rows are bound by arithmetic.
    rows = "arithmetic is not counted for every row: a thousand rows compute a thousand times"
    explain(many, 50.0, {rows: 20.0}, f"1000 rows with little cache should take 50 s, not {many:g}")


@exercise("10.4", passed="every group counts once, whichever process it is on")
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
