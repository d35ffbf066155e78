"""What notebook 08 counts and shows."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from r1aqa_helpers.course.lessons import n08 as lesson
from r1aqa_helpers.course.lessons.n08 import by, kinds
from r1aqa_helpers.data import AudioQuestion, read_questions
from r1aqa_helpers.data.audio import load_audio, save_audio
from r1aqa_helpers.hardware import TINY_PROFILE
from r1aqa_helpers.reporting import load_published, verdicts
from r1aqa_helpers.scoring import KINDS, Accuracy, score
from r1aqa_helpers.utils.paths import TINY


def question(key: str, gold: str, *choices: str, **known: str) -> AudioQuestion:
    return AudioQuestion(key, Path("none.wav"), "Which?", choices, gold, **known)


FLUTE = question("1", "flute", "flute", "cello", "tuba", task="music")
RAIN = question("2", "rain", "rain", "wind", task="sound")


def test_kinds_count_every_question_and_matches_go_by_name():
    counted = kinds([FLUTE, RAIN], {"1": "a cello"})
    assert list(counted) == list(KINDS)
    assert list(counted.values()) == [0, 0, 1, 1]
    again = replace(RAIN, id="3")
    found = by([FLUTE, RAIN, again], {"1": 1, "2": 0, "3": 1}, lambda q: q.task)
    assert found == {"music": Accuracy(1, 1), "sound": Accuracy(1, 2)}


def test_own_rows_stand_below_the_published_ones_and_have_no_verdict_on_the_tiny_track():
    questions = read_questions(TINY / "tiny-mmau.json")
    lab = SimpleNamespace(profile=TINY_PROFILE, test_questions=lambda: questions)
    first = score(questions, {q.id: q.choices[0] for q in questions})
    own = lesson.own_rows(lab, {"grpo <2>": first})
    assert [(row.method, row.prompt, row.n) for row in own] == [("grpo", 2, 1000)]
    published = load_published()
    assert verdicts(published, own, lesson.test_set(lab)) == []
    *above, last = lesson.results_table(published, own).frame.to_numpy().tolist()
    assert all("reported" in line[0] and line[2] == "MMAU v1" for line in above)
    assert last[:3] == ["tiny, measured here", "grpo <2>", "tiny-mmau"]
    assert last[6] == f"{first.average:.1f}"


def test_the_invented_run_gets_a_verdict_for_each_task():
    (found,) = verdicts(load_published(), *lesson.invented())
    said = {name: part["verdict"] for name, part in found["parts"].items()}
    assert said.pop("average") == "below" and set(said.values()) == {"reproduced"}


def test_changed_clips_are_new_files_of_the_same_questions(tmp_path):
    wave = np.linspace(-0.5, 0.5, 1600).astype(np.float32)
    save_audio(tmp_path / "a.wav", wave)
    asked = replace(FLUTE, audio=tmp_path / "a.wav")
    (turned,) = lesson.changed_clips([asked], tmp_path / "new", lambda samples: samples[::-1])
    assert replace(turned, audio=asked.audio) == asked
    assert load_audio(turned.audio) == pytest.approx(wave[::-1], abs=1e-4)
