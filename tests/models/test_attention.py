"""Attention weights of the answer's position: the model's own, and nothing left changed."""

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
    tokens = 25 * len(wave) // SAMPLE_RATE
    assert found.is_audio.sum() == tokens
    assert found.on_clip.shape == (len(found.weights), tokens)


def test_kernel_is_the_same_afterwards_also_after_a_failure(loaded, wave, monkeypatch):
    language = loaded.model.model.language_model

    def fail(*_args, **_kwargs):
        raise RuntimeError("no memory")

    monkeypatch.setattr(language, "forward", fail)
    with pytest.raises(RuntimeError, match="no memory"):
        answer_attention(loaded, chat_text(loaded, TEXT), wave)
    assert language.config._attn_implementation == "sdpa"
