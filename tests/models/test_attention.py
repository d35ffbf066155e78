"""Attention weights of the answer's position: the model's own, and nothing left changed."""

import numpy as np
import pytest
import torch

from r1aqa_helpers.data.audio import SAMPLE_RATE
from r1aqa_helpers.models import LoadedModel, chat_text, encode
from r1aqa_helpers.models.attention import answer_attention
from r1aqa_helpers.tiny.build import random_tiny

TEXT = "What makes the sound?"


@pytest.fixture(scope="module")
def loaded() -> LoadedModel:
    return LoadedModel(*random_tiny(3), "random")


@pytest.fixture(scope="module")
def wave() -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.1, SAMPLE_RATE).astype(np.float32)


def test_weights_are_those_of_the_models_own_forward(loaded, wave):
    text = chat_text(loaded, TEXT)
    found = answer_attention(loaded, text, wave)
    inputs = encode(loaded, [text], [wave])
    loaded.model.model.language_model.set_attn_implementation("eager")
    try:
        with torch.no_grad():
            layers = loaded.model(**inputs, output_attentions=True).attentions
    finally:
        loaded.model.model.language_model.set_attn_implementation("sdpa")
    expected = torch.stack([layer[0, :, -1] for layer in layers])
    assert found.weights.shape == expected.shape
    assert torch.allclose(found.weights, expected, atol=1e-6)
    assert torch.equal(found.input_ids, inputs["input_ids"][0])


def test_every_head_spreads_one_over_the_tokens(loaded, wave):
    found = answer_attention(loaded, chat_text(loaded, TEXT), wave)
    assert torch.allclose(found.weights.sum(-1), torch.ones(found.weights.shape[:2]), atol=1e-5)
    assert found.is_audio.sum() == 25  # a second
    assert found.on_clip.shape == (len(found.weights), 25)
    on_text = found.weights.mean(1)[:, ~found.is_audio].sum(-1)
    assert torch.allclose(found.on_clip.sum(-1) + on_text, torch.ones(len(on_text)), atol=1e-5)


def test_what_has_been_said_moves_the_position(loaded, wave):
    text = chat_text(loaded, TEXT)
    asked, said = answer_attention(loaded, text, wave), answer_attention(loaded, text + "<", wave)
    assert said.weights.shape[-1] > asked.weights.shape[-1]


def test_kernel_is_the_same_afterwards_also_after_a_failure(loaded, wave, monkeypatch):
    language = loaded.model.model.language_model
    answer_attention(loaded, chat_text(loaded, TEXT), wave)
    assert language.config._attn_implementation == "sdpa"

    def fail(*_args, **_kwargs):
        raise RuntimeError("no memory")

    monkeypatch.setattr(language, "forward", fail)
    with pytest.raises(RuntimeError, match="no memory"):
        answer_attention(loaded, chat_text(loaded, TEXT), wave)
    assert language.config._attn_implementation == "sdpa"
