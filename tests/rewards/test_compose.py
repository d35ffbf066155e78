"""Rewards made of rewards keep names, columns and order."""

import pytest

from r1aqa_helpers.rewards import accuracy_reward, format_reward, named, only_if, weighted

COMPLETIONS = ["<answer>rain</answer>", "rain", "<answer>wind</answer>", "wind"]
COLUMNS = {"solution": ["rain"] * 4}


def test_a_weighted_sum_is_named_after_its_terms():
    reward = weighted((2, accuracy_reward), (0.5, format_reward(2)))
    assert reward(completions=COMPLETIONS, **COLUMNS) == [2.5, 2.0, 0.5, 0.0]
    assert reward.__name__ == "2*accuracy_reward + 0.5*format_reward"
    assert weighted((1, accuracy_reward), name="right").__name__ == "right"
    assert weighted((-1, accuracy_reward))(COMPLETIONS, **COLUMNS) == [-1, -1, 0, 0]


def test_a_sum_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        weighted()


def test_a_gate_lets_through_what_meets_its_condition():
    reward = only_if(format_reward(2), accuracy_reward)
    assert reward(completions=COMPLETIONS, **COLUMNS) == [1.0, 0.0, 0.0, 0.0]
    assert reward.__name__ == "accuracy_reward if format_reward"


def test_a_term_that_returns_too_few_numbers_is_an_error():
    def short(completions, **columns):
        return [1.0]

    for reward in (weighted((1, accuracy_reward), (1, short)), only_if(short, accuracy_reward)):
        with pytest.raises(ValueError):
            reward(COMPLETIONS, **COLUMNS)


def test_renaming_leaves_the_original_alone():
    other = named("right", accuracy_reward)
    assert (other.__name__, accuracy_reward.__name__) == ("right", "accuracy_reward")
    assert other(COMPLETIONS, **COLUMNS) == accuracy_reward(COMPLETIONS, **COLUMNS)
