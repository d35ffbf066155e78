"""Choice order: rotations, and what answers to them say about a model's habits."""

from pathlib import Path

import pytest

from r1aqa_helpers.data import AudioQuestion
from r1aqa_helpers.evaluation.choice_order import order_report, rotations
from r1aqa_helpers.utils.errors import UserError


def question(number: int, choices: tuple[str, ...], answer: str) -> AudioQuestion:
    return AudioQuestion(f"q{number}", Path("clip.wav"), "What?", choices, answer)


ASKED = [
    question(0, ("cat", "dog", "owl"), "dog"),
    question(1, ("red", "blue"), "red"),
]


def test_rotations_put_every_choice_at_every_place_once():
    copies = rotations(ASKED)
    assert [c.id for c in copies] == ["q0@0", "q0@1", "q0@2", "q1@0", "q1@1"]
    assert [c.choices for c in copies[:3]] == [
        ("cat", "dog", "owl"), ("dog", "owl", "cat"), ("owl", "cat", "dog"),
    ]  # fmt: skip
    assert {c.answer for c in copies[:3]} == {"dog"}


def test_who_knows_is_right_under_every_rotation_and_prefers_no_place():
    report = order_report(ASKED, {c.id: c.answer for c in rotations(ASKED)})
    assert report.mean == report.all_right.percent == report.any_right.percent == 100
    assert report.positions == {2: [50, 50], 3: [pytest.approx(100 / 3)] * 3}


def test_who_always_takes_the_first_is_unmasked():
    report = order_report(ASKED, {c.id: c.choices[0] for c in rotations(ASKED)})
    assert report.as_given.correct == 1  # "red" stands first
    assert (report.all_right.correct, report.any_right.correct) == (0, 2)
    assert report.mean == pytest.approx(100 * (1 / 3 + 1 / 2) / 2)
    assert report.positions == {2: [100, 0], 3: [100, 0, 0]}


def test_answers_that_name_no_choice_are_counted_and_take_no_place():
    report = order_report(ASKED, {c.id: "hm" for c in rotations(ASKED)})
    assert (report.unparsed, report.asked, report.positions) == (5, 5, {})
    assert report.mean == 0


def test_json_holds_plain_values():
    told = order_report(ASKED, {c.id: c.choices[0] for c in rotations(ASKED)}).as_dict()
    assert told["positions"]["3"] == [100, 0, 0] and told["all_right"]["n"] == 2


def test_faults_are_one_line():
    answers = {c.id: "dog" for c in rotations(ASKED)}
    del answers["q1@1"]
    with pytest.raises(UserError, match="no answer for 'q1@1'"):
        order_report(ASKED, answers)
    with pytest.raises(UserError, match="no questions"):
        order_report([], {})
    with pytest.raises(UserError, match="'q2'.*no gold answer"):
        order_report([AudioQuestion("q2", Path("a"), "?", ("x", "y"), None)], {})
