"""Claims over seeds and questions: coverage by simulation, and the plain tests beside it."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from r1aqa_helpers.scoring.seeds import (
    Estimate,
    compare_over_seeds,
    crossed,
    next_seed,
    table,
)
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


@pytest.mark.parametrize("shape", [(2, 3), (4, 30), (6, 2)])
@pytest.mark.parametrize("seed", range(4))
def test_two_or_more_seeds_are_a_table_of_random_effects(shape, seed):
    """The components of variance, each estimated as in a textbook, summed for the mean."""
    rng, (seeds, questions) = np.random.default_rng(seed), shape
    values = rng.normal(0.5, 1, shape) + rng.normal(0, seed, (seeds, 1))
    values += rng.normal(0, seed, (1, questions))
    rows = questions * np.var(values.mean(1), ddof=1)
    columns = seeds * np.var(values.mean(0), ddof=1)
    cells = sum(
        (values[i, j] - values[i].mean() - values[:, j].mean() + values.mean()) ** 2
        for i in range(seeds)
        for j in range(questions)
    ) / ((seeds - 1) * (questions - 1))
    by_seed, by_question = (rows - cells) / questions, (columns - cells) / seeds
    whole = by_seed / seeds + by_question / questions + cells / values.size
    variance = max(whole, rows / values.size, columns / values.size)
    freedom = (variance * values.size) ** 2 / (
        rows**2 / (seeds - 1)
        + columns**2 / (questions - 1)
        + cells**2 / ((seeds - 1) * (questions - 1))
    )
    found = crossed(values)
    assert found.mean == pytest.approx(100 * values.mean())
    assert found.error == pytest.approx(100 * np.sqrt(variance))
    assert found.freedom == pytest.approx(freedom)


def test_one_seed_is_the_one_sample_test_of_its_questions():
    values = np.random.default_rng(3).normal(0.1, 1, (1, 30))
    found, plain = crossed(values), stats.ttest_1samp(values[0], 0)
    assert found.p == pytest.approx(plain.pvalue) and found.freedom == plain.df
    assert found.ci95 == pytest.approx(tuple(100 * end for end in plain.confidence_interval(0.95)))


def test_what_never_varies_is_certain():
    assert crossed(np.ones((3, 4))) == Estimate(100.0, 0.0, 2)
    assert (Estimate(0.0, 0.0, 2).p, Estimate(1.0, 0.0, 2).p) == (1.0, 0.0)
    assert Estimate(1.0, 0.0, 2).ci95 == (1.0, 1.0)
    same = {seed: "1100" for seed in range(3)}
    none = compare_over_seeds("table", "a", "b", same, same)
    assert (none.p, none.seed_p, none.permutation_p, none.smallest) == (1.0, 1.0, 1.0, 0.0)
    assert none.verdict == "no significant difference" and none.least_p == 0.25
    two = compare_over_seeds("table", "a", "b", {0: "10", 1: "10"}, {0: "10", 1: "10"})
    assert (two.p, two.seed_p) == (1.0, 1.0)
    all_of_them = compare_over_seeds("table", "a", "b", {0: "11", 1: "11"}, {0: "00", 1: "00"})
    assert (all_of_them.p, all_of_them.seed_p, all_of_them.permutation_p) == (0.0, 0.0, 0.5)
    assert all_of_them.difference == 100.0


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
    estimate = crossed(table(a, range(5)) - table(b, range(5)))
    assert (found.p, found.ci95) == (estimate.p, estimate.ci95)
    reach = stats.t.ppf(0.975, estimate.freedom) + stats.t.ppf(0.8, estimate.freedom)
    assert found.smallest == pytest.approx(reach * estimate.error)
    back = compare_over_seeds("table", "b", "a", b, a)
    assert back.verdict == "behind" and back.p == pytest.approx(found.p)
    assert (back.permutation_p, back.smallest) == pytest.approx(
        (found.permutation_p, found.smallest)
    )
    for seeds in ((17, 2), (2, 17)):
        some = ({seed: m[seed % 5] for seed in seeds} for m in (a, b))
        assert compare_over_seeds("table", "a", "b", *some).seeds == (2, 17)
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
    mean, half = 82, stats.t.ppf(0.975, 2) * 2 * np.sqrt(4 / 3)
    assert next_seed([80, 82, 84]) == pytest.approx((mean - half, mean + half))
    assert next_seed([80, 80]) == (80, 80)


def test_a_permutation_test_counts_all_changes_of_sign():
    # Differences of 2, 1, 0 and -1 questions of 4: of 16 sums, those of 2 and more count.
    a = {0: "1100", 1: "1000", 2: "1000", 3: "0000"}
    b = {0: "0000", 1: "0000", 2: "0001", 3: "1000"}
    sums = [x + y + z for x in (2, -2) for y in (1, -1) for z in (1, -1)]
    for more in (0, 396):  # questions that neither gets right
        more_a, more_b = ({seed: m[seed] + "0" * more for seed in m} for m in (a, b))
        found = compare_over_seeds("table", "a", "b", more_a, more_b)
        assert found.differences == tuple(100 * n / (4 + more) for n in (2, 1, 0, -1))
        assert found.permutation_p == np.mean([abs(one) >= 2 for one in sums])
        assert found.least_p == 1 / 8


def test_a_verdict_is_at_five_percent_after_holm():
    a = {seed: "1" * 9 + "0" for seed in range(3)}
    b = {seed: "1" * 8 + "00" for seed in range(3)}
    found = compare_over_seeds("table", "a", "b", a, b)
    for p, holm, verdict in (
        (0.01, None, "ahead"),
        (0.01, 0.049, "ahead"),
        (0.01, 0.05, "no significant difference"),
        (0.05, None, "no significant difference"),
    ):
        assert replace(found, p=p, holm=holm).verdict == verdict
    assert replace(found, p=0.01, differences=(0.5, 0.5)).verdict == "ahead"
    assert replace(found, p=0.01, differences=(-0.5, -0.5)).verdict == "behind"
