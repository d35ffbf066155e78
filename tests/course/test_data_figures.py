"""The figures of notebook 03 draw what they are given."""

from collections.abc import Callable, Iterator
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

from r1aqa_helpers.course import data_figures
from r1aqa_helpers.questions import read_questions
from r1aqa_helpers.questions.audit import audit
from r1aqa_helpers.scoring import Accuracy


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    plt.close("all")


def texts(fig: plt.Figure) -> str:
    return "\n".join(t.get_text() for ax in fig.axes for t in ax.texts)


def test_gold_positions(make_questions: Callable[..., tuple[Path, Path]]) -> None:
    report = audit(read_questions(make_questions(6)[1]))
    fig = data_figures.gold_positions({"one": report, "two": report})
    (ax,) = fig.axes
    heights = [bar.get_height() for bar in ax.patches]
    assert heights == pytest.approx([100 / 3, 100 / 3, 100 / 6, 100 / 6] * 2)
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels[-1] == "two" and "about 25 %" in labels[0]


def test_composition(make_questions: Callable[..., tuple[Path, Path]]) -> None:
    asked = read_questions(make_questions(6)[1])
    fig = data_figures.composition({"six": asked, "two": asked[:2]})
    tasks, choices = fig.axes
    assert sum(bar.get_width() for bar in tasks.patches) == pytest.approx(200)
    assert [t.get_text() for t in choices.get_legend().get_texts()] == ["4"]


def test_conversion_flow_shows_every_count() -> None:
    shown = texts(data_figures.conversion_flow(4, {"missing": 3, "broken": 2, "faulty": 1}))
    assert "annotations\n10" in shown and "training lines\n4" in shown
    assert "missing\n3" in shown and "broken\n2" in shown and "faulty\n1" in shown


def test_floors_are_named() -> None:
    (ax,) = data_figures.floors({"first": Accuracy(3, 10), "model": Accuracy(8, 10)}, 25.0).axes
    assert [label.get_text() for label in ax.get_yticklabels()] == ["first", "model"]


def test_noise_meets_the_diagonal_at_chance() -> None:
    (ax,) = data_figures.noise_lines(0.1).axes
    _, noisy = ax.get_lines()[:2]
    measured = dict(zip(*noisy.get_data(), strict=True))
    assert measured[25.0] == pytest.approx(25.0) and measured[100.0] == pytest.approx(90.0)
