"""Prompts with their clips, encoded once."""

import warnings

import numpy as np
import pytest

from r1aqa_helpers.data.audio import SAMPLE_RATE, save_audio
from r1aqa_helpers.training.prompt_cache import PromptCache


def test_the_first_clip_that_is_cut_is_said_and_no_other(loaded, questions, tmp_path):
    prompts, window = PromptCache(loaded), loaded.window_seconds
    numbers = [prompts.number("What is it?", questions[0].audio)]
    for name in ("long.wav", "longer.wav"):
        wave = np.random.default_rng(0).normal(0, 0.1, int((window + 1.5) * SAMPLE_RATE))
        save_audio(tmp_path / name, wave.clip(-1, 1).astype(np.float32))
        numbers.append(prompts.number("What is it?", tmp_path / name))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert prompts[numbers[0]].ids
        told = rf"long.wav: the model hears the first {window:g} s, the last 1.50 s are cut"
        with pytest.warns(UserWarning, match=told):
            assert prompts[numbers[1]].ids
        assert prompts[numbers[2]].ids
