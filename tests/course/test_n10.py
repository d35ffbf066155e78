"""Notebook 10: case cards and tables, broken runs, and failures that do fail."""

import copy
import re

import numpy as np
import pytest
import torch

from r1aqa_helpers.course.lessons import n10 as lesson
from r1aqa_helpers.course.session import EXAMPLE
from r1aqa_helpers.data import read_questions
from r1aqa_helpers.models import chat_text, encode, hearing_check, load
from r1aqa_helpers.models.float16 import guard_float16
from r1aqa_helpers.tiny.data import prepare
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.paths import TINY


def test_every_case_is_whole_and_has_a_card(capsys):
    found = lesson.cases()
    for number, one in enumerate(found, 1):
        assert all(one[name].strip() for name in ("symptom", "looks_like", "test", "fix"))
        assert all(address.startswith("https://") for _, address in one["sources"])
        lesson.card(number)
    assert len({one["title"] for one in found}) == len(found) == 9
    shown = capsys.readouterr().out
    assert "Case 4 · Answers cut off" in shown and "test; How many answers have" in shown


def test_the_differential_table_leads_to_every_case(capsys):
    lesson.differential()
    shown = capsys.readouterr().out
    named = {int(n) for group in re.findall(r"\(([\d, ]+)\)", shown) for n in group.split(",")}
    assert named == set(range(1, len(lesson.cases()) + 1))


def test_each_broken_run_differs_in_one_number(capsys):
    runs = lesson.broken_runs()
    assert f"6 runs of {lesson.STEPS} steps" in capsys.readouterr().out

    def mean(letter, field, part):
        rows = runs[letter][part]
        return sum(row[field] for row in rows) / len(rows)

    last, first = slice(-3, None), slice(0, 3)
    letters = sorted(lesson.FAULTS)
    assert all(len(runs[letter]) == lesson.STEPS for letter in letters)
    assert [one for one in letters if abs(mean(one, "kl", last)) < 1e-6] == ["D"]
    assert [one for one in letters if runs[one][1]["kl"] > 1] == ["E"]
    assert [one for one in letters if mean(one, "kl", last) > 1] == ["E"]
    assert max(letters, key=lambda one: mean(one, "zero_variance_groups", first)) == "A"
    assert [one for one in letters if not any(r["accuracy"] for r in runs[one])] == ["C"]
    assert mean("B", "format", last) > mean("B", "format", first)
    assert mean("B", "accuracy", last) > mean("F", "accuracy", last)


@pytest.fixture(scope="module")
def loaded():
    return load(TINY / "model", device="cpu", dtype="float32")


@pytest.fixture(scope="module")
def inputs(loaded):
    noise = np.random.default_rng(0).normal(0, 0.1, (2, 32_000)).astype(np.float32)
    texts = [chat_text(loaded, text) for text in ("What sounds?", "Which of the two comes first?")]
    return encode(loaded, texts, [noise[0], noise[1][:20_000]])


def test_scores_of_a_row_do_not_depend_on_its_batch(loaded, inputs):
    answers = ["rain", "the second one"]
    together = lesson.answer_scores(loaded, inputs, answers)
    for row, answer in enumerate(answers):
        one = {name: tensor[row : row + 1] for name, tensor in inputs.items()}
        alone = lesson.answer_scores(loaded, one, [answer])
        assert torch.allclose(alone, together[row], atol=1e-4)
    swapped = {**inputs, "input_features": inputs["input_features"].flip(0)}
    assert (lesson.answer_scores(loaded, swapped, answers) - together).abs().min() > 1e-3


def test_a_large_channel_changes_nothing_but_the_range(loaded, inputs):
    model = copy.deepcopy(loaded.model)
    with torch.no_grad():
        before = model(**inputs).logits
        largest, planted = lesson.with_large_channel(model, inputs)
        assert largest < 65_504 < planted
        assert torch.allclose(model(**inputs).logits, before, atol=1e-4)
    half = copy.deepcopy(model).half()
    in_half = {**inputs, "input_features": inputs["input_features"].half()}
    assert lesson.first_not_finite(half, in_half).startswith("model.language_model.layers.1.mlp")
    guard_float16(half)
    assert lesson.first_not_finite(half, inputs) is None
    assert lesson.first_not_finite(model, inputs) is None


@pytest.fixture(scope="module")
def example():
    return next(q for q in read_questions(prepare().train) if q.id == EXAMPLE)


def test_only_the_healthy_step_keeps_its_promise(example):
    found = {}
    for fault in lesson.PLANTED:
        tried = lesson.try_step(lesson.trainer(fault), example)
        rose = lesson.gain(tried.before, tried.after, tried.mask, tried.advantages)
        found[fault] = rose / tried.promised
    assert found["none"] == pytest.approx(1, abs=0.05)
    assert found["sign"] == pytest.approx(-1, abs=0.05)
    assert abs(found["shifted"] - 1) > 0.3


def test_labels_move_by_whole_places_and_come_round(example):
    (moved,) = lesson.labelled([example], 1)
    assert moved.answer != example.answer and moved.answer in moved.choices
    assert lesson.labelled([moved], len(example.choices) - 1) == [example]


def test_a_copy_without_projector_does_not_hear(loaded, example):
    with pytest.raises(UserError, match="without projector"):
        hearing_check(lesson.without_projector(loaded), [example], n=1)
    assert hearing_check(loaded, [example], n=1).change > 0.01
