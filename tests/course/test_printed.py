"""Measured numbers: their printed form, and when one measured anew agrees with a stored one."""

from collections.abc import Callable

import pytest

from r1aqa_helpers.course import accuracy, value
from r1aqa_helpers.course.printed import settled


def printed(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out.rstrip("\n")


def test_an_accuracy_is_printed_with_wilsons_interval(capsys: pytest.CaptureFixture[str]) -> None:
    accuracy("direct <2>", 569, 1000)
    assert printed(capsys) == "direct <2>: 56.9 % (95 %: 53.8 to 59.9, n 1000)"


@pytest.mark.parametrize(
    ("show", "given"),
    [(accuracy, (1, 0)), (accuracy, (-1, 5)), (accuracy, (6, 5)), (value, (1.0, 0.0))],
)
def test_a_number_that_cannot_be_is_refused(show: Callable, given: tuple) -> None:
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
def test_a_value_is_printed_with_its_tolerance(
    number: float, tolerance: float, unit: str, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    value("x", number, tolerance, unit)
    assert printed(capsys) == line
    assert settled(line, line) == line


STORED = "direct: 56.9 % (95 %: 53.8 to 59.9, n 1000)"


@pytest.mark.parametrize("correct", [540, 569, 598])
def test_an_accuracy_within_the_stored_interval_agrees(
    correct: int, capsys: pytest.CaptureFixture[str]
) -> None:
    accuracy("direct", correct, 1000)
    assert settled(printed(capsys), STORED) == STORED


@pytest.mark.parametrize(
    ("name", "correct", "n"),
    [("direct", 530, 1000), ("direct", 610, 1000), ("direct", 569, 999), ("grpo", 569, 1000)],
)
def test_another_accuracy_does_not(
    name: str, correct: int, n: int, capsys: pytest.CaptureFixture[str]
) -> None:
    accuracy(name, correct, n)
    new = printed(capsys)
    assert settled(new, STORED) == new != STORED


def test_values_agree_within_the_tolerance_and_not_beyond() -> None:
    stored = "loss: 1.2340 ± 0.0010 nats"
    assert settled("loss: 1.2349 ± 0.0010 nats", stored) == stored
    for other in (
        "loss: 1.2360 ± 0.0010 nats",
        "loss: 1.2340 ± 0.1000 nats",
        "loss: 1.2340 ± 0.0010 s",
        "gain: 1.2340 ± 0.0010 nats",
    ):
        assert settled(other, stored) == other


def test_other_lines_and_other_numbers_of_lines_stay_as_they_are() -> None:
    assert settled("a\nb", "a\nc") == "a\nb"
    assert settled(STORED + "\nmore", STORED) == STORED + "\nmore"
    for altered in ("57.9", "96.9"):  # never agrees: the interval is that of another accuracy
        assert settled(STORED, STORED.replace("56.9", altered)) == STORED
