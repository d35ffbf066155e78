"""Which questions a run sees, and that its rate is chosen by validation alone."""

import pytest

from r1aqa_helpers.data import read_questions
from r1aqa_helpers.experiments.methods import METHODS
from r1aqa_helpers.experiments.plan import (
    ALL,
    CENTRE,
    EQUAL_COMPUTE,
    FEW,
    FURTHER,
    PLAN,
    SOUND,
    TABLE,
    WRONG,
    Choice,
    Run,
    Splits,
    Validated,
    best_rate,
    choose,
    mislabelled,
    rate_beyond,
    search_rates,
    selected,
    training_questions,
    validation_questions,
)
from r1aqa_helpers.experiments.records import validated
from r1aqa_helpers.tiny.data import recipes
from r1aqa_helpers.tiny.reasoning import true_answer
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.paths import TINY


@pytest.fixture(scope="module")
def whole():
    train = read_questions(TINY / "tiny-avqa-train.jsonl")
    validation = read_questions(TINY / "tiny-avqa-validation.jsonl")
    return Splits(train, validation, [], recipes("train"))


def questions(whole, regime, seed=0, method="sft"):
    return training_questions(Run(regime, METHODS[method], 1e-4, seed), whole)


def test_fewer_questions_are_the_first_of_more_and_the_seed_s(whole):
    assert questions(whole, ALL) == list(whole.train) and len(whole.train) == 4000
    few, some = questions(whole, FEW), questions(whole, TABLE)
    more = questions(whole, EQUAL_COMPUTE)
    assert (len(few), len(some)) == (100, 800) and few == some[:100] and some == more[:800]
    assert len(more) == len({q.id for q in more}) == 8 * EQUAL_COMPUTE.steps
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


class Sealed(dict):
    """A run's record that cannot be asked for its test."""

    def __getitem__(self, key):
        assert key != "test", "the test was looked at"
        return super().__getitem__(key)

    get = items = values = __iter__ = None


def record(rate: float, matches: str) -> Sealed:
    test = {"accuracy": 100.0, "n": 10, "matches": "1" * 10}
    return Sealed(lr=rate, validation={"n": len(matches), "matches": matches}, test=test)


def test_a_rate_is_chosen_by_validation_alone():
    found = [validated(record(rate, m)) for rate, m in ((1e-5, "0101"), (1e-4, "1101"))]
    assert best_rate(found) == 1e-4 and found[0] == Validated(1e-5, 2, 4)
    rates = [Validated(3e-4, 8, 10), Validated(1e-4, 8, 10), Validated(3e-5, 7, 10)]
    assert choose("table", "sft", rates) == Choice("table", "sft", 1e-4, at_end=False)
    assert choose("table", "sft", rates[:2]).at_end
    for candidates in ([], [Validated(1e-4, 1, 2), Validated(1e-5, 1, 3)]):
        with pytest.raises(ValueError, match="the same questions"):
            best_rate(candidates)


def test_the_search_is_the_same_for_all_methods():
    for method in METHODS.values():
        rates = search_rates(method)
        assert [rate / (CENTRE * method.rate) for rate in rates] == pytest.approx([1 / 3, 1, 3])
    assert {name for name, method in METHODS.items() if method.rate != 1} == {"sft-lora"}


def test_the_search_goes_beyond_an_end_a_few_times():
    rates = search_rates(METHODS["sft"])

    def beyond(*correct):
        tried = [*rates, *(rates[-1] * 3**n for n in range(1, 9))][: len(correct)]
        found = [Validated(rate, one, 10) for rate, one in zip(tried, correct, strict=True)]
        return rate_beyond(found), tried

    assert beyond(1, 2, 1)[0] is None and beyond(1, 2, 3, 2)[0] is None
    for correct in ((1, 2, 3), (1, 2, 3, 4), (1, 2, 3, 4, 5)):
        further, tried = beyond(*correct)
        assert further == pytest.approx(3 * tried[-1])
    assert beyond(3, 2, 1)[0] == pytest.approx(beyond(3, 2, 1)[1][0] / 3)
    assert beyond(*range(3 + FURTHER))[0] is None
    candidates = [Validated(rate, n, 10) for n, rate in enumerate(beyond(*range(6))[1])]
    assert choose("table", "sft", candidates).at_end, "which the record then says"


def test_seeds_are_planned_and_may_be_capped():
    planned = {(r.name, m): len(r.seeds_of(m)) for r in PLAN for m in r.methods}
    assert {cell for cell, count in planned.items() if count == 8} == {
        ("table", name) for name in ("sft", "grpo-2", "grpo-3")
    }
    assert set(planned.values()) == {0, 5, 8}
    assert {r for (r, _), count in planned.items() if count == 0} == {"untrained"}
    assert TABLE.seeds_of("sft", 2) == range(2) and TABLE.seeds_of("cota", 7) == range(5)


def test_a_part_of_the_plan_has_what_it_starts_from():
    def names(*only):
        return {regime.name: regime.methods for regime in selected(only)}

    assert names("few") == {"few": ("sft", "grpo-2")}
    assert names("cold-start") == {"table": ("cota", "cold-start")}
    assert names("cota") == {name: ("cota",) for name in ("table", "equal-compute", "all")}
    assert names("direct-2", "all") == {"untrained": ("direct-2",), "all": ("sft", "cota")}
    with pytest.raises(UserError, match="--only epochs: unknown, choose of all, "):
        selected(["epochs"])
