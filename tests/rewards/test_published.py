"""The rewards are what the paper describes, with the reference code's defects left out."""

import pytest

from r1aqa_helpers.errors import UserError
from r1aqa_helpers.rewards import accuracy_reward, format_reward, rewards_for


def accuracy(completion: str, solution: str) -> float:
    return accuracy_reward([completion], [solution])[0]


def form(prompt: int, completion: str) -> float:
    return format_reward(prompt)([completion])[0]


@pytest.mark.parametrize(
    ("completion", "solution", "expected"),
    [
        ("<answer>car</answer>", "car", 1.0),
        ("<answer> car </answer>", " car\n", 1.0),
        ("<answer>\ncar\n</answer>", "car", 1.0),  # the reference needs it on one line
        ("<think>car or\nbus?</think>\n<answer>bus</answer>", "bus", 1.0),
        ("Well: <answer>bus</answer>, I say", "bus", 1.0),  # form is the other reward's part
        ("car", "car", 1.0),  # bare text counts, as in the reference
        ("car.", "car", 0.0),
        ("<answer>car", "car", 0.0),
        ("<answer>Car</answer>", "car", 0.0),  # exact: MMAU's matcher would take it
        ("<answer>the car</answer>", "car", 0.0),
        ("<answer>bus</answer><answer>car</answer>", "car", 0.0),
        ("<answer></answer>", "car", 0.0),
        ("", "car", 0.0),
        # Symbolic mathematics takes both of these for equal.
        ("<answer>Piano, 4 notes</answer>", "Guitar, 4 notes", 0.0),
        ("<answer>0:09 - 0:11</answer>", "0:00 - 0:08", 0.0),
        ("<answer>1/2</answer>", "0.5", 0.0),
    ],
)
def test_accuracy_is_exact_after_trimming(completion, solution, expected):
    assert accuracy(completion, solution) == expected


@pytest.mark.parametrize(
    ("completion", "expected"),
    [
        ("<answer>car</answer>", 1.0),
        ("<answer>\ncar\n</answer>", 1.0),
        ("<answer></answer>", 1.0),
        ("car", 0.0),
        ("", 0.0),
        ("<answer>car", 0.0),
        ("<ANSWER>car</ANSWER>", 0.0),
        ("It is <answer>car</answer>", 0.0),
        ("<answer>car</answer>.", 0.0),
        ("<answer>car</answer><answer>bus</answer>", 0.0),  # the reference gives this 1
        ("<answer><answer>car</answer></answer>", 0.0),
        ("<think>hm</think><answer>car</answer>", 0.0),
    ],
)
def test_form_of_prompt_2(completion, expected):
    assert form(2, completion) == expected


@pytest.mark.parametrize(
    ("completion", "expected"),
    [
        ("<think>hm</think><answer>car</answer>", 1.0),
        ("<think>one\ntwo</think>\n\n<answer>\ncar\n</answer>", 1.0),
        ("<answer>car</answer>", 0.0),
        ("<think>hm</think>", 0.0),
        ("<think>hm</think> so <answer>car</answer>", 0.0),
        ("<answer>car</answer><think>hm</think>", 0.0),
        ("<think>hm</think><think>hm</think><answer>car</answer>", 0.0),
        ("<think>hm</think><answer>car</answer><answer>bus</answer>", 0.0),
        ("<think><answer>bus</answer></think><answer>car</answer>", 0.0),
        ("<think>hm<answer>car</answer>", 0.0),
        ("ok <think>hm</think><answer>car</answer>", 0.0),
    ],
)
def test_form_of_prompt_3(completion, expected):
    assert form(3, completion) == expected


def test_conversational_completions_are_read_too():
    texts = ["<answer>car</answer>", "bus", "<answer>bus</answer>"]
    chats = [[{"role": "assistant", "content": text}] for text in texts]
    solution = ["car", "bus", "car"]
    assert accuracy_reward(chats, solution) == [1.0, 1.0, 0.0]
    assert format_reward(2)(chats) == [1.0, 0.0, 1.0]


def test_trl_calls_them_by_keyword_and_logs_their_names():
    columns = {
        "prompts": ["p", "p"],
        "completions": ["<answer>car</answer>", "bus"],
        "completion_ids": [[1], [2]],
        "solution": ["car", "car"],
        "trainer_state": None,
    }
    for number in (2, 3):
        names = [reward.__name__ for reward in rewards_for(number)]
        assert names == ["accuracy_reward", "format_reward"]
    assert [reward(**columns) for reward in rewards_for(2)] == [[1.0, 0.0], [1.0, 0.0]]
    assert [reward(**columns) for reward in rewards_for(3)] == [[1.0, 0.0], [0.0, 0.0]]


def test_prompt_1_asks_for_no_form():
    assert rewards_for(1) == [accuracy_reward]
    with pytest.raises(ValueError, match="no form"):
        format_reward(1)
    with pytest.raises(UserError, match="choose one of 1, 2, 3"):
        rewards_for(4)


def test_a_solution_that_is_missing_is_an_error_not_a_short_list():
    with pytest.raises(ValueError):
        accuracy_reward(["car", "bus"], ["car"])


def test_a_long_completion_without_a_closing_tag_is_judged_quickly():
    # A pattern that backtracks over every pair of positions would take minutes here.
    text = "<think>" + "<think" * 20_000
    assert form(3, text) == 0.0
