"""The rewards around accuracy and format do what their docstrings say, weak sides included."""

import pytest

from r1aqa_helpers.rewards import (
    accuracy_reward,
    consistency_reward,
    format_reward,
    length_penalty,
    match_reward,
    partial_format_reward,
    thinking_reward,
)


@pytest.mark.parametrize(
    ("completion", "expected"),
    [
        ("I hear rain.", 1.0),
        ("<answer>Rain</answer>", 1.0),
        ("rain, not wind", 0.0),
        ("not rain", 1.0),  # the matcher's blind spot
        ("", 0.0),
    ],
)
def test_match_is_the_evaluations_own_verdict(completion, expected):
    assert match_reward([completion], ["rain"], [["rain", "wind"]]) == [expected]


@pytest.mark.parametrize(
    ("prompt", "completion", "expected"),
    [
        (2, "rain", 0.0),
        (2, "<answer>rain", 0.25),
        (2, "rain</answer>", 0.25),
        (2, "</answer>rain<answer>", 0.5),
        (2, "so <answer>rain</answer>", 0.5),
        (2, "<answer>rain</answer>", 1.0),
        (2, "<answer><answer><answer>", 0.0),
        (2, "<answer>rain</answer><answer>wind</answer>", 0.0),
        (3, "<answer>rain</answer>", 0.25),
        (3, "<think>hm</think> so <answer>rain</answer>", 0.5),
        (3, "<think>hm</think><answer>rain</answer>", 1.0),
    ],
)
def test_part_of_the_form_earns_part_of_the_reward(prompt, completion, expected):
    assert partial_format_reward(prompt)([completion]) == [expected]
    if expected < 1:
        assert format_reward(prompt)([completion]) == [0.0]


def test_there_is_no_form_for_prompt_1():
    with pytest.raises(ValueError, match="no form"):
        partial_format_reward(1)


def test_length_costs_between_its_two_bounds():
    reward = length_penalty(free=4, limit=8)
    texts = ["", "a b c d", "a b c d e", "a b c d e f g h", "a " * 50]
    assert reward(texts) == [0.0, 0.0, -0.25, -1.0, -1.0]
    for free, limit in ((4, 4), (-1, 4), (5, 4)):
        with pytest.raises(ValueError, match="free"):
            length_penalty(free, limit)


@pytest.mark.parametrize(
    ("completion", "expected"),
    [
        ("<think>A steady hiss throughout</think><answer>rain</answer>", 1.0),
        ("<think></think><answer>rain</answer>", 0.0),
        ("<think> \n</think><answer>rain</answer>", 0.0),
        ("<think>hmm hmm hmm hmm</think><answer>rain</answer>", 0.0),
        ("<think>one two three four five six seven</think>", 0.0),
        ("A steady hiss throughout <answer>rain</answer>", 0.0),
    ],
)
def test_a_thought_has_some_words_and_not_too_many(completion, expected):
    assert thinking_reward(3, 6)([completion]) == [expected]


def test_bounds_of_a_thought_are_checked():
    with pytest.raises(ValueError, match="least"):
        thinking_reward(0, 6)
    with pytest.raises(ValueError, match="least"):
        thinking_reward(7, 6)


@pytest.mark.parametrize(
    ("thought", "answer", "expected"),
    [
        ("The Wood block comes first.", "wood block", 1.0),
        ("The wood comes first.", "wood block", 0.0),
        ("block of wood", "wood block", 0.0),
        ("a woodpecker", "wood", 0.0),
        ("waves", "wood block", 0.0),
        ("", "wood block", 0.0),
        ("anything", "", 0.0),
        ("cowbell, waves or wood block", "waves", 1.0),  # beyond the rule
    ],
)
def test_a_consistent_thought_names_the_answer(thought, answer, expected):
    completion = f"<think>{thought}</think><answer>{answer}</answer>"
    assert consistency_reward([completion]) == [expected]
    assert consistency_reward([f"<answer>{answer}</answer>"]) == [0.0]


def test_trl_calls_all_by_keyword_and_logs_their_names():
    columns = {
        "prompts": ["p"],
        "completions": [[{"role": "assistant", "content": "<answer>rain</answer>"}]],
        "completion_ids": [[1]],
        "solution": ["rain"],
        "choices": [["rain", "wind"]],
    }
    expected = {
        accuracy_reward: 1.0,
        match_reward: 1.0,
        partial_format_reward(3): 0.25,
        length_penalty(3, 9): 0.0,
        thinking_reward(): 0.0,
        consistency_reward: 0.0,
    }
    for reward, number in expected.items():
        assert reward(**columns) == [number], reward.__name__
    names = [reward.__name__ for reward in expected]
    assert names == [
        "accuracy_reward",
        "match_reward",
        "partial_format_reward",
        "length_penalty",
        "thinking_reward",
        "consistency_reward",
    ]
