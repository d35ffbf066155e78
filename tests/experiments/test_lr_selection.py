"""A rate is chosen by validation alone."""

from dataclasses import fields

import pytest

from r1aqa_helpers.experiments.lr_selection import Choice, Validated, best_rate, choose
from r1aqa_helpers.experiments.methods import METHODS
from r1aqa_helpers.experiments.plan import CENTRE, rate_beyond, search_rates
from r1aqa_helpers.experiments.records import validated
from r1aqa_helpers.utils.errors import UserError


class Sealed(dict):
    """A run's record that cannot be asked for its test."""

    def __getitem__(self, key):
        assert key != "test", "the test was looked at"
        return super().__getitem__(key)

    get = items = values = __iter__ = None


def record(rate: float, matches: str) -> Sealed:
    test = {"accuracy": 100.0, "n": 10, "matches": "1" * 10}
    return Sealed(lr=rate, validation={"n": len(matches), "matches": matches}, test=test)


def test_the_test_is_not_read():
    found = [validated(record(rate, m)) for rate, m in ((1e-5, "0101"), (1e-4, "1101"))]
    assert best_rate(found) == 1e-4
    assert {field.name for field in fields(Validated)} == {"rate", "correct", "n"}


def test_of_equals_the_smallest_and_ends_are_marked():
    rates = [Validated(3e-4, 8, 10), Validated(1e-4, 8, 10), Validated(3e-5, 7, 10)]
    assert choose("table", "sft", rates) == Choice("table", "sft", 1e-4, at_end=False)
    assert choose("table", "sft", rates[:2]).at_end


@pytest.mark.parametrize(
    ("candidates", "message"),
    [([], "no run"), ([Validated(1e-4, 1, 2), Validated(1e-5, 1, 3)], "different questions")],
)
def test_what_cannot_be_compared_is_refused(candidates, message):
    with pytest.raises(UserError, match=message):
        best_rate(candidates)


def test_the_search_is_the_same_for_all_methods():
    for method in METHODS.values():
        rates = search_rates(method)
        assert [rate / (CENTRE * method.rate) for rate in rates] == pytest.approx([1 / 3, 1, 3])
        assert rate_beyond(rates, rates[1]) is None
        assert rate_beyond(rates, rates[0]) == pytest.approx(rates[0] / 3)
        assert rate_beyond(rates, rates[2]) == pytest.approx(rates[2] * 3)
    assert {name for name, method in METHODS.items() if method.rate != 1} == {"sft-lora"}
