"""The stages of a clip in the model: shapes, the encoder by hand, what each token hears."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn

from r1aqa_helpers.course.tables import Table
from r1aqa_helpers.data.audio import SAMPLE_RATE
from r1aqa_helpers.hardware import flops
from r1aqa_helpers.models import (
    Clips,
    LoadedModel,
    audio_states,
    chat_text,
    embed_prompts,
    encode,
)

#: (heads, T, width) queries, keys and values, and (T, T) bool: who may read whom.
Attention = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


@torch.no_grad()
def path_table(loaded: LoadedModel, text: str, wave: np.ndarray) -> Table:
    """What leaves each stage: of this model with this clip, and at 7B with 30 seconds."""
    model = loaded.model
    encoder, projector = model.model.audio_tower, model.model.multi_modal_projector
    inputs = encode(loaded, [text], [wave])
    found: dict[str, tuple[int, ...]] = {}
    parts = {"conv": encoder.conv2, "encoder": encoder.avg_pooler, "projector": projector}
    hooks = [
        part.register_forward_hook(
            lambda _module, _given, out, name=name: found.update({name: tuple(out.shape[1:])})
        )
        for name, part in parts.items()
    ]
    try:
        logits = model(**inputs).logits
    finally:
        for hook in hooks:
            hook.remove()
    is_audio = inputs["input_ids"][0] == model.config.audio_token_id
    big = flops.config_7b()
    mels, frames = inputs["input_features"].shape[1:]
    width, hidden = big.audio_config.d_model, big.text_config.hidden_size
    rows = [
        ("waveform", f"{len(wave):,} samples", f"{30 * SAMPLE_RATE:,} samples"),
        ("log-mel spectrogram", f"{mels} × {frames}", f"{big.audio_config.num_mel_bins} × 3,000"),
        ("two convolutions", _times(found["conv"][::-1]), f"1,500 × {width:,}"),
        (
            f"encoder layers ({len(encoder.layers)}; 7B: {big.audio_config.encoder_layers}), pool",
            _times(found["encoder"][::-1]),
            f"750 × {width:,}",
        ),
        (
            "projector, without padding",
            f"{int(is_audio.sum())} × {found['projector'][-1]}",
            f"750 × {hidden:,}",
        ),
        (
            f"language model ({model.config.text_config.num_hidden_layers} layers; "
            f"7B: {big.text_config.num_hidden_layers})",
            f"{inputs['input_ids'].shape[1]} × {model.config.text_config.hidden_size}",
            f"about 830 × {hidden:,}",
        ),
        (
            "logits of the next token",
            f"{logits.shape[-1]:,}",
            f"{big.text_config.vocab_size:,}",
        ),
    ]
    return Table("What leaves each stage", rows, ("stage", "here", "7B, 30 s"))


def _times(shape: Sequence[int]) -> str:
    return " × ".join(f"{size:,}" for size in shape)


def encoder_input(loaded: LoadedModel, wave: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """What a clip gives the encoder: features (1, mels, frames), and its frames, (1,)."""
    inputs = encode(loaded, [chat_text(loaded, "?")], [wave])
    return inputs["input_features"], inputs["feature_attention_mask"].sum(-1)


@torch.no_grad()
def audio_vectors(loaded: LoadedModel, wave: np.ndarray) -> torch.Tensor:
    """The encoder's states of a clip: (tokens, width), on the CPU."""
    states, lengths = audio_states(loaded.model.model.audio_tower, *encoder_input(loaded, wave))
    return states[0, : int(lengths)].float().cpu()


@torch.no_grad()
def encoder_by_hand(loaded: LoadedModel, wave: np.ndarray, attention: Attention) -> torch.Tensor:
    """As `audio_vectors`, every layer with ``attention`` in place of the library's."""
    encoder = loaded.model.model.audio_tower
    features, frames = encoder_input(loaded, wave)
    hidden = nn.functional.gelu(encoder.conv1(features))
    hidden = nn.functional.gelu(encoder.conv2(hidden)).permute(0, 2, 1)[0]
    hidden = hidden + encoder.embed_positions.weight[: len(hidden)]
    heard, lengths = encoder._get_feat_extract_output_lengths(frames)
    allowed = torch.arange(len(hidden), device=hidden.device) < heard  # every place of the clip
    for layer in encoder.layers:
        own = layer.self_attn
        given = layer.self_attn_layer_norm(hidden)
        q, k, v = (
            project(given).unflatten(-1, (own.num_heads, -1)).transpose(0, 1)
            for project in (own.q_proj, own.k_proj, own.v_proj)
        )
        mixed = attention(q, k, v, allowed.expand(len(hidden), -1))
        hidden = hidden + own.out_proj(mixed.transpose(0, 1).flatten(-2))
        given = layer.final_layer_norm(hidden)
        hidden = hidden + layer.fc2(layer.activation_fn(layer.fc1(given)))
    pooled = encoder.avg_pooler(hidden.T.unsqueeze(0))[0].T
    return encoder.layer_norm(pooled)[: int(lengths)].float().cpu()


def attention(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, allowed: torch.Tensor
) -> torch.Tensor:
    """(heads, T, width): each position's mean of the values, weighted by softmax(q·k / √width)."""
    scores = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5
    return scores.masked_fill(~allowed, float("-inf")).softmax(dim=-1) @ v


@torch.no_grad()
def row_of_vectors(
    loaded: LoadedModel, text: str, wave: np.ndarray
) -> tuple[torch.Tensor, torch.Tensor]:
    """The vectors that the language model reads, (tokens, width); which are audio, (tokens,)."""
    inputs = encode(loaded, [text], [wave])
    none = torch.zeros(1, 1, dtype=torch.long, device=loaded.device)
    clips = Clips(inputs["input_features"], inputs["feature_attention_mask"], none)
    row = embed_prompts(loaded.model, inputs["input_ids"], clips)[0]
    return row, inputs["input_ids"][0] == loaded.model.config.audio_token_id


@torch.no_grad()
def by_layer(
    loaded: LoadedModel, text: str, wave: np.ndarray, choices: Sequence[str]
) -> torch.Tensor:
    """The next token's probability to begin each choice, read after each layer (logit lens).

    Returns:
        (layers + 1, choices): before the first layer, then after each.
    """
    row, _ = row_of_vectors(loaded, text, wave)
    language, head = loaded.model.model.language_model, loaded.model.lm_head
    states = language(inputs_embeds=row[None], output_hidden_states=True).hidden_states
    # The last of them has been through the final norm already.
    last = [language.norm(state[0, -1]) for state in states[:-1]] + [states[-1][0, -1]]
    chances = head(torch.stack(last)).float().softmax(dim=-1).cpu()
    encoded = loaded.processor.tokenizer(list(choices), add_special_tokens=False)["input_ids"]
    return chances[:, [tokens[0] for tokens in encoded]]


def lost_by_silence(
    loaded: LoadedModel, text: str, wave: np.ndarray, answer: str, width: float
) -> dict[float, float]:
    """Nats that an answer's first token loses as each stretch falls silent, by its start, s."""
    whole = by_layer(loaded, text, wave, [answer])[-1].log()
    lost = {}
    for begin in np.arange(0, len(wave) / SAMPLE_RATE - width / 4, width):
        cut = wave.copy()
        cut[round(begin * SAMPLE_RATE) : round((begin + width) * SAMPLE_RATE)] = 0
        lost[float(begin)] = (whole - by_layer(loaded, text, cut, [answer])[-1].log()).item()
    return lost
