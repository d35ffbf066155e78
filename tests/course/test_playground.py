"""The playground answers to weights, to the picked question and to the learner's own source."""

import pytest

from r1aqa_helpers.course import playground
from r1aqa_helpers.course.answer_groups import recorded_groups
from r1aqa_helpers.course.widgets import VIEW
from r1aqa_helpers.course.widgets.playground import OWN, STARTER, Playground, compile_reward
from r1aqa_helpers.training.rewards import accuracy_reward, format_reward
from r1aqa_helpers.utils.errors import UserError


@pytest.fixture
def ground():
    return Playground(recorded_groups(2), [accuracy_reward, format_reward(2)])


def test_it_starts_with_the_given_rewards_at_weight_1(ground):
    assert ground.judged().weights == {"accuracy_reward": 1.0, "format_reward": 1.0}
    assert "7 of 12 groups are live" in ground.status.value
    assert ground.groups[0].question in ground.table.value


def test_picker_and_sliders_change_the_table(ground):
    before = ground.table.value
    ground.picker.value = 3
    assert "sum of the two numbers" in ground.table.value != before
    ground.sliders["accuracy_reward"].value = 0.0
    assert "3 of 12 groups are live" in ground.status.value
    ground.sliders["format_reward"].value = 0.0
    assert "0 of 12 groups are live" in ground.status.value


def test_the_learners_reward_joins_the_others(ground):
    ground.source.value = "def mine(completions, **columns):\n    return [1.0] * len(completions)"
    ground.run.click()
    assert ground.sliders[OWN].value == 1.0
    assert ground.judged().parts[OWN] == [1.0] * 8
    ground.source.value = "def mine(completions, **columns):\n    return [2.0] * len(completions)"
    ground.run.click()
    assert ground.judged().parts[OWN] == [2.0] * 8


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def f(:", "SyntaxError in line 1"),
        ("x = 1", "no function is defined"),
        ("1 / 0", "ZeroDivisionError"),
        ("def f(completions):\n    return [0.0] * 8", "**columns"),
        ("def f(completions, **c):\n    raise ValueError('<script>')", "&lt;script&gt;"),
        ("def f(completions, **c):\n    return [1.0]", "1 numbers for 8 completions"),
    ],
)
def test_a_fault_in_the_source_is_one_line_and_changes_nothing(ground, source, message):
    before = ground.table.value
    ground.source.value = source
    ground.run.click()
    assert message in ground.status.value and "<script>" not in ground.status.value
    assert 'role="status"' in ground.status.value
    assert ground.table.value == before and ground.own is None


def test_the_last_function_of_the_source_is_taken():
    assert compile_reward(STARTER)(["a b c d", "rain"], None, None) == [0.0, 1.0]
    source = "def helper(x):\n    return x\ndef reward(completions, **c):\n    return [3.0]"
    assert compile_reward(source)(["a"]) == [3.0]
    with pytest.raises(UserError, match="NameError"):
        compile_reward("undefined")


def test_without_a_kernel_there_is_a_table(monkeypatch):
    shown = {}
    monkeypatch.setattr(
        "r1aqa_helpers.course.widgets.display", lambda data, raw: shown.update(data)
    )
    playground(recorded_groups(2), [accuracy_reward])
    assert VIEW in shown and "<table>" in shown["text/html"]
    assert "6 of 12 groups are live" in shown["text/html"]
    assert "Which sound is heard first?" in shown["text/plain"]
