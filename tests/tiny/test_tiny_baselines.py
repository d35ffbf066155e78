"""No type of question can be answered without the audio.

Places of gold choices are counted in `test_splits`, and what a text-only baseline reaches on the
committed files in `tests/scoring/test_text_only.py`.
"""

from collections import Counter

import numpy as np
import pytest

from r1aqa_helpers.tiny.question_types import TYPES, QuestionType, arrange
from r1aqa_helpers.tiny.scene_families import TRAINING

POINTS = 6.0  # three standard errors
#: (question, choices, gold choice)
Row = tuple[str, list[str], str]


def drawn(kind: QuestionType, count: int, seed: int) -> list[Row]:
    """Fresh questions of one type, without their sounds."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(count):
        text, answer, wrong = kind.write(kind.scene(rng, TRAINING), rng)
        rows.append((text, arrange(rng, answer, wrong), answer))
    return rows


@pytest.mark.parametrize("name", list(TYPES))
def test_no_type_gives_itself_away(name):
    """Neither by its most frequent answer nor by the first place."""
    correct, offered = Counter(), Counter()
    for question, choices, gold in drawn(TYPES[name], 500, seed=1):
        correct[question, gold] += 1
        offered.update((question, choice) for choice in choices)
    gains: dict[str, list[float]] = {"frequent": [], "first": []}
    for question, choices, gold in drawn(TYPES[name], 500, seed=2):
        keys = [(question, choice) for choice in choices]
        picked = {
            "frequent": np.array([(correct[k] + 0.25) / (offered[k] + 1) for k in keys]),
            "first": np.arange(len(choices))[::-1],
        }
        for baseline, values in picked.items():
            best = np.isclose(values, values.max())  # ties are broken at random
            share = best[choices.index(gold)] / best.sum()
            gains[baseline].append(100 * (share - 1 / len(choices)))
    above = {baseline: np.mean(points) for baseline, points in gains.items()}
    assert max(above.values()) <= POINTS, above
