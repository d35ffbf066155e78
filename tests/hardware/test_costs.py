"""What a model costs by its configuration: against the model's own modules, and by hand."""

import pytest
import torch
from torch import nn
from transformers import Qwen2AudioForConditionalGeneration

from r1aqa_helpers.hardware import flops


@pytest.fixture(scope="module", params=["tiny", "7b"])
def sized(request):
    """A configuration, and its model without weights."""
    config = flops.tiny_config() if request.param == "tiny" else flops.config_7b()
    with torch.device("meta"):
        return config, Qwen2AudioForConditionalGeneration(config)


def test_each_part_has_the_model_s_parameters(sized):
    config, model = sized
    inner = model.model
    parts = {
        "encoder": inner.audio_tower,
        "projector": inner.multi_modal_projector,
        "embeddings": inner.language_model.embed_tokens,
        "head": model.lm_head,
    }
    found = {name: sum(p.numel() for p in part.parameters()) for name, part in parts.items()}
    counted = flops.parameters(config)
    assert found == {name: counted[name] for name in parts}
    assert counted["total"] == sum(p.numel() for p in model.parameters())
    assert counted["total"] == sum(n for name, n in counted.items() if name != "total")


def test_what_4_bits_quantise_are_the_linear_layers(sized):
    config, model = sized
    linear = [m for m in model.modules() if isinstance(m, nn.Linear) and m is not model.lm_head]
    assert flops.linear_weights(config) == sum(layer.weight.numel() for layer in linear)


def test_weight_bytes(sized):
    config, _ = sized
    total, linear = flops.parameters(config)["total"], flops.linear_weights(config)
    assert flops.weight_bytes(config, "float32") == 4 * total
    assert flops.weight_bytes(config, "bfloat16") == 2 * total
    # QLoRA, section 3: a block's scale costs 0.127 bits per weight after double quantisation.
    expected = linear * 4.127 / 8 + 2 * (total - linear)
    assert flops.weight_bytes(config, "nf4") == pytest.approx(expected, rel=1e-4)


def test_question_is_encoder_prefill_and_decode():
    config = flops.config_7b()
    found = flops.question_flops(config, audio=250, text=80, answer=9)
    assert found["encoder"] == flops.encoder_flops(config, 3000)
    # Taking 330 tokens in at once or 322 and then 8: logits are made at one position, or at nine.
    whole = flops.decoder_flops(config, 338, logits=9)
    assert found["prefill"] + found["decode"] == whole
    assert flops.question_flops(config, audio=250, text=80, answer=1)["decode"] == 0
