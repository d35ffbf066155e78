"""Without the audio, accuracy stays at chance: constant answers and text-only baselines."""

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from r1aqa_helpers.data import AudioQuestion, read_questions
from r1aqa_helpers.tiny.question_types import TYPES, QuestionType, arrange
from r1aqa_helpers.tiny.scene_families import TRAINING
from r1aqa_helpers.tiny.splits import SPLITS
from r1aqa_helpers.utils.paths import TINY

POINTS = 3.0
#: (question, choices, place of the gold one)
Row = tuple[str, tuple[str, ...], int]


def rows_of(questions: Sequence[AudioQuestion]) -> list[Row]:
    return [(q.question, q.choices, q.choices.index(q.answer)) for q in questions]


@pytest.fixture(scope="module")
def files() -> dict[str, list[AudioQuestion]]:
    return {s.name: read_questions(TINY / s.questions_file) for s in SPLITS}


def points_above_chance(
    questions: Sequence[AudioQuestion], shares: Callable[[Row], np.ndarray]
) -> dict[str, float]:
    """Per task, in percentage points; ``shares`` says how often each choice is picked."""
    above: dict[str, list[float]] = {}
    for question, row in zip(questions, rows_of(questions), strict=True):
        gain = shares(row)[row[2]] - 1 / len(row[1])
        above.setdefault(question.task, []).append(100 * gain)
    return {task: float(np.mean(gains)) for task, gains in above.items()}


def picked(values: Sequence[float]) -> np.ndarray:
    """The highest value is picked; ties are broken at random."""
    best = np.isclose(values, np.max(values))
    return best / best.sum()


@pytest.mark.parametrize("split", ["train", "validation", "test"])
@pytest.mark.parametrize("place", range(5))
def test_constant_place(files, split, place):
    """Always the same place, counted round where a question has fewer choices."""
    above = points_above_chance(files[split], lambda row: np.eye(len(row[1]))[place % len(row[1])])
    assert max(map(abs, above.values())) <= POINTS, above


@pytest.mark.parametrize("sign", [1, -1], ids=["longest", "shortest"])
def test_length_of_choice(files, sign):
    above = points_above_chance(files["test"], lambda row: picked([sign * len(c) for c in row[1]]))
    assert max(above.values()) <= POINTS, above


def most_frequent(material: Sequence[Row]) -> Callable[[Row], np.ndarray]:
    """Picks the choice that was most often correct where this question offered it."""
    right, offered = Counter(), Counter()
    for question, choices, gold in material:
        right[question, choices[gold]] += 1
        offered.update((question, c) for c in choices)

    def shares(row: Row) -> np.ndarray:
        keys = [(row[0], c) for c in row[1]]
        return picked([(right[k] + 0.25) / (offered[k] + 1) for k in keys])

    return shares


def drawn(kind: QuestionType, count: int, seed: int) -> list[Row]:
    """Fresh questions of one type, without their sounds."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(count):
        text, answer, wrong = kind.write(kind.scene(rng, TRAINING), rng)
        choices = tuple(arrange(rng, answer, wrong))
        rows.append((text, choices, choices.index(answer)))
    return rows


@pytest.mark.parametrize("name", list(TYPES))
def test_no_type_gives_itself_away(name):
    """On many fresh questions of each type, where chance differences are small (s.e. about 2)."""
    shares = most_frequent(drawn(TYPES[name], 500, seed=1))
    fresh = drawn(TYPES[name], 500, seed=2)
    above = 100 * np.mean([shares(row)[row[2]] - 1 / len(row[1]) for row in fresh])
    assert above <= 2 * POINTS, f"{name}: {above:.1f} points above chance"
