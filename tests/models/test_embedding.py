"""The audio encoder on the frames that exist, against its own forward; what is kept of it."""

import pytest
import torch
from transformers.masking_utils import create_bidirectional_mask

from r1aqa_helpers.models import AudioFeatureCache, audio_states
from r1aqa_helpers.tiny.build import random_tiny


@pytest.fixture(scope="module")
def encoder() -> torch.nn.Module:
    model, _ = random_tiny(seed=4)
    return model.model.audio_tower


def padded(encoder, features, frames):
    """By the encoder's own forward, which takes a whole window."""
    heard = (frames - 1) // 2 + 1
    steps = features.shape[-1] // 2
    mask = create_bidirectional_mask(
        config=encoder.config,
        inputs_embeds=features.new_zeros(len(features), steps, 1),
        attention_mask=(torch.arange(steps) < heard.unsqueeze(1)).long(),
    )
    return encoder(features, attention_mask=mask).last_hidden_state


@pytest.mark.parametrize("frames", [[7], [50, 51, 52, 53], [400, 13]], ids=lambda f: str(f))
def test_equal_to_the_encoders_forward_on_a_padded_window(encoder, frames):
    """Values and gradients; the padding after a clip is not zero, and its edge is heard."""
    torch.manual_seed(len(frames))
    window = 2 * encoder.config.max_source_positions
    features = torch.randn(len(frames), encoder.config.num_mel_bins, window)
    frames = torch.tensor(frames)
    found = []
    for encode in (lambda: audio_states(encoder, features, frames)[0],
                   lambda: padded(encoder, features, frames)):  # fmt: skip
        encoder.zero_grad()
        states = encode()
        kept = torch.cat([s[:n] for s, n in zip(states, frames.add(1).div(2).int() // 2,
                                                strict=True)])  # fmt: skip
        (kept * torch.linspace(-1, 1, kept.numel()).view_as(kept)).sum().backward()
        gradients = [p.grad.flatten() for p in encoder.parameters() if p.grad is not None]
        found.append((kept.detach(), torch.cat(gradients)))
    assert (found[0][0] - found[1][0]).abs().max() < 1e-5
    # Positions that no clip reaches have no gradient in either way; sizes are the same.
    assert (found[0][1] - found[1][1]).norm() / found[1][1].norm() < 1e-5


def test_computes_no_more_than_the_longest_clip_needs(encoder):
    features = torch.randn(2, encoder.config.num_mel_bins, 2 * encoder.config.max_source_positions)
    states, lengths = audio_states(encoder, features, torch.tensor([40, 81]))
    assert lengths.tolist() == [10, 20]
    assert states.shape[1] == 21  # 81 frames and the 2 that the convolutions look ahead


def test_the_cache_forgets_the_oldest_and_knows_its_size():
    cache, one = AudioFeatureCache(3 * 80), torch.zeros(10, 2)
    for key in "abc":
        cache.put(key, one + ord(key))
    assert cache.get("a") is not None  # now the latest
    cache.put("d", one)
    assert cache.get("b") is None and len(cache) == 3
    assert torch.equal(cache.get("a"), one + ord("a"))
    cache.put("e", torch.zeros(100, 2))  # larger than the capacity: kept alone
    assert len(cache) == 1 and cache.get("e") is not None
