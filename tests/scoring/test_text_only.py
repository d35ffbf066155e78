"""Text-only baselines find leaks, and stay at chance where there are none."""

import math
import random
import warnings
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from r1aqa_helpers.data import AudioQuestion, read_questions
from r1aqa_helpers.data.audio import load_audio, save_audio
from r1aqa_helpers.scoring.text_only import silenced, swapped, text_only_answers
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.paths import TINY

WORDS = ("dog", "cat", "bell", "siren", "rain", "wind", "owl", "tuba")


def drawn(count: int, seed: int) -> list[AudioQuestion]:
    """Four choices and a gold answer at random: nothing can be learnt from them."""
    rng = random.Random(seed)
    questions = []
    for number in range(count):
        choices = tuple(rng.sample(WORDS, 4))
        questions.append(
            AudioQuestion(f"{number}", Path("/c.wav"), "What?", choices, rng.choice(choices))
        )
    return questions


def accuracy(questions: list[AudioQuestion], seen: list[AudioQuestion]) -> float:
    answers = text_only_answers(questions, seen)
    return sum(answers[q.id] == q.answer for q in questions) / len(questions)


def test_nothing_is_found_where_nothing_leaks():
    assert accuracy(drawn(1000, 1), drawn(2000, 2)) == pytest.approx(0.25, abs=0.04)


LEAKS = {
    "first": lambda q: q.choices[0],
    "longest": lambda q: max(q.choices, key=len),
    "alphabetical": lambda q: min(q.choices),
}


@pytest.mark.parametrize("leak", LEAKS.values(), ids=LEAKS)
def test_a_leak_is_found(leak):
    # Several words are equally long, so that the longest choice is not always one alone.
    questions, seen = ([replace(q, answer=leak(q)) for q in drawn(n, n)] for n in (300, 2000))
    assert accuracy(questions, seen) > 0.85


def spelt_out(question: AudioQuestion, seen: list[AudioQuestion]) -> str:
    """The likeliest choice, in fractions, each count made by going through all questions."""

    def traits(asked: AudioQuestion, place: int) -> list[object]:
        choice, count = asked.choices[place], len(asked.choices)
        longer = any(len(other) > len(choice) for other in asked.choices)
        return [choice, (asked.question, choice), (place, count), longer]

    def share(number: int, trait: object) -> Fraction:
        having = [
            (asked, place)
            for asked in seen
            for place in range(len(asked.choices))
            if traits(asked, place)[number] == trait
        ]
        correct = sum(asked.choices[place] == asked.answer for asked, place in having)
        return (correct + Fraction(4, len(question.choices))) / (len(having) + 4)

    def worth(place: int) -> Fraction:
        return math.prod(share(*one) for one in enumerate(traits(question, place)))

    return question.choices[max(range(len(question.choices)), key=worth)]


@given(st.integers(0, 10**6))
@settings(max_examples=30)
def test_the_shares_of_all_features_are_multiplied(seed):
    rng = random.Random(seed)

    def draw(number: int) -> AudioQuestion:
        choices = tuple(rng.sample(WORDS[:6], rng.randint(2, 4)))
        what = rng.choice(["What?", "Which?"])
        return AudioQuestion(f"{number}", Path("/c.wav"), what, choices, rng.choice(choices))

    asked, seen = [draw(n) for n in range(5)], [draw(n) for n in range(rng.randint(0, 25))]
    assert text_only_answers(asked, seen) == {q.id: spelt_out(q, seen) for q in asked}


def test_the_question_counts():
    seen = [replace(q, question="Which is wet?") for q in drawn(400, 3)]
    seen = [replace(q, answer="rain") for q in seen if "rain" in q.choices] + drawn(400, 4)
    wet = replace(drawn(1, 5)[0], choices=("dog", "rain", "owl", "cat"), question="Which is wet?")
    assert text_only_answers([wet], seen)[wet.id] == "rain"


def test_tiny_mmau_does_not_leak():
    train, test = (
        read_questions(TINY / name) for name in ("tiny-avqa-train.jsonl", "tiny-mmau.json")
    )
    chance = sum(1 / len(q.choices) for q in test) / len(test)
    assert accuracy(test, train) == pytest.approx(chance, abs=0.03)


def test_silence_is_as_long_as_the_clip(make_questions, tmp_path):
    questions = read_questions(make_questions(3)[1])
    save_audio(questions[2].audio, np.full(4000, 0.5, np.float32))
    silent = silenced(questions, tmp_path)
    assert [replace(s, audio=q.audio) for s, q in zip(silent, questions, strict=True)] == questions
    warnings.simplefilter("error", append=True)  # after what says that they are meant to be
    for question, other in zip(questions, silent, strict=True):
        wave = load_audio(other.audio)
        assert len(wave) == len(load_audio(question.audio)) and not wave.any()
    assert len({s.audio for s in silent}) == 2 == len(list(tmp_path.iterdir()))


def heard(key: int, clip: str, task: str = "sound") -> AudioQuestion:
    return AudioQuestion(f"{key}", Path(clip), "What?", ("a", "b"), "a", task=task)


def test_swapped_clips_come_from_other_questions_of_the_task():
    asked = [heard(n, f"{n}.wav", "music" if n > 5 else "sound") for n in range(10)]
    exchanged = swapped(asked, seed=3)
    assert [replace(s, audio=q.audio) for s, q in zip(exchanged, asked, strict=True)] == asked
    tasks = {q.audio: q.task for q in asked}
    for own, other in zip(asked, exchanged, strict=True):
        assert own.audio != other.audio and tasks[other.audio] == own.task
    assert sorted(q.audio for q in exchanged) == sorted(tasks)
    assert swapped(asked, seed=3) == exchanged != swapped(asked, seed=4)
    assert swapped(asked) == swapped(asked, seed=0) != exchanged
    with pytest.raises(UserError, match="'music': has one clip only"):
        swapped(asked[:7])


def test_questions_about_one_clip_are_all_asked_about_another():
    asked = [heard(n, clip) for n, clip in enumerate(("a", "a", "b", "a"))]
    assert [q.audio.name for q in swapped(asked)] == ["b", "b", "a", "b"]
