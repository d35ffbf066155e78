"""Groups of answers: sampled the same in any company, recorded, and put to rewards safely."""

import math

import pytest

from r1aqa_helpers.course.answer_groups import (
    MAX_NEW_TOKENS,
    AnswerGroup,
    apply_reward,
    recorded_groups,
    sample_groups,
)
from r1aqa_helpers.data import read_questions
from r1aqa_helpers.models import load
from r1aqa_helpers.tiny import data
from r1aqa_helpers.training.rewards import accuracy_reward
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.paths import TINY

GROUP = AnswerGroup("q", "What?", ("rain", "wind"), "rain", 2, ("rain", "<answer>wind</answer>"))


def test_a_reward_is_called_as_trl_calls_it():
    seen = {}

    def reward(**columns):
        seen.update(columns)
        return [1, True]

    assert apply_reward(reward, GROUP) == [1.0, 1.0]
    assert seen["completions"] == list(GROUP.completions)
    assert seen["solution"] == ["rain", "rain"]
    assert seen["choices"] == [["rain", "wind"]] * 2
    assert seen["prompts"][0].startswith("What? Please choose")
    assert apply_reward(accuracy_reward, GROUP) == [1.0, 0.0]
    assert apply_reward(lambda **columns: [None, 1], GROUP) == [None, 1.0]


def raising(**columns):
    raise RuntimeError("first line\nsecond line")


@pytest.mark.parametrize(
    ("reward", "message"),
    [
        (lambda completions: [0.0, 0.0], r"end the parameters with \*\*columns"),
        (lambda completions, **c: [0.0], "1 numbers for 2 completions"),
        (lambda completions, **c: None, "no list of numbers"),
        (lambda completions, **c: [math.nan, 0.0], "not finite"),
        (raising, "^raising: RuntimeError: first line$"),
    ],
)
def test_a_reward_that_fails_is_named_in_one_line(reward, message):
    with pytest.raises(UserError, match=message) as caught:
        apply_reward(reward, GROUP)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("prompt", [2, 3])
def test_the_recording_is_of_training_questions_with_eight_answers_each(prompt):
    training = {question.id: question for question in read_questions(data.prepare().train)}
    groups = recorded_groups(prompt)
    assert {group.prompt for group in groups} == {prompt}
    assert len(groups) == 12
    for group in groups:
        question = training[group.id]
        assert (group.question, group.choices) == (question.question, question.choices)
        assert group.answer == question.answer and len(group.completions) == 8


def test_an_answer_depends_on_its_seed_and_not_on_its_company():
    recorded = {group.id: group for group in recorded_groups(2)}
    questions = [q for q in read_questions(data.prepare().train) if q.id in recorded][:2]
    loaded = load(TINY / "model", "cpu", "float32")
    both = sample_groups(loaded, questions, 2, size=8)
    assert sample_groups(loaded, questions[1:], 2, size=4)[0].completions == both[1].completions[:4]
    # As recorded, but for ties that rounding may break the other way.
    pairs = [
        pair
        for group in both
        for pair in zip(group.completions, recorded[group.id].completions, strict=True)
    ]
    assert sum(a == b for a, b in pairs) >= len(pairs) - 2
    longest = max(len(loaded.processor.tokenizer(a)["input_ids"]) for a, _ in pairs)
    assert longest <= MAX_NEW_TOKENS
