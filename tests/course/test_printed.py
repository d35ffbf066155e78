"""Measured numbers: how they are printed, and when a new one agrees with a stored one."""

import time

import pytest

from r1aqa_helpers.course import accuracy, value
from r1aqa_helpers.course.printed import band, measured_lines, settled

STORED = "direct: 56.9 % (95 %: 53.8 to 59.9, n 1000)"


def printed(capsys, show, *given) -> str:
    show(*given)
    return capsys.readouterr().out.rstrip("\n")


def agrees(new: str, stored: str, bands: dict | None = None) -> bool:
    return settled(new, stored, bands) == stored


def test_an_impossible_accuracy_is_refused():
    with pytest.raises(ValueError, match="a: "):
        accuracy("a", 6, 5)


@pytest.mark.parametrize(
    ("number", "digits", "unit", "line"),
    [
        (1.2345, 2, "nats", "x: 1.23 nats"),
        (-3.0, 1, "s", "x: -3.0 s"),
        (8_397.25, 1, "M", "x: 8,397.2 M"),
        (4, 0, "", "x: 4"),
        (1.5e-8, 2, "", "x: 1.50e-08"),
        (-0.0, 2, "", "x: 0.00"),
    ],
)
def test_a_value_is_printed_with_its_digits_and_unit(number, digits, unit, line, capsys):
    assert printed(capsys, value, "x", number, digits, unit) == line
    assert measured_lines(f"text\n{line}") == {"x": pytest.approx(number, rel=1e-2)}


@pytest.mark.parametrize(
    ("name", "correct", "n", "same"),
    [
        ("direct", 569, 1000, True),
        ("direct", 579, 1000, True),
        ("direct", 580, 1000, False),
        ("direct", 569, 999, False),
        ("grpo", 569, 1000, False),
    ],
)
def test_an_accuracy_moves_by_ties_alone(name, correct, n, same, capsys):
    assert agrees(printed(capsys, accuracy, name, correct, n), STORED) is same


@pytest.mark.parametrize("n", [3, 7, 40])
def test_of_few_questions_one_answer_may_move(n, capsys):
    lines = [printed(capsys, accuracy, "few", correct, n) for correct in (1, 2, 3)]
    assert agrees(lines[0], lines[1]) and not agrees(lines[0], lines[2])


@pytest.mark.parametrize(
    ("new", "stored", "same"),
    [
        ("loss: 1.23 nats", "loss: 1.24 nats", True),
        ("loss: 1.22 nats", "loss: 1.24 nats", False),
        ("loss: 1.24", "loss: 1.24 nats", False),
        ("gain: 1.24 nats", "loss: 1.24 nats", False),
        ("all: 8,397.2 M", "all: 8,397.3 M", True),
        ("gap: 1.50e-08", "gap: 1.51e-08", True),
        ("gap: 1.50e-08", "gap: 1.53e-08", False),
        ("KL: 0.00", "KL: 9.60e-03", True),
        ("rows: 4", "rows: 3", False),
        ("a\nb", "a\nc", False),
        (f"{STORED}\nmore", STORED, False),
    ],
)
def test_a_value_agrees_to_one_unit_of_its_last_digit(new, stored, same):
    assert agrees(new, stored) is same


def test_a_line_with_a_band_may_lie_anywhere_in_it_and_nowhere_else(capsys):
    bands = {"direct": {"low": 50.0, "high": 58.0}, "loss": {"low": 0.9, "high": 1.3}}
    for correct, n, same in ((500, 1000, True), (580, 1000, True), (590, 1000, False),
                             (500, 999, False)):  # fmt: skip
        assert agrees(printed(capsys, accuracy, "direct", correct, n), STORED, bands) is same
    assert agrees("loss: 1.30", "loss: 1.00", bands)
    assert not agrees("loss: 1.31", "loss: 1.30", bands)  # nor by the last digit
    assert agrees("other: 1.31", "other: 1.30", bands)


@pytest.mark.parametrize("edited", ["57.9", "96.9", "56.95"])
def test_an_edited_accuracy_never_agrees(edited):
    stored = STORED.replace("56.9", edited)
    for bands in ({}, {"direct": {"low": 0.0, "high": 100.0}}):
        assert not agrees(STORED, stored, bands)


def test_a_band_is_where_one_more_run_lies():
    assert band(["loss: 1.00", "loss: 1.00"]) is None
    assert band(["sft: 30 steps, seed 0", "sft: 30 steps, seed 1"]) is None
    low, high = band(["loss: 1.00", "loss: 1.20", "loss: 1.10"])
    # t of two degrees of freedom at 99 %, 9.925, times 0.1, times the root of 1 + 1/3
    assert (low, high) == (pytest.approx(-0.046, abs=2e-4), pytest.approx(2.246, abs=2e-3))
    # No narrower than what may move anyway.
    low, high = band(["rows: 31", "rows: 31", "rows: 31", "rows: 31", "rows: 31", "rows: 32"])
    assert high - low >= 2


def test_a_line_of_digits_is_compared_in_linear_time():
    started = time.process_time()
    for line in ("x: " + "1" * 100_000, "x: 1," * 30_000 + "!", "x: 1" * 30_000):
        assert not agrees(line, STORED)
    assert time.process_time() - started < 1
