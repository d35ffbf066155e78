"""Files of predictions are read as they stand, or one line says where they are wrong."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from r1aqa_helpers.data import AudioQuestion, identify
from r1aqa_helpers.scoring import (
    check_predictions,
    extract_answer,
    read_predictions,
    write_metadata,
)
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import read_json, write_json


def written(folder, name, content):
    path = folder / name
    text = content if isinstance(content, str) else json.dumps(content)
    path.write_text(text, encoding="utf-8")
    return path


def test_mmau_predictions_are_taken_as_they_stand(tmp_path):
    rows = [
        {"id": "1", "model_prediction": "<answer>Dog</answer>"},
        {"id": "2", "model_output": " Cat "},
        {"id": "3", "model_prediction": "Dog", "model_output": "<think>…</think> Dog"},
        {"id": "4", "answer": "Dog"},
        {"id": 5, "model_prediction": ""},
        {"id": "6", "model_prediction": None, "model_output": "Cow"},
        {"id": "7", "model_prediction": None, "model_output": None, "response": 7},
    ]
    assert read_predictions(written(tmp_path, "said.json", rows)) == {
        "1": "<answer>Dog</answer>", "2": " Cat ", "3": "Dog", "5": "", "6": "Cow",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["said.jsonl", "SAID.JSONL"])
def test_lines_hold_raw_responses(tmp_path, name):
    lines = '{"id": "1", "response": "<answer>\\nDog</answer>"}\n{"id": 2, "response": "Cat "}\n'
    assert read_predictions(written(tmp_path, name, lines)) == {"1": "Dog", "2": "Cat"}


@pytest.mark.parametrize(
    ("name", "content", "place"),
    [
        ("a.json", {"id": "1", "model_prediction": "Dog"}, "not a list"),
        ("a.json", [{"id": "1"}], "holds no prediction"),
        ("a.json", [{"model_prediction": "Dog"}], r"a\.json: item 0: field id: is missing"),
        ("a.json", [{"id": "1", "model_output": ["Dog"]}], "item 0: field model_output: is "),
        ("a.json", [{"id": "1", "model_output": "a"}] * 2, "item 1: id '1' comes twice"),
        ("a.jsonl", '{"id": "1"}\n', r"a.jsonl:1: field response: is missing"),
        ("a.jsonl", '{"id": "1", "response": null}\n', ":1: field response: is None"),
        ("a.json", ["x" * 5000], "item 0: holds a JSON text"),
        ("a.json", [{"id": {"a": 1}, "model_output": ""}], "item 0: field id: is {'a': 1}"),
        ("a.json", [{"id": True, "model_output": ""}], "item 0: field id: is True"),
        ("a.json", [{"id": "\x1b" * 5000, "model_output": ""}] * 2, r"id '\\x1b.* comes twice"),
        ("a.jsonl", '{"id": 1, "response": "a"}\n{"id": "1", "response": "a"}\n', ":2: id '1'"),
    ],
)
def test_faulty_prediction_files_give_one_line(tmp_path, name, content, place):
    path = written(tmp_path, name, content)
    with pytest.raises(UserError, match=place) as caught:
        read_predictions(path)
    assert str(caught.value).startswith(str(path)) and str(caught.value).isprintable()
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("name", ["said.json", "said.jsonl"])
def test_answers_inside_the_thinking_are_counted(tmp_path, name):
    thought = "<think>Is it <answer>Dog</answer>?</think><answer>Cat</answer>"
    others = ["<think>a</think><answer>Dog</answer>", "<think>Dog", "<answer>Dog</answer><think>"]
    rows = [{"id": n, "response": said} for n, said in enumerate([thought, *others])]
    rows = [row | {"model_prediction": extract_answer(row["response"])} for row in rows]
    content = rows if name == "said.json" else "".join(json.dumps(row) + "\n" for row in rows)
    with pytest.warns(UserWarning, match="1 of 4 .* inside the thinking") as told:
        assert read_predictions(written(tmp_path, name, content))["0"] == "Dog"
    assert [one.filename for one in told] == [__file__], "it points to who reads them"


def test_predictions_are_scored_only_with_the_questions_that_they_answer(tmp_path):
    asked = [AudioQuestion(f"{n}", Path("a.wav"), "?", ("a", "b"), "a") for n in range(4)]
    path = tmp_path / "predictions.json"
    check_predictions(path, identify(asked, "made.json"))  # nothing is known of it
    unlabelled = [replace(q, answer=None) for q in asked]
    write_metadata(path, identify(unlabelled, "hidden.json"), model="m", prompt=2)
    check_predictions(path, identify(asked, "made.json"))  # labelled since
    with pytest.raises(UserError, match=r"answers other questions \(hidden: 4 questions.*made: 3"):
        check_predictions(path, identify(asked[:3], "made.json"))
    about = path.with_name("predictions.json.about.json")
    assert read_json(about)["test_set"]["name"] == "hidden" and read_json(about)["prompt"] == 2
    for damaged in ([], {}, {"test_set": {"name": "x"}}):
        write_json(about, damaged)
        with pytest.raises(UserError, match="about.json: is damaged"):
            check_predictions(path, identify(asked, "made.json"))
