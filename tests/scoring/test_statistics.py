"""Intervals, paired tests and corrections equal their textbooks."""

import numpy as np
import pytest
from scipy.stats import binomtest

from r1aqa_helpers.scoring import bootstrap_difference, holm, mcnemar, mcnemar_p, wilson_interval
from r1aqa_helpers.utils.errors import UserError


@pytest.mark.parametrize(("k", "n"), [(0, 10), (3, 7), (333, 333), (645, 1000), (1, 1)])
def test_wilsons_interval_is_scipys(k, n):
    expected = binomtest(k, n).proportion_ci(method="wilson")
    assert wilson_interval(k, n) == pytest.approx((100 * expected.low, 100 * expected.high))


def test_wilsons_interval_of_the_papers_headline_and_at_the_ends():
    assert wilson_interval(645, 1000) == pytest.approx((61.48, 67.41), abs=0.01)
    for n in range(1, 200):
        assert (wilson_interval(0, n)[0], wilson_interval(n, n)[1]) == (0.0, 100.0)
    for correct, n in ((2, 1), (-1, 1), (0, 0)):
        with pytest.raises(ValueError, match="not an accuracy"):
            wilson_interval(correct, n)


def outcomes(text):
    return {str(i): int(c) for i, c in enumerate(text)}


def test_mcnemar_counts_the_questions_that_tell_the_two_apart():
    a, b = outcomes("1111110100"), outcomes("1100000110")
    test = mcnemar(a, b)
    # a alone is correct on 2, 3, 4, 5; b alone on 8; p = 2 (1 + 5) / 2^5.
    assert (test.a_only, test.b_only, test.n) == (4, 1, 10)
    assert test.difference == pytest.approx(30.0)
    assert test.p == mcnemar_p(1, 4) == pytest.approx(0.375)
    mirrored = mcnemar(b, a)
    assert mirrored.difference == pytest.approx(-30.0)
    assert mirrored.p == pytest.approx(test.p)
    assert mcnemar(a, a).p == 1.0
    assert mcnemar(outcomes("1" * 10), outcomes("0" * 10)).p == pytest.approx(2 / 2**10)


def test_mcnemar_needs_the_same_questions():
    with pytest.raises(UserError, match="'2' is scored in one only"):
        mcnemar(outcomes("1011"), outcomes("10"))
    with pytest.raises(UserError, match="^paired test: no question is scored; "):
        mcnemar({}, {})


def paired(a_only, b_only, both, neither):
    a = "1" * a_only + "0" * b_only + "1" * both + "0" * neither
    b = "0" * a_only + "1" * b_only + "1" * both + "0" * neither
    return outcomes(a), outcomes(b)


def test_the_bootstrap_interval_is_that_of_drawing_whole_questions():
    a, b = paired(60, 30, 300, 110)
    low, high = bootstrap_difference(a, b, resamples=20_000)
    gains = np.array([a[key] - b[key] for key in a])
    rng = np.random.default_rng(5)
    means = 100 * rng.choice(gains, (20_000, len(gains))).mean(axis=1)
    assert (low, high) == pytest.approx(tuple(np.percentile(means, [2.5, 97.5])), abs=0.3)
    # And that of the textbook's standard error: 6 +- 1.96 * sqrt(0.18 - 0.06^2) / sqrt(n).
    assert (low, high) == pytest.approx((2.32, 9.68), abs=0.3)
    many = bootstrap_difference(*paired(600, 300, 3000, 1100), resamples=20_000)
    assert many == pytest.approx((4.836, 7.164), abs=0.04)


def test_the_bootstrap_is_the_same_each_time_and_mirrored():
    a, b = paired(12, 5, 20, 13)
    many = paired(600, 300, 3000, 1100)
    assert bootstrap_difference(*many) == bootstrap_difference(*many, resamples=10_000, seed=0)
    assert bootstrap_difference(a, b, seed=1, resamples=100) != bootstrap_difference(a, b)
    low, high = bootstrap_difference(a, b)
    assert bootstrap_difference(b, a) == pytest.approx((-high, -low), abs=2.1)
    assert bootstrap_difference(a, a) == (0.0, 0.0)
    with pytest.raises(UserError, match="scored in one only"):
        bootstrap_difference(a, {})


def test_holm_corrects_as_worked_out_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.001, 0.6]) == pytest.approx([1.0, 0.003, 1.0])
    assert holm([0.02]) == [0.02]
    assert holm([]) == []
    assert holm([0.0, 1.0]) == [0.0, 1.0]
    for wrong in (1.2, -0.1):
        with pytest.raises(ValueError, match=f"^{wrong} is not a p-value"):
            holm([0.5, wrong, 7.0])
