"""What a group is shown to get is what the trainer would make of it, and safe to show."""

from functools import partial

import pytest
import torch

from r1aqa_helpers.course.answer_groups import AnswerGroup
from r1aqa_helpers.course.group_rewards import by_name, judge, printable
from r1aqa_helpers.training.grpo.objective import group_advantages
from r1aqa_helpers.training.rewards import accuracy_reward, format_reward

GROUP = AnswerGroup(
    "q",
    "Which <b>?",
    ("rain", "wind"),
    "rain",
    2,
    ("rain", "<answer>rain</answer>", "<script>alert(1)</script>\n\x1c", "wind"),
)
EQUAL = AnswerGroup("d", "?", ("rain", "wind"), "rain", 2, ("wind", "no"))


def test_sums_and_advantages_are_the_trainers():
    judged = judge(GROUP, [accuracy_reward, format_reward(2)], {"format_reward": 0.5})
    assert judged.parts["accuracy_reward"] == [1, 1, 0, 0]
    assert judged.totals == [1.0, 1.5, 0.0, 0.0]
    expected = group_advantages(torch.tensor(judged.totals, dtype=torch.float64), 4)
    assert judged.advantages == pytest.approx(expected.tolist())
    assert not judged.zero_variance


def test_a_group_of_equal_sums_has_no_variance_also_where_they_differ_by_rounding():
    assert judge(EQUAL, accuracy_reward).zero_variance

    def third(completions, **columns):
        return [0.1 + 0.2, 0.3]

    assert judge(EQUAL, third).zero_variance


def test_a_reward_may_abstain_as_in_trl():
    def some(completions, **columns):
        return [1.0, None, 0.0, None]

    def others(completions, **columns):
        return [None, None, 0.5, None]

    judged = judge(GROUP, [some, others], {"others": 0.5})
    assert judged.totals == [1.0, None, 0.25, None] and not judged.zero_variance
    expected = group_advantages(torch.tensor([1.0, 0.25], dtype=torch.float64), 2).tolist()
    assert judged.advantages == [expected[0], 0, expected[1], 0]
    assert '<td style="text-align:left">–</td>' in judged._repr_html_() and "   –" in repr(judged)
    for alone in ([2.0, None, None, None], [None] * 4):
        judged = judge(GROUP, {"alone": lambda alone=alone, **columns: alone})
        assert judged.advantages == [0, 0, 0, 0] and judged.zero_variance


def test_rewards_of_one_name_get_a_number():
    named = by_name([accuracy_reward, accuracy_reward])
    assert list(named) == ["accuracy_reward", "accuracy_reward 2"]
    assert list(by_name(partial(accuracy_reward, strict=True))) == ["accuracy_reward"]


def test_what_a_model_wrote_is_shown_as_text():
    page = judge(GROUP, accuracy_reward)._repr_html_()
    assert "<script>" not in page and "&lt;script&gt;alert(1)&lt;/script&gt;↵\\x1c" in page
    assert "Which &lt;b&gt;?" in page
    assert "\x1c" not in repr(judge(GROUP, accuracy_reward))
    assert printable("a\nb\x07") == r"a↵b\x07"
