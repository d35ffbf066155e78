"""Notebook 01: figures, answers through the library's generate, decoding loops."""

from collections.abc import Iterator

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from r1aqa_helpers.course.figures import n01 as figures
from r1aqa_helpers.course.lessons import n01 as lesson
from r1aqa_helpers.data import read_questions
from r1aqa_helpers.data.audio import load_audio
from r1aqa_helpers.evaluation.local import answer_questions
from r1aqa_helpers.models import generate, greedy_config, load
from r1aqa_helpers.utils.paths import TINY


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Figure]]:
    shown: list[Figure] = []
    monkeypatch.setattr(figures, "figure", lambda fig, alt: shown.append(fig))
    yield shown
    plt.close("all")


def test_the_strip_and_the_padding_are_drawn_as_given(drawn):
    figures.token_strip(torch.tensor([0, 0, 1, 1, 1, 0, 0, 0]).bool())
    bars = [(bar.get_x(), bar.get_width()) for bar in drawn[0].axes[0].patches]
    assert bars == [(0, 2), (2, 3), (5, 3)]
    figures.padding([[7], [1, 2, 3]])
    right, left = ([text.get_text() for text in ax.texts] for ax in drawn[1].axes)
    assert right == ["7", "pad", "pad", "?", "1", "2", "3", "?"]
    assert left == ["pad", "pad", "7", "?", "1", "2", "3", "?"]


def test_both_loops_write_what_generate_writes(few):
    loaded = load(TINY / "model", "cpu")
    wave = load_audio(read_questions(few)[0].audio)
    inputs = lesson.with_clips(loaded, ["Describe the audio."], [wave])
    with torch.inference_mode():
        tokens = lesson.greedy(loaded.model, inputs, loaded.eos_ids)
        assert tokens == lesson.greedy_without_cache(loaded.model, inputs, loaded.eos_ids)
        assert lesson.greedy(loaded.model, inputs, loaded.eos_ids, most=2) == tokens[:2]
    (text,) = generate(loaded, inputs, greedy_config(loaded))
    assert loaded.processor.tokenizer.decode(tokens) == text


def test_responses_are_the_librarys_and_the_clip_the_side_and_the_shipped_settings_count(few):
    loaded = load(TINY / "model", "cpu")
    questions = read_questions(few)
    known = [one.response for one in answer_questions(loaded, questions, max_new_tokens=64)]
    right = lesson.respond(loaded, questions, lesson.with_clips)
    assert right == known
    assert lesson.respond(loaded, questions, lesson.with_clips, silent=True) != right
    assert lesson.respond(loaded, questions, lesson.with_clips, padding_side="right") != right
    settings = {"do_sample": False, "max_new_tokens": 64}
    assert lesson.respond(loaded, questions, lesson.with_clips, **settings) == right
    penalised = lesson.respond(
        loaded, questions, lesson.with_clips, shipped={"repetition_penalty": 1.1}, **settings
    )
    assert penalised != right
    assert loaded.processor.tokenizer.padding_side == "left"


def test_a_wave_read_at_a_higher_rate_has_more_samples_and_the_same_ends():
    wave = np.sin(np.arange(16_000) / 9).astype(np.float32)
    fast = lesson.at_rate(wave, 44_100)
    assert (len(fast), fast.dtype) == (44_100, np.float32)
    assert np.array_equal(lesson.at_rate(wave, 16_000), wave) and fast[0] == wave[0]


def test_an_error_is_one_line(capsys):
    lesson.attempt(lambda: 7 // 2)
    lesson.attempt(lambda: [][0])
    assert capsys.readouterr().out == "3\nIndexError: list index out of range\n"
