"""What the notebook on measuring draws and counts."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from r1aqa_helpers.course.measuring import (
    WORDINGS,
    coverage,
    error_bars,
    lost_to_wording,
    road_figure,
)

from r1aqa_helpers.files import read_json
from r1aqa_helpers.paths import DATA
from r1aqa_helpers.questions import AudioQuestion
from r1aqa_helpers.scoring import Accuracy, wilson_interval


def test_a_wording_loses_where_its_words_stand_in_a_wrong_choice():
    def question(answer, *choices):
        return AudioQuestion("1", Path("a.wav"), "Which?", choices, answer)

    questions = [question("Dog", "Dog", "The cat"), question("Two men", "Two men", "A man")]
    lost = lost_to_wording(questions)
    assert lost["{}"] == 0
    assert (lost["The answer is {}."], lost["(A) {}"], lost["It is {}."]) == (1, 1, 0)


def test_the_stored_counts_are_of_the_wordings():
    stored = read_json(DATA / "course" / "mmau_wording.json")["lost"]
    assert all(list(lost) == list(WORDINGS) for lost in stored.values())


def test_coverage_of_intervals_that_hold_all_and_nothing():
    accuracies = [0, 10, 100]
    assert coverage(lambda k, n: (0, 100), 20, accuracies) == pytest.approx([100, 100, 100])
    assert coverage(lambda k, n: (200, 300), 20, accuracies) == pytest.approx([0, 0, 0])
    only_right = coverage(lambda k, n: (100 * k / n, 100 * k / n), 2, [50])
    assert only_right == pytest.approx([50])


def test_wilsons_coverage_is_near_95_on_average():
    assert coverage(wilson_interval, 20, np.linspace(1, 99, 99)).mean() == pytest.approx(95, abs=1)


def test_error_bars_stand_in_the_order_given():
    fig, ax = plt.subplots()
    error_bars(ax, {"first": Accuracy(9, 10), "second": Accuracy(1, 10)})
    assert [t.get_text() for t in ax.get_yticklabels()] == ["first", "second"]
    assert list(ax.get_yticks()) == [1, 0]
    line = ax.containers[0].lines[0]
    assert list(line.get_xdata()) == [90, 10]
    plt.close(fig)


def test_the_road_has_its_five_steps():
    fig = road_figure()
    said = {text.get_text() for text in fig.axes[0].texts}
    assert {"response", "extract", "match", "count", "interval"} <= said
    plt.close(fig)
