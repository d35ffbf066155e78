"""Baselines answer every question without hearing one."""

from pathlib import Path

import pytest

from r1aqa_helpers.data import AudioQuestion
from r1aqa_helpers.scoring import (
    best_position,
    chance,
    fixed_position,
    longest_choice,
    majority_answer,
    random_choice,
    score,
)
from r1aqa_helpers.utils.errors import UserError


def question(key, answer, choices):
    return AudioQuestion(str(key), Path("a.wav"), "Which?", tuple(choices), answer)


FOUR = [
    question(1, "b", ["a", "b", "c", "d"]),
    question(2, "yes", ["no", "yes"]),
    question(3, "long one", ["x", "yy", "long one", "zz"]),
    question(4, "B", ["B", "c", "d", "a"]),
]


def test_chance_is_the_mean_share_of_choices_that_would_be_correct():
    assert chance(FOUR) == pytest.approx(100 * (3 * 0.25 + 0.5) / 4)
    twice = question(5, "p", ["p", "p", "q", "r"])
    mixed = question(6, "calm then loud", ["calm then loud", "loud then calm"])
    assert chance([twice]) == 50.0
    assert chance([mixed]) == 100.0


def test_random_choices_average_to_chance_and_do_not_depend_on_the_order():
    many = [question(n, "b", ["a", "b", "c", "d"]) for n in range(4_000)]
    said = random_choice(many, seed=3)
    assert score(many, said).average == pytest.approx(25, abs=2)
    assert random_choice(many[::-1], seed=3) == said
    assert random_choice(many, seed=4) != said
    assert random_choice(many) == random_choice(many, seed=0)


def test_the_position_and_the_length_decide():
    assert fixed_position(FOUR) == {"1": "a", "2": "no", "3": "x", "4": "B"}
    assert fixed_position(FOUR, 3) == {"1": "d", "2": "yes", "3": "zz", "4": "a"}  # modulo
    assert longest_choice(FOUR) == {"1": "a", "2": "yes", "3": "long one", "4": "B"}
    assert best_position(FOUR) == 1
    late = [question(n, "c", ["a", "b", "c", "d"]) for n in (6, 7)]
    assert best_position([FOUR[1], *late]) == 2  # a place that not every question has
    assert score(FOUR, fixed_position(FOUR, 1)).average == 50.0
    for baseline in (chance, best_position):
        with pytest.raises(UserError, match="'8': has no gold answer"):
            baseline([question(8, None, ["a", "b"])])


def test_the_majority_answer_goes_by_what_was_seen():
    seen = [question(n, answer, ["a", "b"]) for n, answer in enumerate("aabbbA")]
    said = majority_answer(FOUR, [*seen, question(9, "d", "ad")])
    assert said == {"1": "a", "2": "no", "3": "x", "4": "B"}  # ties: the first choice
    assert majority_answer(FOUR, [question(7, "YES", ["YES"])])["2"] == "yes"
