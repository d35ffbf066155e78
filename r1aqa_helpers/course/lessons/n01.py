"""Answers through the library's own generate, decoding loops, and an error as one line."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from transformers import BatchFeature, GenerationConfig

from r1aqa_helpers.course.printed import accuracy
from r1aqa_helpers.data import AudioQuestion
from r1aqa_helpers.data.audio import SAMPLE_RATE, clip_to_window, load_audio
from r1aqa_helpers.data.prompts import build_prompt, question_text
from r1aqa_helpers.models import LoadedModel, chat_text, greedy_config
from r1aqa_helpers.models.generation_config import own_generation_config
from r1aqa_helpers.scoring import extract_answer, string_match
from r1aqa_helpers.utils.paths import DATA

#: Makes the model's inputs from (the loaded model, prompts, waves).
Prepare = Callable[[LoadedModel, Sequence[str], Sequence[np.ndarray]], BatchFeature]

#: Questions of a batch: eight of 30 s fit a T4 beside the 7B model's weights in 4 bits.
_ROWS = 8
_MAX_NEW_TOKENS = 64


def attempt(call: Callable[[], object]) -> None:
    """Print what a call returns, or the first line of the error that it raises."""
    try:
        print(call())
    except Exception as error:
        lines = str(error).replace(f"{DATA.parent}{os.sep}", "").strip().splitlines()
        print(f"{type(error).__name__}: {lines[0] if lines else ''}")


def with_clips(
    loaded: LoadedModel, prompts: Sequence[str], waves: Sequence[np.ndarray]
) -> BatchFeature:
    """The model's inputs as they should be, on its device, padded on the tokenizer's side."""
    inputs = loaded.processor(
        text=[chat_text(loaded, prompt) for prompt in prompts],
        audio=[clip_to_window(wave, loaded.window_seconds)[0] for wave in waves],
        sampling_rate=SAMPLE_RATE,
        padding=True,
        return_tensors="pt",
    )
    return _placed(loaded, inputs)


def respond(
    loaded: LoadedModel,
    questions: Sequence[AudioQuestion],
    prepare: Prepare,
    *,
    silent: bool = False,
    padding_side: str = "left",
    shipped: Mapping[str, float] | None = None,
    **settings: Any,
) -> list[str]:
    """Answers to the questions with prompt <2>, by transformers' own ``generate``.

    Args:
        prepare: makes a batch's inputs.
        silent: replace every clip by silence of its length.
        padding_side: where the tokenizer pads.
        shipped: what the checkpoint's own generation settings are taken to contain, besides.
        settings: the caller's; greedy with every field set where there are none.
    """
    config = greedy_config(loaded, _MAX_NEW_TOKENS)
    own = GenerationConfig(eos_token_id=loaded.eos_ids, pad_token_id=loaded.pad_id)
    own.update(**(shipped or {}))
    if settings:
        config = GenerationConfig(**settings)
    tokenizer = loaded.processor.tokenizer
    said = []
    for start in range(0, len(questions), _ROWS):
        part = questions[start : start + _ROWS]
        waves = [load_audio(question.audio) for question in part]
        if silent:
            waves = [np.zeros_like(wave) for wave in waves]
        prompts = [build_prompt(question_text(q), q.choices, 2) for q in part]
        tokenizer.padding_side = padding_side
        try:
            inputs = _placed(loaded, prepare(loaded, prompts, waves))
        finally:
            tokenizer.padding_side = "left"
        with own_generation_config(loaded.model, own):
            ids = loaded.model.generate(**inputs, generation_config=config)
        written = ids[:, inputs["input_ids"].shape[1] :]
        said += loaded.processor.batch_decode(written, skip_special_tokens=True)
    return said


def correct(name: str, questions: Sequence[AudioQuestion], responses: Sequence[str]) -> None:
    """Print the accuracy of some responses, with its interval."""
    pairs = zip(questions, responses, strict=True)
    hits = sum(string_match(q.answer or "", extract_answer(r), q.choices) for q, r in pairs)
    accuracy(name, hits, len(questions))


def at_rate(wave: np.ndarray, rate: int) -> np.ndarray:
    """A 16 kHz wave as ``rate`` samples per second, (samples,) float32, by interpolation."""
    count = round(len(wave) * rate / SAMPLE_RATE)
    places = np.arange(count) * SAMPLE_RATE / rate
    return np.interp(places, np.arange(len(wave)), wave).astype(np.float32)


def greedy(
    model: Any, inputs: Mapping[str, torch.Tensor], ends: Sequence[int], most: int = 64
) -> list[int]:
    """The tokens of the greedy answer to one prompt, with a KV cache; no end token."""
    tokens: list[int] = []
    out = model(**inputs, use_cache=True)
    while len(tokens) < most:
        token = out.logits[0, -1].argmax().item()
        if token in ends:
            break
        tokens.append(token)
        newest = torch.tensor([[token]], device=inputs["input_ids"].device)
        out = model(input_ids=newest, past_key_values=out.past_key_values, use_cache=True)
    return tokens


def greedy_without_cache(
    model: Any, inputs: Mapping[str, torch.Tensor], ends: Sequence[int], most: int = 64
) -> list[int]:
    """As `greedy`, reading prompt, clip and answer again for every token."""
    tokens: list[int] = []
    row = inputs["input_ids"]
    while len(tokens) < most:
        longer = {"input_ids": row, "attention_mask": torch.ones_like(row)}
        token = model(**{**inputs, **longer}, use_cache=False).logits[0, -1].argmax()
        if token.item() in ends:
            break
        tokens.append(token.item())
        row = torch.cat([row, token.view(1, 1)], dim=1)
    return tokens


def _placed(loaded: LoadedModel, inputs: BatchFeature) -> BatchFeature:
    """The inputs on the model's device, features in its number type."""
    if "input_features" in inputs:
        inputs["input_features"] = inputs["input_features"].to(loaded.model.dtype)
    return inputs.to(loaded.device)
