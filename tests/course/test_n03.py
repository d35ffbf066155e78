"""Notebook 03: stored responses, what wording costs, coverage, figures."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure

from r1aqa_helpers.course.figures import n03 as figures
from r1aqa_helpers.course.lessons import n03
from r1aqa_helpers.data import AudioQuestion, read_questions
from r1aqa_helpers.scoring import Accuracy, extract_answer, score, wilson_interval
from r1aqa_helpers.utils.io import read_json
from r1aqa_helpers.utils.paths import DATA, TINY


def labels(fig: Figure) -> list[str]:
    return [text.get_text() for text in fig.axes[0].texts]


def test_a_wording_loses_where_its_words_stand_in_a_wrong_choice():
    def question(answer, *choices):
        return AudioQuestion("1", Path("a.wav"), "Which?", choices, answer)

    lost = n03.lost_to_wording([question("Dog", "Dog", "The cat"), question("Two", "Two", "A man")])
    assert lost["{}"] == 0
    assert (lost["The answer is {}."], lost["(A) {}"], lost["It is {}."]) == (1, 1, 0)
    stored = read_json(DATA / "course" / "mmau_wording.json")["lost"]
    assert all(list(lost) == list(n03.WORDINGS) for lost in stored.values())


def test_coverage_is_exact():
    accuracies = [0, 10, 100]
    assert n03.coverage(lambda k, n: (0, 100), 20, accuracies) == pytest.approx([100, 100, 100])
    assert n03.coverage(lambda k, n: (200, 300), 20, accuracies) == pytest.approx([0, 0, 0])
    assert n03.coverage(lambda k, n: (50 * k, 50 * k), 2, [50]) == pytest.approx([50])
    wilson = n03.coverage(wilson_interval, 20, np.linspace(1, 99, 99))
    assert wilson.mean() == pytest.approx(95, abs=1)


def test_the_stored_answers_give_the_stored_averages():
    questions = read_questions(TINY / "tiny-mmau.json")
    averages = n03.recorded_averages()
    assert averages.keys() == n03.recorded_responses().keys()
    for method, responses in n03.recorded_responses().items():
        said = {key: extract_answer(text) for key, text in responses.items()}
        assert score(questions, said).average == averages[method]


def test_bars_are_the_counts_that_are_given(monkeypatch):
    shown = []
    monkeypatch.setattr(figures, "figure", lambda fig, alt: shown.append((fig, alt)))
    counts = {"gold_position": {"sound": {"1": 3, "2": 1}}}
    figures.gold_positions({"new": counts, "old": counts}, "sound")
    figures.lost_bars({"v1": {"{}": 0, "A. {}": 7}, "v05.15.25": {"{}": 0, "A. {}": 9}})
    figures.two_lines({"all": [Accuracy(1, 2), Accuracy(2, 2)]}, ["a", "b"])
    (places, alt), (lost, _), (two, _) = shown
    assert labels(places) == ["75", "25", "75", "25"] and "new: 75, 25" in alt
    assert labels(lost) == ["0", "7", "0", "9"] and [
        one.get_text() for one in lost.axes[0].get_yticklabels()
    ] == ["X", "A. X"]
    assert [bar.lines[0].get_xdata()[0] for bar in two.axes[0].containers] == [50, 100]
    plt.close("all")
