"""Claims over seeds and questions: coverage by simulation, and the plain tests beside it."""

import numpy as np
import pytest
from scipy import stats

from r1aqa_helpers.scoring.seeds import compare_over_seeds, crossed, next_seed
from r1aqa_helpers.utils.errors import UserError


def logistic(x):
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize("seed_sd", [0.0, 0.1, 0.3])
@pytest.mark.parametrize("seeds", [5, 8])
def test_its_intervals_cover_the_truth(seeds, seed_sd):
    """Two methods whose trainings and whose strengths by question vary, a true gain of 3 points."""
    rng, hits, trials = np.random.default_rng(seeds), 0, 400

    def accuracy(shift, questions, own, runs):
        return logistic(1 + shift + questions + own + rng.normal(0, seed_sd, runs))

    many = rng.normal(0, 1.5, 200_000), rng.normal(0, 0.3, 200_000)
    truth = accuracy(0.2, *many, 200_000) - accuracy(0, many[0], -many[1], 200_000)
    truth = 100 * truth.mean()
    for _ in range(trials):
        asked, own = rng.normal(0, 1.5, 500), rng.normal(0, 0.3, 500)
        a = rng.random((seeds, 500)) < accuracy(0.2, asked, own, (seeds, 1))
        b = rng.random((seeds, 500)) < accuracy(0, asked, -own, (seeds, 1))
        low, high = crossed(a.astype(float) - b).ci95
        hits += low <= truth <= high
    # Not too narrow; where seeds hardly vary they are wider than they need be.
    assert 0.925 <= hits / trials <= 0.999


def test_one_seed_and_questions_alone_give_the_plain_error():
    values = np.random.default_rng(0).random((1, 400)) < 0.7
    plain = 100 * values.std(ddof=1) / 20
    assert crossed(values.astype(float)).error == pytest.approx(plain)
    alike = np.repeat(values.astype(float), 5, axis=0)
    assert crossed(alike).error == pytest.approx(plain)


def test_a_comparison_has_the_plain_tests_beside_it():
    rng = np.random.default_rng(1)

    def draw(share):
        return "".join("1" if one else "0" for one in rng.random(300) < share)

    a, b = ({seed: draw(share) for seed in range(5)} for share in (0.8, 0.6))
    found = compare_over_seeds("table", "a", "b", a, b | {9: draw(0.5)})
    each = [100 * (a[s].count("1") - b[s].count("1")) / 300 for s in range(5)]
    assert found.differences == pytest.approx(each) and found.seeds == (0, 1, 2, 3, 4)
    assert found.seed_p == pytest.approx(stats.ttest_rel(each, np.zeros(5)).pvalue)
    assert found.permutation_p == found.least_p == 2 / 2**5  # no fewer with five seeds
    assert found.verdict == "ahead" and found.ci95[0] < found.difference < found.ci95[1]
    assert 0 < found.smallest < 20
    back = compare_over_seeds("table", "b", "a", b, a)
    assert back.verdict == "behind" and back.p == pytest.approx(found.p)
    with pytest.raises(UserError, match="two tested seeds"):
        compare_over_seeds("table", "a", "b", a, {0: b[0]})
    with pytest.raises(UserError, match="different questions"):
        compare_over_seeds("table", "a", "b", a, {s: "01" for s in range(5)})


def test_the_next_seed_falls_within_its_interval():
    rng = np.random.default_rng(2)
    draws = rng.normal(80, 2, (2000, 6))
    inside = [low <= row[5] <= high for row in draws for low, high in [next_seed(row[:5])]]
    assert 0.93 <= np.mean(inside) <= 0.97
    with pytest.raises(ValueError, match="two seeds"):
        next_seed([80.0])
