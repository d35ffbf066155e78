"""What notebook 09 counts, shows, and reads from a run."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from r1aqa_helpers.course.lessons import n08 as lesson
from r1aqa_helpers.course.lessons.n08 import by, kinds
from r1aqa_helpers.data import AudioQuestion, identify, read_questions
from r1aqa_helpers.evaluation.local import Prediction, write_predictions
from r1aqa_helpers.reporting import load_measured, measured_row
from r1aqa_helpers.scoring import KINDS, Accuracy, score, write_metadata
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import file_hash
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


@pytest.fixture
def shown(monkeypatch) -> list:
    tables: list = []
    monkeypatch.setattr(lesson, "display", tables.append)
    return tables


def test_the_table_keeps_reported_and_own_apart_and_escapes(shown):
    own = {"track": "tiny", "method": "grpo <2>", "n": 1000, "ci95": [78.8, 83.6]}
    own |= dict.fromkeys(("sound", "music", "speech", "average"), 81.3)
    reported = {"sound": 69.37, "music": 66.77, "speech": 57.36, "average": 64.5, "source": "u"}
    rows = [
        {"model": "M", "method": "<GRPO>", "reported": reported, "reproduced": own},
        {"model": "", "method": "first", "reported": None, "reproduced": None},
    ]
    lesson.rows_table(rows, "Accuracies")
    (name, *cells), (_, *nothing) = shown[0].frame.to_numpy().tolist()
    assert (name, cells[:4]) == ("M, <GRPO>", ["69.37", "66.77", "57.36", "64.50"])
    assert cells[4:] == ["tiny: grpo <2>", *["81.3"] * 4, "78.8–83.6", "1,000"]
    assert nothing == ["–"] * 4 + ["not run"] + ["–"] * 6
    assert "&lt;GRPO&gt;" in shown[0]._repr_html_()


def test_the_tiny_track_is_the_committed_run():
    questions = read_questions(TINY / "tiny-mmau.json")
    lab = SimpleNamespace(
        profile=SimpleNamespace(tiny_questions=True), test_questions=lambda: questions
    )
    found = lesson.evaluated(lab)
    assert list(found.answers)[-2:] == ["sft <2>", "grpo <2>"]
    assert found.test_set.release is None
    rows = {row.label: row for row in load_measured()}
    for method, said in found.answers.items():
        assert score(questions, said).average == pytest.approx(rows[method].average)
        assert rows[method].test_sha256 == found.test_set.sha256


def test_another_track_is_read_from_its_run(tmp_path):
    lab = SimpleNamespace(profile=SimpleNamespace(tiny_questions=False, name="a100"))
    with pytest.raises(UserError, match="r1aqa data fetch mmau --version v1"):
        lesson.evaluated(lab, tmp_path)
    # A stand-in for the release: what is read, and how it hangs together, is the same.
    folder = tmp_path / lesson.MMAU
    folder.mkdir()
    items = json.loads((TINY / "tiny-mmau.json").read_text())[:3]
    path = folder / "questions.json"
    path.write_text(json.dumps(items))
    source = {"questions": path.name, "sha256": file_hash(path), "version": "v1"}
    (folder / "source.json").write_text(json.dumps(source))
    with pytest.raises(UserError, match="reproduce --profile a100 --questions mmau-test-mini-v1"):
        lesson.evaluated(lab, tmp_path)
    questions = read_questions(path)
    said = [Prediction(q.id, q.choices[0], 0.1) for q in questions]
    result = score(questions, {p.id: p.answer for p in said})
    test_set, run = identify(questions, path), tmp_path / f"a100-{lesson.MMAU}"
    predictions = run / "r1-aqa" / "predictions.json"
    write_predictions(predictions, questions, said)
    write_metadata(predictions, test_set, prompt=2)
    row = measured_row("r1-aqa", 2, result, 1.0, test_set)
    (run / "results.json").write_text(json.dumps({"rows": [row.as_dict()]}))
    found = lesson.evaluated(lab, tmp_path)
    assert found.answers == {"r1-aqa <2>": {p.id: p.answer for p in said}}
    assert found.rows == (row,) and found.test_set == test_set
