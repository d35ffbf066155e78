"""A Qwen2-Audio of Qwen2-Audio-7B-Instruct's shape rules, with its real vocabulary, in two layers.

The vocabulary is Qwen's own, from the file that Alibaba's package dashscope ships on PyPI under
Apache-2.0: 151,643 tokens of text, by their ranks. What follows it in the 7B model's tokenizer is
given here as far as a prompt can hold it. Weights are random, so that answers mean nothing.
"""

import base64
import json
import os
import subprocess
from pathlib import Path

import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from tokenizers.pre_tokenizers import ByteLevel
from transformers import (
    GenerationConfig,
    PreTrainedTokenizerFast,
    Qwen2AudioConfig,
    Qwen2AudioForConditionalGeneration,
    Qwen2Config,
)
from transformers.models.qwen2_audio import Qwen2AudioEncoderConfig

from r1aqa_helpers.tiny.build import build_processor

VOCABULARY = "dashscope==2.0.2"
TOKENS, EMBEDDINGS = 151_643, 156_032
SPECIAL = [
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|AUDIO|>", "<|audio_bos|>", "<|audio_eos|>",
]  # fmt: skip
#: How Qwen2 takes text apart before it merges bytes.
PIECES = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
#: What Qwen/Qwen2-Audio-7B-Instruct ships.
GENERATION = {
    "bos_token_id": 151_643, "eos_token_id": [151_643, 151_645], "pad_token_id": 151_643,
    "do_sample": True, "top_p": 0.5, "top_k": 20, "temperature": 0.7, "repetition_penalty": 1.1,
}  # fmt: skip


def install(requirement: str, folder: Path) -> str:
    """One package from the registry, without what it needs, to a folder; why not, or ""."""
    command = ["uv", "pip", "install", "--quiet", "--no-config", "--no-deps", "--target"]
    try:
        done = subprocess.run([*command, str(folder), requirement], capture_output=True, text=True)
    except FileNotFoundError:
        return "uv is not installed here"
    return done.stderr.strip()[-200:] if done.returncode else ""


def tokenizer_of(ranks_file: Path) -> PreTrainedTokenizerFast:
    """Byte-level BPE from ranks: of each token, the pairs of tokens that it may come from."""
    ranks = {
        base64.b64decode(token): int(rank)
        for token, rank in map(bytes.split, ranks_file.read_bytes().splitlines())
    }
    assert len(ranks) == TOKENS
    letters = _letters()
    merges = []
    for token, rank in ranks.items():
        pairs = ((token[:cut], token[cut:]) for cut in range(1, len(token)))
        known = [pair for pair in pairs if pair[0] in ranks and pair[1] in ranks]
        known.sort(key=lambda pair: (ranks[pair[0]], ranks[pair[1]]))
        merges += [(rank, *pair) for pair in known]
    merges.sort(key=lambda merge: merge[0])

    def written(token: bytes) -> str:
        return "".join(letters[byte] for byte in token)

    tokenizer = Tokenizer(
        models.BPE(
            {written(token): rank for token, rank in ranks.items()},
            [(written(left), written(right)) for _, left, right in merges],
        )
    )
    tokenizer.normalizer = normalizers.NFC()
    split = pre_tokenizers.Split(Regex(PIECES), "isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [split, ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in SPECIAL])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|endoftext|>",  # not the turn's end
        pad_token="<|endoftext|>",
        additional_special_tokens=SPECIAL[1:],
        padding_side="left",
    )


def _letters() -> list[str]:
    """GPT-2's letter for each byte: printable ones stand for themselves."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = iter(range(256, 512))
    return [chr(byte) if byte in plain else chr(next(others)) for byte in range(256)]


def write_model(folder: Path, ranks_file: Path) -> None:
    """All files: sharded safetensors, tokenizer, a 30 s window, shipped generation settings."""
    tokenizer = tokenizer_of(ranks_file)
    config = Qwen2AudioConfig(
        audio_config=Qwen2AudioEncoderConfig(
            d_model=32, encoder_layers=2, encoder_attention_heads=2, encoder_ffn_dim=64
        ),
        text_config=Qwen2Config(
            vocab_size=EMBEDDINGS,
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=2,
            max_position_embeddings=8192,
            tie_word_embeddings=False,
            bos_token_id=None,
        ),
        audio_token_id=SPECIAL.index("<|AUDIO|>") + TOKENS,
    )
    torch.manual_seed(0)
    model = Qwen2AudioForConditionalGeneration(config)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim == 2:
                weight.mul_(8)  # so that clips and texts lead to different answers
    model.generation_config = GenerationConfig(**GENERATION)
    model.save_pretrained(folder, max_shard_size="15MB")
    build_processor(tokenizer, 30).save_pretrained(folder)
    (folder / "generation_config.json").write_text(json.dumps(GENERATION))


def with_package(folder: Path) -> dict[str, str]:
    """The environment of a process that finds the packages in a folder, too."""
    paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
