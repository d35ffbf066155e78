"""The playground follows weights, the picked question and the learner's own source."""

import pytest

from r1aqa_helpers.course.answer_groups import recorded_groups
from r1aqa_helpers.course.widgets.playground import OWN, STARTER, Playground, compile_reward
from r1aqa_helpers.training.rewards import accuracy_reward, format_reward


@pytest.fixture
def ground() -> Playground:
    return Playground(recorded_groups(2), [accuracy_reward, format_reward(2)])


def test_picker_and_sliders_change_the_table(ground):
    before = ground.table.value
    assert ground.judged()[0].weights == {"accuracy_reward": 1.0, "format_reward": 1.0}
    assert "0 of 12 groups have zero variance" in ground.status.value
    assert ground.groups[0].question in before
    ground.picker.value = 3
    assert "Which number is spoken?" in ground.table.value != before
    ground.sliders["format_reward"].value = 0.0
    assert "3 of 12 groups have zero variance" in ground.status.value


def test_the_learners_reward_joins_the_others(ground):
    for value in (1.0, 2.0):
        ground.source.value = (
            f"def mine(completions, **c):\n    return [{value}] * len(completions)"
        )
        ground.run.click()
        assert ground.sliders[OWN].value == 1.0
        assert ground.judged()[0].parts[OWN] == [value] * 8


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def f(:", "SyntaxError in line 1"),
        ("x = 1", "no function is defined"),
        ("undefined", "NameError"),
        ("def f(completions, **c):\n    raise ValueError('<script>')", "&lt;script&gt;"),
        ("def f(completions, **c):\n    return [1.0]", "1 numbers for 8 completions"),
    ],
)
def test_an_error_in_the_source_is_one_line_and_changes_nothing(ground, source, message):
    before = ground.table.value
    ground.source.value = source
    ground.run.click()
    assert message in ground.status.value and "<script>" not in ground.status.value
    assert 'role="status"' in ground.status.value
    assert ground.table.value == before and ground.own is None


def test_the_last_function_of_the_source_is_used():
    assert compile_reward(STARTER)(["a b c d", "rain"], None, None) == [0.0, 1.0]
    source = "def helper(x):\n    return x\ndef reward(completions, **c):\n    return [3.0]"
    assert compile_reward(source)(["a"]) == [3.0]
