"""Notebook 02: figures, the encoder by hand, what the language model reads and predicts."""

from collections.abc import Iterator

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from r1aqa_helpers.course.checks.n02 import audio_tokens
from r1aqa_helpers.course.figures import n02 as figures
from r1aqa_helpers.course.lessons import n02 as lesson
from r1aqa_helpers.models import LoadedModel, chat_text, encode, load
from r1aqa_helpers.utils.paths import TINY


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Figure]]:
    shown: list[Figure] = []
    monkeypatch.setattr(figures, "figure", lambda fig, alt: shown.append(fig))
    yield shown
    plt.close("all")


@pytest.fixture(scope="module")
def tiny() -> LoadedModel:
    return load(TINY / "model", "cpu")


def wave(seconds: float) -> np.ndarray:
    return np.random.default_rng(0).uniform(-0.3, 0.3, round(16_000 * seconds)).astype(np.float32)


def test_a_token_hears_its_four_frames_and_three_more(drawn):
    """Pool of 2, stride 2 with kernel 3, kernel 3: positions 2i-1 to 2i+5 of the frames."""
    figures.tree_of_frames(tokens=3)
    ax = drawn[0].axes[0]
    dots = [dots for dots in ax.collections if dots.get_offsets()[0][1] == 0]
    marked = [i for i, dot in enumerate(dots) if len(dot.get_paths()[0].vertices) == 5]
    assert marked == [2, 3, 4, 5, 6, 7, 8]


# Whole frames, one sample more, one less than the next, and a full window.
@pytest.mark.parametrize("samples", [16_000, 57_920, 57_921, 58_079, 64_000])
def test_tokens_are_those_that_the_processor_writes(loaded, samples):
    inputs = encode(loaded, [chat_text(loaded, "What is it?")], [np.zeros(samples, np.float32)])
    written = (inputs["input_ids"] == loaded.model.config.audio_token_id).sum()
    assert written == audio_tokens(samples, loaded.window_seconds)


@pytest.mark.parametrize("seconds", [1.0, 4.0])
def test_the_encoder_by_hand_gives_the_librarys_vectors(tiny, seconds):
    vectors = lesson.audio_vectors(tiny, wave(seconds))
    by_hand = lesson.encoder_by_hand(tiny, wave(seconds), lesson.attention)
    assert len(vectors) == 25 * seconds
    torch.testing.assert_close(by_hand, vectors, rtol=0, atol=1e-4)


@torch.no_grad()
def test_the_last_layer_predicts_what_the_model_does_and_the_row_holds_the_clip(tiny):
    text = chat_text(tiny, "What is it?")
    logits = tiny.model(**encode(tiny, [text], [wave(1)])).logits[0, -1]
    (token,) = tiny.processor.tokenizer("bird", add_special_tokens=False)["input_ids"][:1]
    chances = lesson.by_layer(tiny, text, wave(1), ["bird"])
    assert chances.shape == (tiny.model.config.text_config.num_hidden_layers + 1, 1)
    torch.testing.assert_close(chances[-1, 0], logits.softmax(-1)[token])
    row, is_audio = lesson.row_of_vectors(tiny, text, wave(1))
    clip = tiny.model.model.multi_modal_projector(lesson.audio_vectors(tiny, wave(1)))
    torch.testing.assert_close(row[is_audio], clip)


def test_silencing_a_silent_stretch_costs_nothing(tiny):
    sound = wave(1)
    sound[8000:] = 0
    lost = lesson.lost_by_silence(tiny, chat_text(tiny, "What is it?"), sound, "bird", width=0.25)
    assert list(lost) == [0, 0.25, 0.5, 0.75]
    assert lost[0.5] == lost[0.75] == 0 and lost[0] != 0


def test_the_path_has_this_models_sizes_and_the_published_ones(tiny):
    table = repr(lesson.path_table(tiny, chat_text(tiny, "What is it?"), wave(2)))
    assert "log-mel spectrogram; 128 × 400; 128 × 3,000" in table
    assert "750 × 4,096" in table and "156,032" in table
