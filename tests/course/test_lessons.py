"""What single notebooks use beside their checks: numbers, toys, recorded runs, figures."""

import pytest
import torch
from torch.utils.checkpoint import checkpoint

from r1aqa_helpers.course.lessons import n09
from r1aqa_helpers.data import read_questions
from r1aqa_helpers.evaluation.endpoint import answer_at_endpoint
from r1aqa_helpers.evaluation.local import answer_questions


@pytest.mark.parametrize("levels", [n09.EVEN, n09.NF4])
def test_09_every_value_goes_to_its_nearest_level(levels):
    assert len(levels) == 16 and levels[0] == -1 and levels[-1] == 1 and (levels.diff() > 0).all()
    torch.manual_seed(0)
    values = torch.randn(4, 64)
    scale = values.abs().amax(dim=1, keepdim=True)
    apart = (values[..., None] / scale[..., None] - levels).abs()
    assert torch.allclose(n09.round_trip(values, levels), levels[apart.argmin(-1)] * scale)
    block = torch.cat([3 * levels, 0.5 * levels])
    assert n09.relative_error(block, n09.round_trip(block, levels, block=16)) < 1e-6
    assert (n09.round_trip(torch.zeros(64), levels) == 0).all()
    with pytest.raises(ValueError, match="whole blocks of 64"):
        n09.round_trip(torch.zeros(65), levels)


def test_09_zero_shares_out_ever_more():
    # ZeRO, arXiv 1910.02054, figure 1: 7.5 billion parameters on 64 GPUs, in GB.
    published = {"ddp": 120, "ZeRO-1": 31.4, "ZeRO-2": 16.6, "ZeRO-3, FSDP": 1.9}
    for way in n09.SHARED_OUT:
        found = sum(n09.bytes_per_gpu(7_500_000_000, way, 64).values()) / 1e9
        assert found == pytest.approx(published[way], abs=0.06)


def test_09_what_is_held_is_counted_and_what_is_let_go_is_not():
    with n09.MemoryCount() as count:
        first = torch.zeros(1000)
        second = first + 1
        view = second[:10]
        assert count.live == count.peak == 8000
        del first
        assert count.live == 4000
        del second
        assert count.live == 4000  # the view holds it
        del view
        assert count.live == 0
    assert count.peak == 8000


def test_09_checkpointing_lowers_the_peak():
    stack = n09.blocks(6)

    def again(x: torch.Tensor) -> torch.Tensor:
        for block in stack:
            x = checkpoint(block, x, use_reentrant=False)
        return x

    assert n09.peak_of(again) < 0.5 * n09.peak_of(stack)


def test_09_a_local_server_answers_as_the_model_does(loaded, make_questions):
    questions = read_questions(make_questions(2)[0])
    with n09.serving(loaded) as endpoint:
        served = answer_at_endpoint(endpoint, questions, max_new_tokens=4)
    local = answer_questions(loaded, questions, max_new_tokens=4)
    assert [one.response for one in served] == [one.response for one in local]
