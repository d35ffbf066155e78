"""The audit of a file of questions: counts, gold positions, constants, duplicates, versions."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from r1aqa_helpers.data import AudioQuestion, write_mmau
from r1aqa_helpers.data.audit import audit, audit_file, audit_text, compare
from r1aqa_helpers.utils.paths import DATA

MMAU = DATA / "course" / "scored_responses"
HERE = Path("/clips")


def question(number: int, choices: str, gold: int | None, **fields) -> AudioQuestion:
    """Choices are single letters or words, split at blanks; gold counts from 0."""
    words = tuple(choices.split())
    given = {"task": "sound", "difficulty": "easy", "category": "Reasoning", **fields}
    return AudioQuestion(
        id=f"q{number}",
        audio=HERE / f"{number}.wav",
        question=f"What is heard in {number}?",
        choices=words,
        answer=None if gold is None else words[gold],
        **given,
    )


@pytest.fixture
def questions() -> list[AudioQuestion]:
    return [
        question(0, "dog cat", 0),
        question(1, "dog cat bell siren", 1, category=("Reasoning",)),
        question(2, "dog dog cat owl", 1),  # the text of place 2 stands in place 1 already
        question(3, "piano tuba", 1, task="music", difficulty="hard"),
    ]


def test_counts_and_positions(questions):
    report = audit(questions)
    assert report["n"] == report["labelled"] == 4
    assert report["task"] == {"sound": 3, "music": 1} and report["sub-category"] == {}
    assert report["category"] == {"Reasoning": 4} and report["list_category"] == 1
    assert report["choices_per_item"] == {"2": 2, "4": 2}
    positions = {"all": {"1": 2, "2": 2}, "sound": {"1": 2, "2": 1}, "music": {"2": 1}}
    assert report["gold_position"] == positions
    assert report["gold_first"] == {"all": 50.0, "sound": 66.7, "music": 0.0}
    assert report["chance"] == {"all": 37.5, "sound": 33.3, "music": 50.0}
    assert report["best_constant"]["all"] == {"place": 1, "accuracy": 50.0}
    assert report["best_constant"]["music"] == {"place": 2, "accuracy": 100.0}
    assert report["duplicated_choices"] == 1


def test_questions_that_the_matcher_cannot_judge_are_counted():
    report = audit([
        question(0, "dog cat", 0),
        question(1, "? !", 0),  # no words: no answer is correct
        question(2, "C C#", 1),  # the same words: either is correct
        question(3, "? cat", 1),
        question(4, "dog dog cat", 0),  # stands twice, which is counted elsewhere
        question(5, "? !", None),
    ])  # fmt: skip
    assert (report["never_correct"], report["same_words"]) == (1, 1)
    text = audit_text(report)
    assert "no answer is ever correct: 1" in text and "counts as correct, too: 1" in text


def test_what_is_there_twice(questions):
    again = replace(questions[0], id="q9", choices=("cat", "dog"))
    report = audit([*questions, again, replace(again, id="q10", audio=HERE / "new.wav")])
    assert (report["repeated_texts"], report["repeated_recordings"]) == (2, 1)


def test_hidden_answers_are_counted_and_left_out_of_shares():
    report = audit([question(0, "a b", 1), question(1, "a b", None), question(2, "a b", None)])
    assert (report["n"], report["labelled"]) == (3, 1)
    assert report["gold_first"] == {"all": 0.0, "sound": 0.0}
    hidden = audit([question(1, "a b", None, task="")])
    assert hidden["labelled"] == 0 and hidden["gold_first"] == hidden["best_constant"] == {}
    assert "1 questions, 0 with a gold answer" in audit_text(hidden)
    report = audit([question(0, "dog cat", 0), question(1, "dog siren", 1)])
    assert report["longest_choice"]["all"] == 75.0  # ties are broken at random


def test_two_versions(questions):
    later = [
        replace(questions[0], difficulty="hard", dataset="other"),  # no difference
        replace(questions[1], answer="bell"),
        replace(questions[2], question="Which?", choices=("dog", "cat")),
        replace(questions[3], id="new"),
    ]
    differences = {"differ": 2, "question": 1, "choices": 1, "answer": 1}
    common = {"n": 4, "shared": 3, "only_here": 1, "only_there": 1}
    same = {"same_text": 2, "same_recording": 4}
    assert compare(later, questions) == common | differences | same


def test_a_file_with_its_hash_and_the_text(questions, tmp_path):
    write_mmau(tmp_path / "a.json", questions)
    write_mmau(tmp_path / "b.json", questions[:2])
    report = audit_file(tmp_path / "a.json", tmp_path / "b.json")
    assert json.loads(json.dumps(report)) == report
    assert report["file"] == "a.json" and len(report["sha256"]) == 64
    assert report["against"]["file"] == "b.json" and report["against"]["shared"] == 2
    assert report["against"]["audit"] == audit(questions[:2])
    text = audit_text(report)
    for part in ("4 questions", "place 1: 50.0", "shared ids: 2, of which 0 differ"):
        assert part in text


@pytest.mark.parametrize(("version", "repeated"), [("v1", 3), ("v05.15.25", 3)])
def test_questions_of_mmau(version, repeated):
    report = audit_file(MMAU / f"{version}.json", MMAU / "v1.json")
    assert report["n"] == report["labelled"] == 40
    assert report["duplicated_choices"] >= repeated and report["list_category"] >= 2
    assert {"2", "4"} <= report["choices_per_item"].keys()
    found = (report["against"]["shared"], report["against"]["differ"])
    assert found == ((40, 0) if version == "v1" else (25, 10))
