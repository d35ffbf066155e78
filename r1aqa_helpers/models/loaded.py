"""A model with its processor, and the way from texts and clips to its input tensors."""

import hashlib
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from transformers import (
    BatchFeature,
    PreTrainedTokenizerBase,
    Qwen2AudioForConditionalGeneration,
    Qwen2AudioProcessor,
)

from r1aqa_helpers.data.audio import SAMPLE_RATE
from r1aqa_helpers.data.prompts import chat_messages
from r1aqa_helpers.models.precision import language_dtype
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.untrusted import shown_value

#: Frames that give two audio tokens: the encoder halves them twice, with these roundings:
#: ((7 - 1) // 2 + 1 - 2) // 2 + 1 = 2.
_LEAST_FRAMES = 7

#: A fast tokenizer is not to be used from two threads at once.
TOKENIZING = threading.Lock()


@dataclass
class LoadedModel:
    """A Qwen2-Audio, its processor, and the name or folder under which it was asked for."""

    model: Qwen2AudioForConditionalGeneration
    processor: Qwen2AudioProcessor
    name: str
    shipped: Mapping[str, float] = field(default_factory=dict)
    """How the checkpoint's own settings sample (`generation_config.shipped_sampling`)."""
    merged: bool = False
    """Whether an adapter was put into, or onto, the weights of another model."""

    @property
    def device(self) -> torch.device:
        """Where the model's weights lie."""
        return self.model.device

    @property
    def dtype(self) -> torch.dtype:
        """What the language model computes in; see `float16` for the parts that do not."""
        return language_dtype(self.model)

    @property
    def window_seconds(self) -> float:
        """The longest clip that the model can take, in seconds (30 at 7B)."""
        return self.processor.feature_extractor.chunk_length

    @property
    def eos_ids(self) -> list[int]:
        """Tokens that end an answer: first the turn's end, which is learnt, then the text's end."""
        tokenizer = self.processor.tokenizer
        known = tokenizer.get_vocab()
        ends = ("<|im_end|>", tokenizer.eos_token, "<|endoftext|>")
        return list(dict.fromkeys(known[end] for end in ends if end in known))

    @property
    def pad_id(self) -> int:
        """The token that fills the shorter rows of a batch."""
        pad = self.processor.tokenizer.pad_token_id
        return self.eos_ids[-1] if pad is None else pad


def chat_text(loaded: LoadedModel, prompt_text: str, heard: bool = True) -> str:
    """``prompt_text`` in the model's chat template, after a clip, up to the assistant's turn.

    Without the clip's place where it is not ``heard``: the turn is text alone.
    Raises ``UserError`` where the text holds one of the tokenizer's special tokens: it would be
    read as the turn's end, or as one more clip.
    """
    check_no_special_token(loaded.processor.tokenizer, prompt_text)
    messages = chat_messages(prompt_text)
    # Templates that transformers 4 stored (chat_template.json) look for this key, not for the type.
    messages[0]["content"][0]["audio_url"] = None
    if not heard:
        messages = [{"role": "user", "content": prompt_text}]
    return loaded.processor.apply_chat_template(
        messages, tokenize=False, add_generation_prompt=True
    )


def check_no_special_token(tokenizer: PreTrainedTokenizerBase, text: str) -> None:
    """Raise ``UserError`` where a model would take a part of ``text`` for a special token."""
    for token in tokenizer.all_special_tokens:
        if token in text:
            raise UserError(
                f"the text {shown_value(text)} holds the model's special token {token}; remove it"
            )


def encode(loaded: LoadedModel, texts: Sequence[str], waves: Sequence[np.ndarray]) -> BatchFeature:
    """One chat text and one clip per row, as tensors on the model's device, padded on the left.

    A clip that would give fewer than two audio tokens (below 70 ms) is filled up with silence:
    without two adjacent audio tokens transformers takes the processor for an older one, and
    expands the tokens once more inside the model.

    Args:
        texts: (batch,), each from `chat_text`.
        waves: (batch,), each float32 (samples,) at 16 kHz, no longer than the model's window.

    Returns:
        input_ids, attention_mask (batch, tokens); input_features (batch, mels, frames) in the
        audio encoder's dtype; feature_attention_mask (batch, frames).

    Raises:
        UserError: the processor drops the clips, as some releases do without an error.
        ValueError: a clip is too long.
    """
    extractor = loaded.processor.feature_extractor
    longest = max(len(wave) for wave in waves)
    if longest > extractor.n_samples:
        raise ValueError(
            f"a clip of {longest / SAMPLE_RATE:.2f} s exceeds the window of "
            f"{loaded.window_seconds} s: use audio.clip_to_window first"
        )
    least = _LEAST_FRAMES * extractor.hop_length
    padded = [np.pad(wave, (0, max(0, least - len(wave)))) for wave in waves]
    with TOKENIZING:
        loaded.processor.tokenizer.padding_side = "left"
        inputs = loaded.processor(
            text=list(texts),
            audio=padded,
            sampling_rate=SAMPLE_RATE,
            padding=True,
            return_tensors="pt",
        )
    if "input_features" not in inputs:
        raise UserError(
            f"model {loaded.name}: its processor returned no audio features, so the model would "
            "answer without hearing; use the versions of transformers that this project pins"
        )
    # transformers' dtype of a model is that of its first weight, and here the audio encoder's.
    inputs["input_features"] = inputs["input_features"].to(loaded.model.dtype)
    return inputs.to(loaded.device)


def weights_fingerprint(loaded: LoadedModel) -> str:
    """16 hexadecimal digits that change when the model is trained, see `fingerprint`."""
    return fingerprint(loaded.model)


def fingerprint(model: torch.nn.Module) -> str:
    """16 hexadecimal digits that change when the model is trained: of 64 values per tensor."""
    digest = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        flat = tensor.detach().flatten()
        values = flat[:: max(1, flat.numel() // 64)][:64]
        digest.update(name.encode())
        digest.update(values.cpu().double().numpy().tobytes())
    return digest.hexdigest()[:16]
