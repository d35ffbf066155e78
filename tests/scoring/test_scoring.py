"""Scoring equals MMAU's, counts every question, and says how sure it is."""

import json
import re
from pathlib import Path

import pytest
from scipy.stats import binomtest

from r1aqa_helpers.errors import UserError
from r1aqa_helpers.questions import AudioQuestion, read_mmau
from r1aqa_helpers.scoring import (
    extract_answer,
    mcnemar,
    read_predictions,
    score,
    string_match,
    wilson_interval,
)

FIXTURE = Path(__file__).parents[1] / "fixtures" / "scored_responses.json"
MADE_UP = json.loads(FIXTURE.read_text(encoding="utf-8"))
MMAU = Path(__file__).resolve().parents[3] / "shared" / "mmau"


def literal_match(answer, prediction, choices):
    """MMAU's rule spelt out word by word, sharing nothing with the package."""
    said = re.findall(r"\b\w+\b", prediction.lower())
    gold = re.findall(r"\b\w+\b", answer.lower())
    if len(said) == 0:
        return 0
    for word in gold:
        if word not in said:
            return 0
    for choice in choices:
        words = re.findall(r"\b\w+\b", choice.lower())
        same = all(w in gold for w in words) and all(w in words for w in gold)
        if not same and any(word in said and word not in gold for word in words):
            return 0
    return 1


def question(key, answer="Dog", choices=("Dog", "Cat"), **labels):
    return AudioQuestion(key, Path("a.wav"), "Which?", choices, answer, **labels)


# --- extraction -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        ("<answer>Dog</answer>", "Dog"),
        ("<answer> \nDog\t</answer>", "Dog"),
        ("<answer>a\nb</answer>", "a\nb"),
        ("<think>Cat?</think>\n<answer>Dog</answer> done", "Dog"),
        ("<answer>Cat</answer> or <answer>Dog</answer>", "Cat"),
        ("<answer></answer>", ""),
        (" Dog.\n", "Dog."),
        ("<answer>Dog", "<answer>Dog"),
        ("Dog</answer>", "Dog</answer>"),
        ("</answer>Dog<answer>", "</answer>Dog<answer>"),
        ("<Answer>Dog</Answer>", "<Answer>Dog</Answer>"),
        ("", ""),
    ],
)
def test_extraction(response, answer):
    assert extract_answer(response) == answer


# --- matching -------------------------------------------------------------------------------


@pytest.mark.parametrize("row", MADE_UP, ids=[row["id"] for row in MADE_UP])
def test_made_up_rows_match_as_worked_out_by_hand(row):
    assert extract_answer(row["response"]) == row["model_prediction"].strip()
    said = (row["answer"], row["model_prediction"], row["choices"])
    assert string_match(*said) == bool(row["match"])
    assert literal_match(*said) == row["match"]


def test_every_choice_and_wrapper_of_the_made_up_questions_matches_literally():
    wrappers = ["{}", "The answer is {}.", "(A) {}", "{}, {}", "not {}", "a {} b", "\u00a0{}_"]
    compared = 0
    for row in MADE_UP:
        for said in (*row["choices"], "", "A", "ß"):
            for wrapper in wrappers:
                for gold in row["choices"]:
                    text = wrapper.format(said, said)
                    expected = literal_match(gold, text, row["choices"])
                    assert string_match(gold, text, row["choices"]) == bool(expected), text
                    compared += 1
    assert compared > 5_000


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


# --- scores ---------------------------------------------------------------------------------


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


# --- intervals and paired tests -------------------------------------------------------------


@pytest.mark.parametrize(("k", "n"), [(0, 10), (3, 7), (333, 333), (645, 1000), (1, 1)])
def test_wilsons_interval_is_scipys(k, n):
    expected = binomtest(k, n).proportion_ci(method="wilson")
    assert wilson_interval(k, n) == pytest.approx((100 * expected.low, 100 * expected.high))


def test_wilsons_interval_of_the_papers_headline():
    assert wilson_interval(645, 1000) == pytest.approx((61.48, 67.41), abs=0.01)
    assert wilson_interval(0, 5)[0] == 0.0
    assert wilson_interval(5, 5)[1] == 100.0


@pytest.mark.parametrize(("k", "n"), [(0, 0), (2, 1), (-1, 3)])
def test_no_interval_of_what_is_no_accuracy(k, n):
    with pytest.raises(ValueError, match="not an accuracy"):
        wilson_interval(k, n)


def outcomes(text):
    return {str(i): int(c) for i, c in enumerate(text)}


def test_mcnemar_counts_the_questions_that_tell_the_two_apart():
    a, b = outcomes("1111110100"), outcomes("1100000110")
    test = mcnemar(a, b)
    # a alone is right on 2, 3, 4, 5; b alone on 8; p = 2 (1 + 5) / 2^5.
    assert (test.a_only, test.b_only, test.n) == (4, 1, 10)
    assert test.difference == pytest.approx(30.0)
    assert test.p == pytest.approx(0.375)
    mirrored = mcnemar(b, a)
    assert mirrored.difference == pytest.approx(-30.0)
    assert mirrored.p == pytest.approx(test.p)


def test_mcnemar_of_equals_and_of_ten_to_nothing():
    assert mcnemar(outcomes("101"), outcomes("101")).p == 1.0
    assert mcnemar(outcomes("1" * 10), outcomes("0" * 10)).p == pytest.approx(2 / 2**10)


def test_mcnemar_needs_the_same_questions():
    with pytest.raises(UserError, match="'2' is scored in one only"):
        mcnemar(outcomes("101"), outcomes("10"))
    with pytest.raises(UserError, match="no question"):
        mcnemar({}, {})


# --- prediction files -----------------------------------------------------------------------


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
    ]
    assert read_predictions(written(tmp_path, "said.json", rows)) == {
        "1": "<answer>Dog</answer>", "2": " Cat ", "3": "Dog", "5": "",
    }  # fmt: skip


def test_lines_hold_raw_responses(tmp_path):
    lines = '{"id": "1", "response": "<answer>\\nDog</answer>"}\n{"id": 2, "response": "Cat "}\n'
    assert read_predictions(written(tmp_path, "said.jsonl", lines)) == {"1": "Dog", "2": "Cat"}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", {"id": "1", "model_prediction": "Dog"}, "not a list"),
        ("a.json", [{"id": "1"}], "holds no prediction"),
        ("a.json", ["Dog"], "item 0: 'Dog' is not an object"),
        ("a.json", [{"model_prediction": "Dog"}], 'item 0: field "id" is None'),
        ("a.json", [{"id": True, "model_prediction": "Dog"}], 'item 0: field "id" is True'),
        ("a.json", [{"id": "1", "model_output": ["Dog"]}], 'item 0: field "model_output" is'),
        ("a.json", [{"id": "1", "model_output": "a"}] * 2, "item 1: id '1' comes twice"),
        ("a.jsonl", '{"id": "1"}\n', r'a.jsonl:1: field "response" is missing'),
        ("a.jsonl", '{"id": "1", "response": null}\n', ':1: field "response" is None'),
        (
            "a.jsonl",
            '{"id": 1, "response": "a"}\n{"id": "1", "response": "a"}\n',
            ":2: id '1' comes twice",
        ),
        ("a.jsonl", "", "holds no prediction"),
    ],
)
def test_faulty_prediction_files_give_one_line(tmp_path, name, content, message):
    path = written(tmp_path, name, content)
    with pytest.raises(UserError, match=message) as caught:
        read_predictions(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
