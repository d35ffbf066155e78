"""Rewards do what their docstrings say, weak sides included, as TRL calls them."""

import re
import time
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from r1aqa_helpers.training.rewards import (
    accuracy_reward,
    format_reward,
    match_reward,
    name_of,
    named,
    only_if,
    rewards_for,
    weighted,
    weighted_sum,
)
from r1aqa_helpers.utils.errors import UserError


@pytest.mark.parametrize(
    ("completion", "solution", "expected"),
    [
        ("<answer>car</answer>", "car", 1.0),
        ("<answer>\ncar \n</answer>", " car\n", 1.0),  # the reference needs it on one line
        ("<think>car or\nbus?</think>\n<answer>bus</answer>", "bus", 1.0),
        ("Well: <answer>bus</answer>, I say", "bus", 1.0),  # format is the other reward's part
        ("car", "car", 1.0),  # bare text counts, as in the reference
        ("<answer>car", "car", 0.0),
        ("<answer>Car</answer>", "car", 0.0),  # exact: MMAU's matcher would take it
        ("<answer>bus</answer><answer>car</answer>", "car", 0.0),
        # Symbolic mathematics takes both of these for equal.
        ("<answer>Piano, 4 notes</answer>", "Guitar, 4 notes", 0.0),
        ("<answer>1/2</answer>", "0.5", 0.0),
    ],
)
def test_accuracy_is_exact_after_trimming(completion, solution, expected):
    assert accuracy_reward([completion], [solution]) == [expected]


@pytest.mark.parametrize(
    ("prompt", "completion", "expected"),
    [
        (2, "<answer>car</answer>", 1.0),
        (2, "car", 0.0),
        (2, "It is <answer>car</answer>", 0.0),
        (2, "<answer>car</answer><answer>bus</answer>", 0.0),  # the reference gives this 1
        (2, "<answer><answer>car</answer></answer>", 0.0),
        (2, "<think>hm</think><answer>car</answer>", 0.0),
        (3, "<think>hm</think><answer>car</answer>", 1.0),
        (3, "<think>one\ntwo</think>\n\n<answer>\ncar\n</answer>", 1.0),
        (3, "<answer>car</answer>", 0.0),
        (3, "<think>hm</think> so <answer>car</answer>", 0.0),
        (3, "<think><answer>bus</answer></think><answer>car</answer>", 0.0),
        (3, "ok <think>hm</think><answer>car</answer>", 0.0),
        # A pattern that backtracks over every pair of positions would take minutes here.
        (3, "<think>" + "<think" * 20_000, 0.0),
    ],
)
def test_format_is_that_of_the_whole_completion(prompt, completion, expected):
    assert format_reward(prompt)([completion]) == [expected]


INNER = r"(?:(?!</?(?:think|answer)>).)*"
#: The expressions that define the two formats. They take a second or more for 10 MB.
FORMATS = {
    2: re.compile(rf"<answer>{INNER}</answer>", re.DOTALL),
    3: re.compile(rf"<think>{INNER}</think>\s*<answer>{INNER}</answer>", re.DOTALL),
}
PIECES = ["<answer>", "</answer>", "<think>", "</think>", "<", "</", ">", " ", "\n", "\x1c", "a"]
HOSTILE = {
    "open tags": "<answer>" * 100_000,
    "open thoughts": "<think>" * 100_000,
    "10 MB": "<think>" + "a" * 5_000_000 + "</think><answer>" + "b " * 2_500_000,
    "10 MB of white space": "<think>a</think>" + " " * 10_000_000 + "<answer>",
    "10 MB of open tags": ("<answer>" + "a" * 92) * 100_000,
    "the same words": "<think>"
    + "a " * 200_000
    + "</think><answer>"
    + "a " * 100_000
    + "b</answer>",
}


@given(
    st.lists(st.sampled_from(PIECES) | st.text(max_size=2)).map("".join)
    | st.builds(
        "<think>{}</think>{}<answer>{}</answer>{}".format,
        st.sampled_from(["", "a\nb", "<", "<think>"]),
        st.sampled_from(["", " ", "\x1c\u2028\x85", "a"]),
        st.sampled_from(["", "a", "</", "</think>"]),
        st.sampled_from(["", "", "", "\n"]),
    )
)
def test_formats_are_those_of_the_expressions(completion):
    for prompt, pattern in FORMATS.items():
        assert format_reward(prompt)([completion]) == [float(bool(pattern.fullmatch(completion)))]


@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=3)).map("".join))
def test_any_completion_has_a_reward_in_bounds(completion):
    columns = {"solution": ["a"], "choices": [["a", "b"]]}
    for reward in (
        accuracy_reward, match_reward, format_reward(2), format_reward(3),
    ):  # fmt: skip
        (one,) = reward(completions=[completion], **columns)
        assert type(one) is float and 0 <= one <= 1
        assert reward(completions=[[{"content": completion}]], **columns) == [one]


def test_what_abstains_is_left_out_of_sums_and_gates():
    def some(completions, **columns):
        return [None, 2.0, None]

    def all(completions, **columns):
        return [1.0, 1.0, None]

    assert weighted((0.5, some), (1.0, all))([""] * 3) == [1.0, 2.0, None]
    assert only_if(some, all)([""] * 3) == [None, 1.0, None]


def test_any_callable_has_a_name():
    class Mine:
        def __call__(self, completions, **columns):
            return [1.0]

    def f(completions, more, **columns):
        return [more]

    assert [name_of(one) for one in (f, partial(partial(f), more=1), Mine())] == ["f", "f", "Mine"]
    assert weighted((1, Mine()), (2, partial(f, more=3.0))).__name__ == "1*Mine + 2*f"
    assert only_if(Mine(), partial(f, more=3.0)).__name__ == "f if Mine"


@pytest.mark.parametrize("completion", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("reward", [format_reward(2), format_reward(3)])
def test_rewards_take_linear_time(reward, completion):
    started = time.process_time()
    reward([completion])
    assert time.process_time() - started < 2


def test_match_is_the_evaluations_own_verdict():
    said = ["I hear rain.", "<answer>Rain</answer>", "not rain", "rain, not wind", ""]
    found = match_reward(said, ["rain"] * 5, [["rain", "wind"]] * 5)
    assert found == [1, 1, 1, 0, 0]  # the negation is the matcher's blind spot


def test_trl_calls_all_by_keyword_and_logs_their_names():
    columns = {
        "prompts": ["p"],
        "completions": [[{"role": "assistant", "content": "<answer>rain</answer>"}]],
        "completion_ids": [[1]],
        "solution": ["rain"],
        "choices": [["rain", "wind"]],
        "trainer_state": None,
    }
    expected = {
        "accuracy_reward": (accuracy_reward, 1.0),
        "match_reward": (match_reward, 1.0),
        "format_reward": (format_reward(2), 1.0),
    }
    for name, (reward, number) in expected.items():
        assert (reward.__name__, reward(**columns)) == (name, [number])
    for prompt in (2, 3):
        names = [reward.__name__ for reward in rewards_for(prompt)]
        assert names == ["accuracy_reward", "format_reward"]
    assert rewards_for(1) == [accuracy_reward]
    with pytest.raises(UserError, match="choose one of 1, 2, 3"):
        rewards_for(4)


COMPLETIONS = ["<answer>rain</answer>", "rain", "<answer>wind</answer>", "wind"]


def test_rewards_are_weighted_gated_and_named():
    columns = {"solution": ["rain"] * 4}
    reward = weighted((2, accuracy_reward), (0.5, format_reward(2)))
    assert reward(completions=COMPLETIONS, **columns) == [2.5, 2.0, 0.5, 0.0]
    assert reward.__name__ == "2*accuracy_reward + 0.5*format_reward"
    negative = weighted((-1, accuracy_reward), name="x")
    assert negative(COMPLETIONS, **columns) == [-1, -1, 0, 0] and negative.__name__ == "x"
    messages = [{"content": "rain"}, {"content": "wind"}]  # the second answers a tool, say
    assert accuracy_reward([messages], ["rain"]) == [1.0]
    gated = only_if(format_reward(2), accuracy_reward)
    assert gated(completions=COMPLETIONS, **columns) == [1.0, 0.0, 0.0, 0.0]
    assert gated.__name__ == "accuracy_reward if format_reward"
    other = named("correct", accuracy_reward)
    assert (other.__name__, accuracy_reward.__name__) == ("correct", "accuracy_reward")


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: format_reward(1),
        lambda: weighted(),
        lambda: accuracy_reward(["car", "bus"], ["car"]),
        lambda: match_reward(["car", "bus"], ["car"] * 2, [["car", "bus"]]),
        lambda: weighted((1, accuracy_reward), (1, lambda completions, **_: [1.0]), name="x")(
            COMPLETIONS, solution=["rain"] * 4
        ),
        lambda: only_if(accuracy_reward, lambda completions, **_: [1.0])(
            COMPLETIONS, solution=["rain"] * 4
        ),
        lambda: weighted_sum([1.0], [1.0, 2.0]),
    ],
)
def test_what_does_not_fit_is_an_error_not_a_short_list(wrong):
    with pytest.raises(ValueError):
        wrong()
