"""The museum's failures do fail, and its measurements tell them from the healthy case."""

import copy

import numpy as np
import pytest
import torch

from r1aqa_helpers.course import failures
from r1aqa_helpers.models import chat_text, encode, load
from r1aqa_helpers.models.half import guard_float16
from r1aqa_helpers.paths import TINY


@pytest.fixture(scope="module")
def loaded():
    return load(TINY / "model", device="cpu", dtype="float32")


@pytest.fixture(scope="module")
def inputs(loaded):
    noise = np.random.default_rng(0).normal(0, 0.1, (2, 32_000)).astype(np.float32)
    texts = [chat_text(loaded, text) for text in ("What sounds?", "Which of the two comes first?")]
    return encode(loaded, texts, [noise[0], noise[1][:20_000]])


def test_small_card_counts_what_is_held_and_lets_go_of_the_rest():
    with failures.SmallCard() as card:
        first = torch.zeros(1000)
        second = first + 1
        view = second[:10]
        assert card.live == card.peak == 8000
        del first
        assert card.live == 4000
        del second
        assert card.live == 4000  # the view holds it
        del view
        assert card.live == 0
    assert card.peak == 8000


def test_small_card_does_not_count_views_of_what_was_there_before():
    weight = torch.ones(10, 10)
    with failures.SmallCard() as card:
        turned = weight.t()
    assert turned.shape == (10, 10)
    assert card.live == 0


def test_small_card_raises_what_a_gpu_raises():
    with (
        pytest.raises(torch.OutOfMemoryError, match="all 1 MB are taken"),
        failures.SmallCard(limit=1e6),
    ):
        torch.zeros(1_000_000)


def test_a_graph_that_is_kept_is_held(loaded, inputs):
    held = []
    for keep in (True, False):
        with failures.SmallCard() as card:
            loss = loaded.model(**inputs, use_cache=False).logits.mean()
            kept = loss if keep else loss.item()
            del loss
            held.append(card.live)
        del kept
    assert held[0] > 1e6 > held[1]


def test_scores_of_a_row_do_not_depend_on_its_batch(loaded, inputs):
    answers = ["rain", "the second one"]
    together = failures.answer_scores(loaded, inputs, answers)
    for row, answer in enumerate(answers):
        one = {name: tensor[row : row + 1] for name, tensor in inputs.items()}
        alone = failures.answer_scores(loaded, one, [answer])
        assert torch.allclose(alone, together[row], atol=1e-4)
    swapped = {**inputs, "input_features": inputs["input_features"].flip(0)}
    assert (failures.answer_scores(loaded, swapped, answers) - together).abs().min() > 1e-3


def test_a_large_channel_changes_nothing_but_the_range(loaded, inputs):
    model = copy.deepcopy(loaded.model)
    with torch.no_grad():
        before = model(**inputs).logits
        largest, planted = failures.with_large_channel(model, inputs)
        assert largest < 65_504 < planted
        assert torch.allclose(model(**inputs).logits, before, atol=1e-4)
    half = copy.deepcopy(model).half()
    in_half = {**inputs, "input_features": inputs["input_features"].half()}
    assert failures.first_not_finite(half, in_half).startswith("model.language_model.layers.1.mlp")
    guard_float16(half)
    assert failures.first_not_finite(half, inputs) is None
    assert failures.first_not_finite(model, inputs) is None


def test_only_greedy_writes_none_but_the_likeliest(loaded, inputs):
    width = inputs["input_ids"].shape[1]
    greedy = loaded.model.generate(**inputs)[:, width:]
    assert failures.likeliest_share(loaded, inputs, greedy) == 1
    bent = copy.deepcopy(loaded.model.generation_config)
    bent.repetition_penalty = 5.0
    other = loaded.model.generate(**inputs, generation_config=bent)[:, width:]
    assert failures.likeliest_share(loaded, inputs, other) < 1


def test_choosing_among_equals_gains_only_where_it_was_chosen():
    rng = np.random.default_rng(1)
    first, second = rng.random((2, 400)) < 0.7
    here, there = failures.best_of_equals(first, second, rounds=300)
    assert here > 1
    assert abs(there) < 0.5
    assert failures.best_of_equals(first, second, checkpoints=1, rounds=3) == (0, 0)
