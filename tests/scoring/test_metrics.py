"""Every question counts, and the table says how."""

import json
from pathlib import Path

import pytest

from r1aqa_helpers.errors import UserError
from r1aqa_helpers.questions import AudioQuestion, read_mmau
from r1aqa_helpers.scoring import read_predictions, score

FIXTURE = Path(__file__).parents[1] / "fixtures" / "scored_responses.json"
MADE_UP = json.loads(FIXTURE.read_text(encoding="utf-8"))
MMAU = Path(__file__).resolve().parents[3] / "shared" / "mmau"


def question(key, answer="Dog", choices=("Dog", "Cat"), **labels):
    return AudioQuestion(key, Path("a.wav"), "Which?", choices, answer, **labels)


@pytest.mark.parametrize("release", ["v1", "v05.15.25"])
def test_it_agrees_with_mmaus_own_script(release):
    scored = MMAU / f"scored-responses-{release}.json"
    if not scored.exists():
        pytest.skip("MMAU's questions lie outside the repository and are not on this machine")
    rows = json.loads(scored.read_text(encoding="utf-8"))
    questions = read_mmau(MMAU / f"mmau-test-mini-{release}.json")
    result = score(questions, read_predictions(scored))
    assert result.matches == {row["id"]: row["match"] for row in rows}
    assert result.average == pytest.approx(sum(row["match"] for row in rows) / 10)
    assert (result.n, result.missing) == (1000, 0)


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
    assert list(result) == [
        "average", "n", "missing", "unparsed", "tasks", "difficulty", "sub-category", "matches",
    ]  # fmt: skip
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


def test_the_whole_fixture_scores_as_counted_by_hand():
    result = score(read_mmau(FIXTURE), read_predictions(FIXTURE))
    assert (result.overall.correct, result.n, result.missing) == (36, 72, 0)
    assert result.matches == {row["id"]: row["match"] for row in MADE_UP}


def test_unparsed_are_the_predictions_that_no_choice_would_accept():
    questions = [question(str(n)) for n in range(6)]
    said = dict(zip("012345", ["Dog", "cat.", "Dog and Cat", "", "hm", "a Dog"], strict=True))
    result = score(questions, said)
    assert result.unparsed == 3
    assert result.overall.correct == 2


def test_a_prediction_for_an_unknown_question_is_named():
    with pytest.raises(UserError, match=r"'zzz' is not among the questions \(2 such"):
        score([question("1")], {"1": "Dog", "zzz": "Dog", "zzzz": "Cat"})


def test_questions_without_gold_or_none_at_all_cannot_be_scored():
    with pytest.raises(UserError, match="'2': has no gold answer"):
        score([question("1"), question("2", None)], {})
    with pytest.raises(UserError, match="no questions"):
        score([], {})


def test_strict_and_unparsed_stand_beside_the_official_verdict():
    questions = [question(str(n)) for n in range(5)]
    said = dict(zip("0123", ["dog.", "The answer is Dog.", "bird", "Cat"], strict=True))
    result = score(questions, said)
    assert (result.overall.correct, result.strict.correct, result.strict.n) == (2, 1, 5)
    assert result.unparsed_percent == 25.0  # of the four that were answered
    assert score(questions, {}).unparsed_percent == 0.0
