"""Groups of questions: official and strict, parse failures, and what a constant answer gets."""

import json
from pathlib import Path

import pytest

from r1aqa_helpers.errors import UserError
from r1aqa_helpers.questions import AudioQuestion
from r1aqa_helpers.scoring import answer_kind, breakdown, confusions


def question(key, answer, choices=("dog", "cat"), **labels):
    return AudioQuestion(key, Path("a.wav"), "Which?", choices, answer, **labels)


ASKED = [
    question("1", "cat", task="sound", difficulty="easy", category="Reasoning"),
    question("2", "cat", task="sound", difficulty="hard", category=("Reasoning", "Extraction")),
    question("3", "dog", task="sound", difficulty="easy", sub_category="Animals"),
    question("4", "red", ("red", "green", "blue"), task="music"),
]
SAID = {"1": "cat", "2": "The answer is cat", "3": "cat", "4": "red or green"}


def test_groups_have_both_verdicts_and_their_floors():
    found = {(g.grouping, g.name): g for g in breakdown(ASKED, SAID)}
    assert list(found) == [
        ("all", "all"), ("task", "sound"), ("task", "music"), ("difficulty", "easy"),
        ("difficulty", "hard"), ("category", "Reasoning"),
        ("category", "Reasoning, Extraction"), ("sub-category", "Animals"),
    ]  # fmt: skip
    every = found["all", "all"]
    assert (every.official.correct, every.strict.correct, every.unparsed) == (2, 1, 1)
    assert every.chance == pytest.approx(100 * (1.5 + 1 / 3) / 4)
    sound = found["task", "sound"]
    # The second choice is right twice of three times: a constant answer gets two.
    assert (sound.constant.correct, sound.constant.n) == (2, 3)
    assert found["task", "music"].constant.correct == 1
    told = [group.as_dict() for group in breakdown(ASKED, SAID)]
    assert json.loads(json.dumps(told)) == told
    assert told[0]["strict"]["accuracy"] == 25 and told[0]["constant"]["n"] == 4


def test_a_question_without_an_answer_counts_as_wrong_in_its_groups():
    found = breakdown(ASKED, {"1": "cat"})
    assert found[0].official.correct == 1 and found[0].official.n == 4
    assert found[0].unparsed == 0


def test_what_cannot_be_scored_is_refused():
    with pytest.raises(UserError, match="'9' is not among the questions"):
        breakdown(ASKED, {"9": "cat"})
    with pytest.raises(UserError, match="no questions"):
        breakdown([], {})


def test_confusions_are_of_one_named_choice():
    assert confusions(ASKED, SAID) == {("dog", "cat"): 1}
    assert confusions(ASKED, {}) == {}
    assert [answer_kind(q, SAID[q.id]) for q in ASKED] == [
        "right, bare", "right, wrapped", "another choice", "no choice",
    ]  # fmt: skip
