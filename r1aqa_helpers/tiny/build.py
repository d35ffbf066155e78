"""A real Qwen2-Audio, a few million parameters large, from its configuration.

Every class is transformers' own. Only the sizes differ from Qwen2-Audio-7B-Instruct: the audio
encoder (4 layers of width 192, not 32 of 1280), the language model (5 of 192, not 32 of 4096),
the vocabulary (about 1,000 tokens, not 156,032) and the window (4 s, not 30 s).
"""

import math
from collections.abc import Iterable

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    PreTrainedTokenizerFast,
    Qwen2AudioConfig,
    Qwen2AudioForConditionalGeneration,
    Qwen2AudioProcessor,
    Qwen2Config,
    WhisperFeatureExtractor,
)
from transformers.models.qwen2_audio import Qwen2AudioEncoderConfig

WINDOW_SECONDS = 4
SPECIAL_TOKENS = [
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|AUDIO|>",
    "<|audio_bos|>",
    "<|audio_eos|>",
]
#: a token each, though not special: they are part of what an answer says
TAGS = ["<think>", "</think>", "<answer>", "</answer>"]


def build_tokenizer(corpus: Iterable[str], vocabulary: int = 1024) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE with Qwen2-Audio's special tokens on ``corpus``.

    Byte-level, so that any text can be written, however rare: the alphabet alone covers it.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=SPECIAL_TOKENS,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus, trainer)
    tokenizer.add_tokens([AddedToken(tag, normalized=False) for tag in TAGS])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        additional_special_tokens=SPECIAL_TOKENS[3:],
        padding_side="left",
    )


def build_processor(
    tokenizer: PreTrainedTokenizerFast, window_seconds: int = WINDOW_SECONDS
) -> Qwen2AudioProcessor:
    """Qwen2-Audio's processor with Whisper's log-mel (128 bands, 10 ms hop) over a short window."""
    extractor = WhisperFeatureExtractor(
        feature_size=128,
        sampling_rate=16_000,
        hop_length=160,
        n_fft=400,
        chunk_length=window_seconds,
        return_attention_mask=True,
    )
    return Qwen2AudioProcessor(feature_extractor=extractor, tokenizer=tokenizer)


def _sinusoids(length: int, channels: int) -> torch.Tensor:
    """Whisper's fixed position table (arXiv 2212.04356); the encoder never trains it."""
    scale = torch.exp(-math.log(10_000) * torch.arange(channels // 2) / (channels // 2 - 1))
    angle = torch.arange(length)[:, None] * scale[None, :]
    return torch.cat([angle.sin(), angle.cos()], dim=1)


def build_model(
    tokenizer: PreTrainedTokenizerFast,
    window_seconds: int = WINDOW_SECONDS,
    audio_width: int = 192,
    audio_layers: int = 4,
    text_width: int = 192,
    text_layers: int = 5,
) -> Qwen2AudioForConditionalGeneration:
    """A Qwen2-Audio with random weights (torch's global generator) for ``tokenizer``."""
    audio = Qwen2AudioEncoderConfig(
        num_mel_bins=128,
        encoder_layers=audio_layers,
        encoder_attention_heads=4,
        encoder_ffn_dim=4 * audio_width,
        d_model=audio_width,
        max_source_positions=window_seconds * 50,
        activation_function="gelu",
    )
    text = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=text_width,
        intermediate_size=(text_width * 8 // 3 + 31) // 32 * 32,
        num_hidden_layers=text_layers,
        num_attention_heads=text_width // 32,
        num_key_value_heads=text_width // 32,
        max_position_embeddings=1024,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
    )
    config = Qwen2AudioConfig(
        audio_config=audio,
        text_config=text,
        audio_token_id=tokenizer.convert_tokens_to_ids("<|AUDIO|>"),
    )
    model = Qwen2AudioForConditionalGeneration(config)
    positions = model.model.audio_tower.embed_positions
    positions.weight.data.copy_(_sinusoids(*positions.weight.shape))
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    return model


def random_tiny(
    seed: int = 0,
) -> tuple[Qwen2AudioForConditionalGeneration, Qwen2AudioProcessor]:
    """An untrained miniature for tests: ``(model, processor)``, the same for the same seed."""
    corpus = [
        "system You are a helpful assistant. user Audio 1: assistant",
        "What makes the sound? Please choose the answer from the following options: "
        "['dog', 'cat', 'car', 'bell']. Output the final answer in <answer> </answer>.",
        "Output the thinking process in <think> </think> and final answer in <answer> </answer>.",
    ]
    tokenizer = build_tokenizer(corpus, vocabulary=400)
    torch.manual_seed(seed)
    sizes = {"audio_width": 64, "text_width": 64, "audio_layers": 2, "text_layers": 2}
    model = build_model(tokenizer, **sizes)
    return model.eval(), build_processor(tokenizer)
