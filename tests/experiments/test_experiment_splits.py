"""Which questions a run sees."""

import pytest

from r1aqa_helpers.data import read_questions
from r1aqa_helpers.experiments.methods import METHODS
from r1aqa_helpers.experiments.plan import EPOCHS, FEW, SOUND, TABLE, WRONG, Run
from r1aqa_helpers.experiments.splits import (
    Splits,
    mislabelled,
    training_questions,
    validation_questions,
)
from r1aqa_helpers.tiny.data import recipes
from r1aqa_helpers.tiny.reasoning import true_answer
from r1aqa_helpers.utils.paths import TINY


@pytest.fixture(scope="module")
def whole():
    train = read_questions(TINY / "tiny-avqa-train.jsonl")
    validation = read_questions(TINY / "tiny-avqa-validation.jsonl")
    return Splits(train, validation, [], recipes("train"))


def questions(whole, regime, seed=0, method="sft"):
    return training_questions(Run(regime, METHODS[method], 1e-4, seed), whole)


def test_the_table_sees_the_file_as_it_is(whole):
    assert questions(whole, TABLE) == list(whole.train)


def test_fewer_questions_are_the_first_of_more_and_the_seed_s(whole):
    few, epochs = questions(whole, FEW), questions(whole, EPOCHS)
    assert (len(few), len(epochs)) == (100, 200) and few == epochs[:100]
    assert questions(whole, FEW, method="grpo-2") == few, "all methods see the same"
    assert questions(whole, FEW, seed=1) != few


def test_wrong_labels_are_as_many_as_said_and_choices(whole):
    spoilt, clean = questions(whole, WRONG), {q.id: q for q in whole.train}
    assert len(spoilt) == 800
    wrong = [q for q in spoilt if q.answer != true_answer(q, whole.scenes[q.id])]
    assert len(wrong) == 240
    already = [q for q in spoilt if clean[q.id].answer != true_answer(q, whole.scenes[q.id])]
    assert 0 < len(already) and {q.id for q in already} <= {q.id for q in wrong}
    for question in spoilt:
        assert question.answer in question.choices
        assert question.choices == clean[question.id].choices
    assert mislabelled(spoilt, whole.scenes, 0.3, 5) == spoilt, "nothing is left to spoil"


def test_one_task_is_trained_and_validated_on(whole):
    assert {q.task for q in questions(whole, SOUND)} == {"sound"}
    asked = validation_questions(Run(SOUND, METHODS["sft"], 1e-4, 0), whole)
    assert len(asked) == 340 and {q.task for q in asked} == {"sound"}
    assert len(validation_questions(Run(TABLE, METHODS["sft"], 1e-4, 0), whole)) == 400


def test_only_cota_gets_reasoning(whole):
    assert all("reasoning" in q.extra for q in questions(whole, TABLE, method="cota"))
    assert not any("reasoning" in q.extra for q in questions(whole, TABLE, method="grpo-3"))
