"""Four bits, and bytes shared out, on numbers that can be checked by hand."""

import matplotlib.pyplot as plt
import pytest
import torch

from r1aqa_helpers.course.figures.n10 import memory_bars, roofline
from r1aqa_helpers.course.lessons.n10 import (
    EVEN,
    NF4,
    SHARED_OUT,
    bytes_per_gpu,
    relative_error,
    round_trip,
)
from r1aqa_helpers.hardware.budgets import budget
from r1aqa_helpers.hardware.gpus import GPUS


@pytest.mark.parametrize("levels", [EVEN, NF4])
def test_levels_rise_from_minus_one_to_one(levels):
    assert len(levels) == 16 and levels[0] == -1 and levels[-1] == 1
    assert (levels.diff() > 0).all()


def test_a_block_of_scaled_levels_comes_back_as_it_was():
    block = torch.cat([3 * NF4, 0.5 * NF4])
    assert torch.allclose(round_trip(block, NF4, block=16), block)
    assert relative_error(block, round_trip(block, NF4, block=16)) < 1e-6


def test_every_value_goes_to_its_nearest_level():
    torch.manual_seed(0)
    values = torch.randn(4, 64)
    scale = values.abs().amax(dim=1, keepdim=True)
    apart = (values[..., None] / scale[..., None] - NF4).abs()
    assert torch.allclose(round_trip(values, NF4), NF4[apart.argmin(-1)] * scale)


def test_nf4_keeps_a_bell_better_than_even_levels():
    torch.manual_seed(0)
    bell = torch.randn(256, 64)
    error = {name: relative_error(bell, round_trip(bell, x)) for name, x in
             (("even", EVEN), ("nf4", NF4))}  # fmt: skip
    assert error["nf4"] < error["even"] < 0.12


def test_zeros_stay_zeros_and_blocks_come_out_even():
    assert not round_trip(torch.zeros(64), EVEN)[0].isnan()
    assert (round_trip(torch.zeros(64), NF4) == 0).all()
    with pytest.raises(ValueError, match="whole blocks of 64"):
        round_trip(torch.zeros(65), NF4)


def test_zero_shares_out_ever_more():
    # ZeRO, arXiv 1910.02054, figure 1: 7.5 billion parameters on 64 GPUs, in GB.
    published = {"ddp": 120, "ZeRO-1": 31.4, "ZeRO-2": 16.6, "ZeRO-3, FSDP": 1.9}
    for way in SHARED_OUT:
        found = sum(bytes_per_gpu(7_500_000_000, way, 64).values()) / 1e9
        assert found == pytest.approx(published[way], abs=0.06)


def test_bars_are_as_long_as_their_parts():
    stages = budget("t4").stages
    fig, ax = plt.subplots()
    memory_bars(ax, stages, dict.fromkeys(stages, 16e9))
    ends = max(patch.get_x() + patch.get_width() for patch in ax.patches)
    assert ends == pytest.approx(max(sum(x.values()) for x in stages.values()) / 1e9)
    assert ax.lines[0].get_xdata()[0] == pytest.approx(14.4)
    plt.close(fig)


def test_points_lie_on_the_roof():
    gpu = GPUS["A100 40 GB"]
    fig, ax = plt.subplots()
    roofline(ax, [gpu], {"low": 1.0, "high": 1e4})
    low, high = (line.get_ydata()[0] for line in ax.lines[1:])
    assert low == pytest.approx(gpu.bandwidth / 1e12)
    assert high == pytest.approx(gpu.sixteen / 1e12)
    plt.close(fig)
