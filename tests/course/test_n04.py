"""What notebook 04 counts: answers lost to wording, coverage of intervals."""

from pathlib import Path

import numpy as np
import pytest

from r1aqa_helpers.course.lessons.n04 import WORDINGS, coverage, lost_to_wording
from r1aqa_helpers.data import AudioQuestion
from r1aqa_helpers.scoring import wilson_interval
from r1aqa_helpers.utils.io import read_json
from r1aqa_helpers.utils.paths import DATA


def test_a_wording_loses_where_its_words_stand_in_a_wrong_choice():
    def question(answer, *choices):
        return AudioQuestion("1", Path("a.wav"), "Which?", choices, answer)

    lost = lost_to_wording([question("Dog", "Dog", "The cat"), question("Two", "Two", "A man")])
    assert lost["{}"] == 0
    assert (lost["The answer is {}."], lost["(A) {}"], lost["It is {}."]) == (1, 1, 0)


def test_the_stored_counts_are_of_the_wordings():
    stored = read_json(DATA / "course" / "mmau_wording.json")["lost"]
    assert all(list(lost) == list(WORDINGS) for lost in stored.values())


def test_coverage_is_exact():
    accuracies = [0, 10, 100]
    assert coverage(lambda k, n: (0, 100), 20, accuracies) == pytest.approx([100, 100, 100])
    assert coverage(lambda k, n: (200, 300), 20, accuracies) == pytest.approx([0, 0, 0])
    assert coverage(lambda k, n: (50 * k, 50 * k), 2, [50]) == pytest.approx([50])
    assert coverage(wilson_interval, 20, np.linspace(1, 99, 99)).mean() == pytest.approx(95, abs=1)
