"""Reasoning from recipes: true of every committed question, and short enough to be learnt."""

from dataclasses import replace

import pytest
from transformers import AutoTokenizer

from r1aqa_helpers.data import read_questions
from r1aqa_helpers.hardware import TINY_PROFILE
from r1aqa_helpers.tiny.data import recipes
from r1aqa_helpers.tiny.question_types import transcript
from r1aqa_helpers.tiny.reasoning import true_answer, with_reasoning
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.paths import TINY


def test_thoughts_end_in_the_answer_and_fit_the_tokens_that_are_allowed():
    tokenizer = AutoTokenizer.from_pretrained(TINY / "model")
    questions, scenes = read_questions(TINY / "tiny-avqa-train.jsonl"), recipes("train")
    longest = 0
    for question in with_reasoning(questions, scenes):
        text, scene = question.extra["reasoning"], scenes[question.id]
        assert text.startswith(f"Heard: {transcript(scene)}. ")
        said = text.removesuffix(".").removesuffix(" missing")
        assert said.endswith(true_answer(question, scene)), text
        written = f"<think>{text}</think><answer>{question.answer}</answer><|im_end|>"
        longest = max(longest, len(tokenizer(written, add_special_tokens=False)["input_ids"]))
    assert 20 < longest <= TINY_PROFILE.max_new_tokens, longest


def test_other_questions_are_refused():
    question, scenes = read_questions(TINY / "tiny-avqa-validation.jsonl")[0], recipes("validation")
    with pytest.raises(UserError, match="none of the sound world's"):
        with_reasoning([replace(question, extra={})], scenes)
    with pytest.raises(UserError, match="has no recipe"):
        with_reasoning([question], {})
