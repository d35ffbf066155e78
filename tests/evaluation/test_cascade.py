"""Strong and weak captions: kept, answered from, scored, compared."""

import json
from pathlib import Path

import pytest

from r1aqa_helpers.data import AudioQuestion
from r1aqa_helpers.evaluation.cascade import WEAK_WORDS, cascade_lines, run_cascade, weakened
from r1aqa_helpers.evaluation.local import Prediction

ASKED = [
    AudioQuestion(f"q{i}", Path(f"{i}.wav"), "What is it?", ("dog", "cat"), "cat", task=task)
    for i, task in enumerate(["sound"] * 4 + ["music"] * 4)
]
CAPTIONS = {q.id: "A sound far away of a cat." for q in ASKED}


def reader(questions, *, captions, log):
    """Knows what the caption says, and else names the first choice."""
    log.write_text("")
    return [
        Prediction(q.id, "", "cat" if "cat" in captions[q.id] else q.choices[0], 0.5)
        for q in questions
    ]


def test_weak_captions_are_the_first_words():
    assert weakened("One two  three\nfour five") == "One two three four"
    assert weakened("Rain.") == "Rain." and WEAK_WORDS == 4


def test_strong_and_weak_captions_are_scored_and_compared(tmp_path):
    result = run_cascade(ASKED, CAPTIONS, reader, tmp_path, {"prompt": 2}, lambda line: None)
    strong, weak = result["rows"]
    assert (strong["name"], strong["accuracy"], strong["n"]) == ("cascade-strong", 100, 8)
    assert (weak["name"], weak["accuracy"]) == ("cascade-weak", 0)
    assert strong["tasks"]["music"]["n"] == 4 and strong["seconds"] == 4.0
    assert result["strong_against_weak"]["difference"] == 100
    assert result["strong_against_weak"]["mcnemar_p"] == pytest.approx(2 / 2**8)
    rows = [json.loads(line) for line in (tmp_path / "captions.jsonl").read_text().splitlines()]
    assert rows[0] == {
        "id": "q0", "audio": "0.wav", "question": "What is it?",
        "strong": "A sound far away of a cat.", "weak": "A sound far away",
    }  # fmt: skip
    assert json.loads((tmp_path / "cascade.json").read_text()) == result
    assert {"date", "commit", "pins", "hardware"} <= result["provenance"].keys()
    lines = cascade_lines(result)
    assert "cascade-strong: 100.0 % (67.6–100.0, n 8)" in lines[0]
    assert any("'A sound far away of a cat.' | 'A sound far away'" in line for line in lines)
