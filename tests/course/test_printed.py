"""Measured numbers: how they are printed, and when a new one agrees with a stored one."""

import time

import pytest

from r1aqa_helpers.course import accuracy, value
from r1aqa_helpers.course.printed import settled

STORED = "direct: 56.9 % (95 %: 53.8 to 59.9, n 1000)"


@pytest.mark.parametrize(("show", "given"), [(accuracy, (6, 5)), (value, (1.0, 0.0))])
def test_impossible_numbers_are_refused(show, given):
    with pytest.raises(ValueError, match="a: "):
        show("a", *given)


@pytest.mark.parametrize(
    ("number", "tolerance", "unit", "line"),
    [
        (0.12345, 0.001, "nats", "x: 0.1235 ± 0.0010 nats"),
        (12.3456, 0.5, "", "x: 12.35 ± 0.50"),
        (-3.0, 2, "s", "x: -3.0 ± 2.0 s"),
        (1.5e-8, 1e-9, "", "x: 1.500e-08 ± 1.0e-09"),
    ],
)
def test_a_value_is_printed_with_its_tolerance(number, tolerance, unit, line, capsys):
    value("x", number, tolerance, unit)
    assert capsys.readouterr().out == line + "\n"
    assert settled(line, line) == line


@pytest.mark.parametrize(
    ("name", "correct", "n", "agrees"),
    [
        ("direct", 540, 1000, True),
        ("direct", 569, 1000, True),
        ("direct", 530, 1000, False),
        ("direct", 569, 999, False),
        ("grpo", 569, 1000, False),
    ],
)
def test_an_accuracy_agrees_within_the_stored_interval(name, correct, n, agrees, capsys):
    accuracy(name, correct, n)
    new = capsys.readouterr().out.rstrip("\n")
    assert settled(new, STORED) == (STORED if agrees else new)
    assert (new == STORED) is ((name, correct, n) == ("direct", 569, 1000))


def test_values_agree_within_the_tolerance_and_not_beyond():
    stored = "loss: 1.2340 ± 0.0010 nats"
    assert settled("loss: 1.2349 ± 0.0010 nats", stored) == stored
    for other in (
        "loss: 1.2360 ± 0.0010 nats",
        "loss: 1.2340 ± 0.1000 nats",
        "gain: 1.2340 ± 0.0010 nats",
    ):
        assert settled(other, stored) == other


def test_other_lines_and_edited_accuracies_never_agree():
    assert settled("a\nb", "a\nc") == "a\nb"
    assert settled(STORED + "\nmore", STORED) == STORED + "\nmore"
    for edited in ("57.9", "96.9"):
        assert settled(STORED, STORED.replace("56.9", edited)) == STORED


def test_a_line_of_digits_is_compared_in_linear_time():
    started = time.process_time()
    for line in ("x: " + "1" * 100_000, "x: 1 ± " + "1" * 100_000 + "!", "x: 1" * 30_000):
        assert settled(line, STORED) == line
    assert time.process_time() - started < 1
