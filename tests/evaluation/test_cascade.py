"""The cascade: captions kept, answered from, scored, compared; its command on the tiny track."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from r1aqa_helpers.cli import app
from r1aqa_helpers.data import AudioQuestion
from r1aqa_helpers.evaluation.cascade import cascade_lines, run_cascade, weakened
from r1aqa_helpers.evaluation.local import Prediction
from r1aqa_helpers.tiny.data import recipes
from r1aqa_helpers.tiny.question_types import caption
from r1aqa_helpers.utils.io import read_json, read_log

ASKED = [
    AudioQuestion(f"q{i}", Path(f"{i}.wav"), "What is it?", ("dog", "cat"), "cat", task=task)
    for i, task in enumerate(["sound"] * 4 + ["music"] * 4)
]
CAPTIONS = {q.id: "A sound far away of a cat." for q in ASKED}


def reader(questions, *, captions, log):
    """Knows what the caption says, and else names the first choice."""
    log.write_text("")
    return [
        Prediction(q.id, "cat" if "cat" in captions[q.id] else q.choices[0], 0.5) for q in questions
    ]


def test_strong_and_weak_captions_are_scored_and_compared(tmp_path):
    assert weakened("One two  three\nfour five") == "One two three four"
    result = run_cascade(ASKED, CAPTIONS, reader, tmp_path, {"prompt": 2}, lambda line: None)
    strong, weak = result["rows"]
    assert (strong["name"], strong["accuracy"], strong["n"]) == ("cascade-strong", 100, 8)
    assert (weak["name"], weak["accuracy"]) == ("cascade-weak", 0)
    assert strong["tasks"]["music"]["n"] == 4 and strong["seconds"] == 4.0
    assert result["strong_against_weak"]["difference"] == 100
    assert result["strong_against_weak"]["mcnemar_p"] == pytest.approx(2 / 2**8)
    assert read_log(tmp_path / "captions.jsonl")[0] == {
        "id": "q0", "audio": "0.wav", "question": "What is it?",
        "strong": "A sound far away of a cat.", "weak": "A sound far away",
    }  # fmt: skip
    assert read_json(tmp_path / "cascade.json") == result
    assert {"date", "commit", "pins", "hardware"} <= result["provenance"].keys()
    lines = cascade_lines(result)
    assert "cascade-strong: 100.0 % (67.6–100.0, n 8)" in lines[0]
    assert any("'A sound far away of a cat.' | 'A sound far away'" in line for line in lines)


def run(few, out, *more):
    return CliRunner().invoke(
        app,
        ["cascade", "--profile", "tiny", "--questions", str(few), "--out", str(out), *more],
    )


def test_the_cascade_of_the_tiny_track(few, tmp_path):
    out = tmp_path / "out"
    done = run(few, out, "--json")
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    assert [row["name"] for row in result["rows"]] == ["cascade-strong", "cascade-weak"]
    assert result["n"] == 12 and result["request"] == "Describe the audio."
    assert result["text_model"] == "data/tiny/text_model"
    kept, scenes = read_log(out / "captions.jsonl"), recipes("test")
    true = sum(row["strong"] == caption(scenes[row["id"]]) for row in kept)
    assert len(kept) == 12 and true >= 4  # the tiny model does describe what it hears
    # Again, from the logs: the same, and at once.
    again = run(few, out)
    assert again.exit_code == 0 and "captions, strong | weak:" in again.stdout
    changed = run(few, out, "--request", "What do you hear?")
    assert changed.exit_code == 1 and "log of a different run (request" in changed.stderr


@pytest.mark.parametrize(
    "more, message",
    [
        (["--text-model", "nowhere"], "nowhere/config.json: no such file"),
        (["--endpoint", "http://localhost:1/v1"], "give the text model, --text-model"),
    ],
)
def test_faults_are_told_before_any_captioning(few, tmp_path, more, message):
    done = run(few, tmp_path / "out", *more)
    assert done.exit_code == 1 and message in done.stderr
    assert not (tmp_path / "out" / "captions.log.jsonl").exists()
