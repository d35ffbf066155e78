"""What a Qwen2-Audio costs: parameters, FLOPs and bytes, counted from its configuration alone.

A multiplication and an addition are 2 FLOPs. Only matrix products, convolutions and attention
are counted; what works element by element is well under 1 % at 7B. Attention is counted over
the pairs of tokens that see one another, also where a kernel computes all and masks some.
"""

from dataclasses import dataclass
from typing import Any

from transformers import Qwen2AudioConfig, Qwen2Config
from transformers.models.qwen2_audio import Qwen2AudioEncoderConfig

from r1aqa_helpers.utils.paths import TINY

#: Ways to perform one update of GRPO; `group_flops` says what each does.
WAYS = ("published", "plain", "shared")
#: Bits per stored weight. NF4 (QLoRA, arXiv 2305.14314, section 3): 4 bits, and per block of 64
#: weights a scale, which its second quantisation brings from 32 bits to 8 and 32 per 256 blocks.
BITS = {"float32": 32, "bfloat16": 16, "nf4": 4 + 8 / 64 + 32 / (64 * 256)}


def tiny_config() -> Qwen2AudioConfig:
    """The shipped checkpoint's."""
    return Qwen2AudioConfig.from_pretrained(TINY / "model", local_files_only=True)


def config_7b(**fields: Any) -> Qwen2AudioConfig:
    """Qwen2-Audio-7B-Instruct's sizes; ``fields`` go to the configuration, such as tokens' ids.

    What is not set here has transformers' defaults, which are that model's.
    """
    text = Qwen2Config(
        vocab_size=156_032,
        intermediate_size=11_008,
        max_position_embeddings=8192,
        tie_word_embeddings=False,
        bos_token_id=None,
    )
    return Qwen2AudioConfig(audio_config=Qwen2AudioEncoderConfig(), text_config=text, **fields)


def parameters(config: Qwen2AudioConfig) -> dict[str, int]:
    """Parameters of each part, and their ``total``.

    ``encoder`` is the audio encoder, of width d, with f in its feed-forward layers: two
    convolutions of kernel 3, positions, and layers whose keys have no bias. The language model's
    layers, of width h, with i in their feed-forward part, have biases on all projections but the
    last.
    """
    audio, text = config.audio_config, config.text_config
    d, f = audio.d_model, audio.encoder_ffn_dim
    h = text.hidden_size
    queries, keys = attention_widths(text)
    encoder = (
        3 * audio.num_mel_bins * d + d + 3 * d * d + d
        + audio.max_source_positions * d
        + audio.encoder_layers * (4 * d * d + 3 * d + 2 * d * f + d + f + 4 * d)
        + 2 * d
    )  # fmt: skip
    layer = decoder_layer_weights(config) + queries + 2 * keys + 2 * h
    parts = {
        "encoder": encoder,
        "projector": d * h + h,
        "embeddings": text.vocab_size * h,
        "decoder": text.num_hidden_layers * layer + h,
        "head": 0 if text.tie_word_embeddings else text.vocab_size * h,
    }
    return {**parts, "total": sum(parts.values())}


def decoder_layer_weights(config: Qwen2AudioConfig) -> int:
    """Weights that each token meets in a decoder layer: h (2 q + 2 k) + 3 h i."""
    text = config.text_config
    queries, keys = attention_widths(text)
    return text.hidden_size * (2 * queries + 2 * keys + 3 * text.intermediate_size)


def linear_weights(config: Qwen2AudioConfig) -> int:
    """Weights of the linear layers, without biases and the head: what 4-bit loading quantises."""
    audio, text = config.audio_config, config.text_config
    d, f = audio.d_model, audio.encoder_ffn_dim
    return (
        audio.encoder_layers * (4 * d * d + 2 * d * f)
        + d * text.hidden_size
        + text.num_hidden_layers * decoder_layer_weights(config)
    )


def weight_bytes(config: Qwen2AudioConfig, precision: str) -> int:
    """Bytes that the weights take, ``precision`` being one of `BITS`.

    With "nf4" the linear layers' weights are in 4 bits; convolutions, embeddings, norms, biases
    and the head stay in bfloat16, as bitsandbytes leaves them.
    """
    total = parameters(config)["total"]
    if precision != "nf4":
        return total * int(BITS[precision]) // 8
    linear = linear_weights(config)
    return round((linear * BITS["nf4"] + (total - linear) * BITS["bfloat16"]) / 8)


def lora_parameters(config: Qwen2AudioConfig, rank: int) -> int:
    """Parameters of an adapter of this rank on all projections of the language model."""
    text = config.text_config
    queries, keys = attention_widths(text)
    h, i = text.hidden_size, text.intermediate_size
    ends = 2 * (h + queries) + 2 * (h + keys) + 3 * (h + i)
    return text.num_hidden_layers * rank * ends


def window_frames(config: Qwen2AudioConfig) -> int:
    """Mel frames (10 ms) of the longest clip."""
    return 2 * config.audio_config.max_source_positions


def encoder_flops(config: Qwen2AudioConfig, frames: int) -> int:
    """Audio encoder and projector on one clip computed over ``frames`` mel frames, a multiple of 4.

    The convolutions make frames/2 positions T: 6 frames mels d + 6 T d^2. Each layer takes
    2 T (4 d^2 + 2 d f) and attention 4 T^2 d, all seeing all. The projector has T/2 positions.
    """
    if frames > window_frames(config):
        raise ValueError(f"{frames} frames exceed the window of {window_frames(config)}")
    audio, h = config.audio_config, config.text_config.hidden_size
    d, f, t = audio.d_model, audio.encoder_ffn_dim, frames // 2
    convolutions = 6 * frames * audio.num_mel_bins * d + 6 * t * d * d
    layer = 2 * t * (4 * d * d + 2 * d * f) + 4 * t * t * d
    return convolutions + audio.encoder_layers * layer + 2 * (t // 2) * d * h


def causal_pairs(tokens: int, past: int = 0) -> int:
    """Pairs (token, token that it sees): each sees the ``past``, those before, and itself."""
    return tokens * past + tokens * (tokens + 1) // 2


def attention_flops(config: Qwen2AudioConfig, pairs: int) -> int:
    """The decoder layers' attention: 4 q FLOPs per pair, q being the width of all heads."""
    queries, _ = attention_widths(config.text_config)
    return 4 * config.text_config.num_hidden_layers * queries * pairs


def head_flops(config: Qwen2AudioConfig, positions: int) -> int:
    """Logits at so many positions: 2 h V each."""
    return 2 * positions * config.text_config.hidden_size * config.text_config.vocab_size


def decoder_flops(
    config: Qwen2AudioConfig, tokens: int, pairs: int | None = None, logits: int = 0
) -> int:
    """A forward pass of ``tokens`` through the language model, with logits at so many positions.

    The layers' projections take 2 FLOPs per weight and token. ``pairs`` that attend: by default
    those of one causal row.
    """
    linear = 2 * tokens * config.text_config.num_hidden_layers * decoder_layer_weights(config)
    return (
        linear
        + attention_flops(config, causal_pairs(tokens) if pairs is None else pairs)
        + head_flops(config, logits)
    )


def cache_bytes_per_token(config: Qwen2AudioConfig, bytes_per_value: int = 2) -> int:
    """A token's keys and values in all layers."""
    _, keys = attention_widths(config.text_config)
    return 2 * config.text_config.num_hidden_layers * keys * bytes_per_value


def question_flops(config: Qwen2AudioConfig, audio: int, text: int, answer: int) -> dict[str, int]:
    """FLOPs of answering one question: ``encoder`` (encoder, projector), ``prefill``, ``decode``.

    The encoder computes its whole window, as in transformers.

    Args:
        audio, text, answer: tokens of the clip, of the rest of the prompt, and of the answer,
            of which the last is not taken in again.
    """
    prompt, steps = audio + text, answer - 1
    return {
        "encoder": encoder_flops(config, window_frames(config)),
        "prefill": decoder_flops(config, prompt, logits=1),
        "decode": decoder_flops(config, steps, causal_pairs(steps, prompt), logits=steps),
    }


@dataclass(frozen=True)
class Group:
    """A prompt of ``audio`` + ``text`` tokens, and ``size`` answers of ``answer`` tokens."""

    size: int
    audio: int
    text: int
    answer: int

    @property
    def prompt(self) -> int:
        """Tokens of the prompt."""
        return self.audio + self.text

    @property
    def frames(self) -> int:
        """Mel frames of the clip: the audio encoder makes one token of four."""
        return 4 * self.audio


def group_flops(
    config: Qwen2AudioConfig, group: Group, way: str, lora: bool = False
) -> dict[str, int]:
    """FLOPs of one group's share of an update, by stage, in one of `WAYS`.

    ``published`` is R1-AQA's trainer: every answer has a row of its own, clips are encoded on the
    whole window for each row and each pass, logits are made at every position. ``plain`` encodes
    the frames that exist and makes logits at the answers only. ``shared`` takes each group's clip
    and prompt in once. With LoRA the encoder is frozen and the reference is the model without
    the adapter; the adapter's own products (under 1 %) are not counted.

    A backward pass takes twice its forward pass, for the gradients of inputs and weights; where
    the weights are frozen, once. Attention has no weights, and takes twice.

    Returns:
        ``encoder`` (all its forward passes), ``rollout_prefill``, ``decode``,
        ``policy_forward``, ``policy_backward`` (the encoder's included), ``reference_forward``
        and ``total``.
    """
    if way not in WAYS:
        raise ValueError(f"{way!r}: choose one of {', '.join(WAYS)}")
    rows, steps, frames = group.size, group.answer - 1, group.frames
    if way == "shared":  # prompt, answer 1 … answer G, each answer blind to the others
        rows, tokens = 1, group.prompt + group.size * steps
        pairs = causal_pairs(group.prompt) + group.size * causal_pairs(steps, group.prompt)
        logits = group.size * group.answer
    elif way == "plain":
        row = group.prompt + steps
        tokens, pairs, logits = rows * row, rows * causal_pairs(row), rows * group.answer
    else:
        row, frames = group.prompt + group.answer, window_frames(config)
        tokens, pairs, logits = rows * row, rows * causal_pairs(row), rows * row
    encoded = rows * encoder_flops(config, frames)
    # A frozen encoder's outputs are kept from the rollout; the published trainer keeps nothing.
    passes = 1 if lora and way != "published" else 3

    forward = decoder_flops(config, tokens, pairs, logits)
    decoded = group.size * decoder_flops(
        config, steps, causal_pairs(steps, group.prompt), logits=steps
    )
    stages = {
        "encoder": passes * encoded,
        "rollout_prefill": rows * decoder_flops(config, group.prompt, logits=1),
        "decode": decoded,
        "policy_forward": forward,
        "policy_backward": forward + attention_flops(config, pairs)
        if lora
        else 2 * (forward + encoded),
        "reference_forward": forward,
    }
    return {**stages, "total": sum(stages.values())}


def attention_widths(text: Qwen2Config) -> tuple[int, int]:
    """Width of all query heads, and of all key heads."""
    width = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    return text.num_attention_heads * width, text.num_key_value_heads * width
