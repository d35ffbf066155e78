"""Every question counts, once, and groups say how."""

import json
import time
from pathlib import Path

import pytest

from r1aqa_helpers.data import AudioQuestion, read_mmau
from r1aqa_helpers.scoring import (
    Verdict,
    confusions,
    metrics,
    read_predictions,
    score,
)
from r1aqa_helpers.scoring.text_only import swapped, text_only_answers
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.paths import DATA

SCORED = DATA / "course" / "scored_responses"


def question(key, answer="Dog", choices=("Dog", "Cat"), **labels):
    return AudioQuestion(key, Path("a.wav"), "Which?", choices, answer, **labels)


def test_it_agrees_with_mmaus_own_script():
    for name in ("made-up.json", "v1.json", "v05.15.25.json"):
        rows = json.loads((SCORED / name).read_text(encoding="utf-8"))
        result = score(read_mmau(SCORED / name), read_predictions(SCORED / name))
        assert result.matches == {row["id"]: row["match"] for row in rows}
        assert (result.n, result.missing) == (len(rows), 0)


def test_every_question_counts_and_the_contracts_keys_are_there():
    questions = [
        question("1", task="sound", difficulty="easy", sub_category="Animal"),
        question("2", task="sound", difficulty="hard", sub_category="Animal"),
        question("3", task="music", difficulty="easy", category=("Reasoning",)),
        question("4", "Piano", ("Piano", "Guitar", "Piano"), task="music", difficulty="easy"),
        question("5", task="speech", difficulty="hard", sub_category="Content"),
    ]
    said = {"1": "Dog", "2": "Cat", "3": "neither", "4": "Piano"}
    result = score(questions, said).as_dict()
    contract = "average n missing unparsed tasks difficulty sub-category matches"
    assert result.keys() == set(contract.split())
    assert result["average"] == 40.0  # 2 of 5; the mean over the tasks would be 33.3
    assert (result["n"], result["missing"], result["unparsed"]) == (5, 1, 1)
    assert result["matches"] == {"1": 1, "2": 0, "3": 0, "4": 1, "5": 0}
    assert {name: (row["accuracy"], row["n"]) for name, row in result["tasks"].items()} == {
        "sound": (50.0, 2), "music": (50.0, 2), "speech": (0.0, 1),
    }  # fmt: skip
    assert result["tasks"]["speech"]["ci95"] == pytest.approx([0.0, 79.345], abs=1e-3)
    assert {name: row["n"] for name, row in result["difficulty"].items()} == {"easy": 3, "hard": 2}
    assert {name: row["n"] for name, row in result["sub-category"].items()} == {
        "Animal": 2, "Content": 1,
    }  # fmt: skip
    assert json.loads(json.dumps(result)) == result
    whole = score(questions, said)
    assert (whole.average, whole.ci95) == (40.0, whole.overall.ci95)
    row = whole.row_dict()
    assert row == whole.overall.as_dict() | {"tasks": result["tasks"], "unparsed": 1}
    assert whole.tasks["music"].percent == 50.0


def test_what_cannot_be_scored_is_refused():
    with pytest.raises(UserError, match=r"'zzz' is not among the questions \(2 such"):
        score([question("1")], {"1": "Dog", "zzz": "Dog", "zzzz": "Cat"})
    with pytest.raises(UserError, match="'2': has no gold answer"):
        score([question("1"), question("2", None)], {})
    with pytest.raises(UserError, match="no questions"):
        score([], {})


ANIMALS = ("dog", "cat")
ASKED = [
    question("1", "cat", ANIMALS, task="sound", difficulty="easy", category="Reasoning"),
    question("2", "cat", ANIMALS, task="sound", difficulty="hard",
             category=("Reasoning", "Extraction")),
    question("3", "dog", ANIMALS, task="sound", difficulty="easy", sub_category="Animals"),
    question("4", "red", ("red", "green", "blue"), task="music"),
]  # fmt: skip
SAID = {"1": "cat", "2": "The answer is cat", "3": "cat", "4": "red or green"}


def test_groups_have_both_verdicts_and_their_baselines():
    groups = score(ASKED, SAID).groups()
    found = {(g.grouping, g.name): g for g in groups}
    assert len(found) == 8 and ("category", "Reasoning, Extraction") in found
    every = found["all", "all"]
    assert (every.overall.correct, every.strict.correct, every.unparsed) == (2, 1, 1)
    assert every.chance == pytest.approx(100 * (1.5 + 1 / 3) / 4)
    # The second choice is correct twice of three times: a constant answer gets two.
    assert (found["task", "sound"].constant.correct, found["task", "sound"].n) == (2, 3)
    assert found["task", "music"].constant.correct == 1
    printed = [group.group_dict() for group in groups]
    assert json.loads(json.dumps(printed)) == printed
    assert printed[0]["strict"]["accuracy"] == 25 and printed[0]["constant"]["n"] == 4
    names = "grouping name accuracy n ci95 strict unparsed constant chance"
    assert all(list(group) == names.split() for group in printed)


def test_each_answer_is_judged_once(monkeypatch):
    judged = []
    monkeypatch.setattr(
        metrics, "string_match", lambda *given: judged.append(given) or given[0] in given[1]
    )
    result = score(ASKED, SAID)
    assert result.as_dict() and result.groups()[3].overall and result.confusions()
    assert len(judged) == len(ASKED)


def test_letters_in_place_of_choices_are_counted():
    said = {"1": "B", "2": "(B).", "3": "**a**", "4": "D"}  # question 4 has no choice D
    result = score(ASKED, said)
    assert (result.overall.correct, result.unparsed, result.letters) == (0, 4, 3)
    named = [question("x", "A", ("A", "B")), question("y")]
    assert score(named, {"x": "A", "y": "a dog"}).letters == 0


def test_confusions_are_of_one_named_choice():
    assert score(ASKED, SAID).confusions() == confusions(ASKED, SAID) == {("dog", "cat"): 1}
    assert confusions(ASKED, {}) == {}
    assert [Verdict(q, SAID[q.id]).kind for q in ASKED] == [
        "correct, bare", "correct, wrapped", "another choice", "no choice",
    ]  # fmt: skip
    assert Verdict(ASKED[0], None).kind == "no choice" and not Verdict(ASKED[0], None).unparsed


def test_thousands_of_choices_and_clips_take_time_in_proportion():
    choices = tuple(f"thing number {place}" for place in range(5_000))
    asked = [
        AudioQuestion(f"q{n}", Path(f"{n}.wav"), "What?", choices[n : n + 3], choices[n])
        for n in range(3_000)
    ]
    asked.append(AudioQuestion("many", Path("many.wav"), "What?", choices, choices[7]))
    began = time.process_time()
    result = score(asked, {"many": choices[8], "q0": choices[0]})
    assert (result.constant.correct, result.unparsed, result.letters) == (3_000, 0, 0)
    assert result.confusions() == {(choices[7], choices[8]): 1}
    assert text_only_answers(asked[-1:], asked) == {"many": choices[7]}
    assert len({question.audio for question in swapped(asked)}) == len(asked)
    assert time.process_time() - began < 5
