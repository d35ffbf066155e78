"""The audit of a file of questions: counts, gold positions, constants, duplicates, versions."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from r1aqa_helpers.files import read_json
from r1aqa_helpers.paths import DATA
from r1aqa_helpers.questions import AudioQuestion, write_mmau
from r1aqa_helpers.questions.audit import audit, audit_file, audit_text, compare

MMAU = Path(__file__).parents[2].parent / "shared" / "mmau"
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
    assert report["task"] == {"sound": 3, "music": 1}
    assert report["category"] == {"Reasoning": 4} and report["list_category"] == 1
    assert report["difficulty"] == {"easy": 3, "hard": 1}
    assert report["sub-category"] == {}
    assert report["choices_per_item"] == {"2": 2, "4": 2}
    assert report["gold_position"] == {
        "all": {"1": 2, "2": 2},
        "sound": {"1": 2, "2": 1},
        "music": {"2": 1},
    }
    assert report["gold_first"] == {"all": 50.0, "sound": 66.7, "music": 0.0}
    assert report["chance"] == {"all": 37.5, "sound": 33.3, "music": 50.0}
    assert report["best_constant"]["all"] == {"place": 1, "accuracy": 50.0}
    assert report["best_constant"]["music"] == {"place": 2, "accuracy": 100.0}
    assert report["duplicated_choices"] == 1


def test_ties_for_the_longest_choice_are_broken_by_lot():
    report = audit([question(0, "dog cat", 0), question(1, "dog siren", 1)])
    assert report["longest_choice"]["all"] == 75.0


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


def test_two_versions(questions):
    later = [
        questions[0],
        replace(questions[1], answer="bell"),
        replace(questions[2], question="Which?", choices=("dog", "cat")),
        replace(questions[3], id="new", difficulty="easy"),
    ]
    assert compare(later, questions) == {
        "n": 4,
        "shared": 3,
        "differ": 2,
        "question": 1,
        "choices": 1,
        "answer": 1,
        "only_here": 1,
        "only_there": 1,
        "same_text": 2,
        "same_recording": 4,
    }


def test_a_label_that_changed_alone_is_no_difference(questions):
    later = [replace(q, difficulty="hard", dataset="other") for q in questions]
    assert compare(later, questions)["differ"] == 0


def test_a_file_with_its_hash_and_the_text(questions, tmp_path):
    write_mmau(tmp_path / "a.json", questions)
    write_mmau(tmp_path / "b.json", questions[:2])
    report = audit_file(tmp_path / "a.json", tmp_path / "b.json")
    assert json.loads(json.dumps(report)) == report
    assert report["file"] == "a.json" and len(report["sha256"]) == 64
    assert report["against"]["file"] == "b.json" and report["against"]["shared"] == 2
    assert report["against"]["audit"] == audit(questions[:2])
    text = audit_text(report)
    assert "4 questions" in text and "place 1: 50.0" in text
    assert "shared ids: 2, of which 0 differ" in text
    table = [line for line in text.splitlines() if line.startswith(("percent", "all", "sound"))]
    assert len({len(line) for line in table}) == 1, "columns are aligned"


# --- MMAU's real files ----------------------------------------------------------------------


@pytest.mark.skipif(not MMAU.is_dir(), reason=f"{MMAU} is not there (MMAU's own questions)")
def test_what_is_known_of_mmau_comes_out():
    v1, v2 = (MMAU / f"mmau-test-mini-{version}.json" for version in ("v1", "v05.15.25"))
    old, new = audit_file(v1), audit_file(v2, v1)
    assert {k: new["against"][k] for k in ("shared", "differ")} == {"shared": 894, "differ": 258}
    assert (old["gold_first"]["all"], new["gold_first"]["all"]) == (37.7, 39.5)
    assert old["gold_first"]["sound"] == new["gold_first"]["sound"] == 49.2
    assert old["list_category"] == new["list_category"] == 13
    assert (old["duplicated_choices"], new["duplicated_choices"]) == (20, 27)
    assert old["choices_per_item"] == {"4": 990, "2": 10}
    assert new["choices_per_item"] == {"4": 948, "2": 27, "5": 24, "8": 1}
    assert [old["best_constant"][t]["accuracy"] for t in ("music", "speech")] == [38.6, 30.0]
    assert [new["best_constant"][t]["accuracy"] for t in ("music", "speech")] == [40.1, 39.0]
    assert [new["against"][k] for k in ("question", "choices", "answer")] == [218, 164, 209]


@pytest.mark.skipif(not MMAU.is_dir(), reason=f"{MMAU} is not there (MMAU's own questions)")
def test_the_committed_audit_is_what_the_command_gives():
    v1, v2 = (MMAU / f"mmau-test-mini-{version}.json" for version in ("v1", "v05.15.25"))
    assert audit_file(v2, v1) == read_json(DATA / "course" / "mmau_audit.json")
