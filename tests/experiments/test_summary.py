"""The summary: means, paired tests against those of `scoring`, and what is missing."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from r1aqa_helpers.cli import app
from r1aqa_helpers.experiments.summary import load_records, summarise
from r1aqa_helpers.scoring import bootstrap_difference, holm, mcnemar_p
from r1aqa_helpers.scoring.bootstrap import compare_over_seeds, interval, pooled
from r1aqa_helpers.utils.errors import UserError


@pytest.fixture
def records(run_record):
    runs = [run_record("sft", seed, 30 + seed) for seed in range(3)]
    runs += [run_record("grpo-2", seed, 45 + seed) for seed in range(3)]
    return [*runs, run_record("sft", 0, None, lr=3e-4), run_record("grpo-3", 0, 20)]


def test_rows_hold_mean_ends_and_costs(records):
    sft, grpo, thinking = summarise(records).rows
    assert (sft.method, sft.rate, sft.seeds, sft.n) == ("sft", 1e-4, (0, 1, 2), 60)
    assert sft.mean == pytest.approx(100 * 31 / 60)
    assert (sft.least, sft.most) == pytest.approx((50, 100 * 32 / 60))
    assert sft.train_cpu == 100
    assert list(sft.rates) == [1e-4, 3e-4], "of the search alone"
    assert sft.tasks.keys() == {"sound", "music", "speech"}
    assert np.mean(list(grpo.tasks.values())) == pytest.approx(grpo.mean)
    assert thinking.seeds == (0,)


def test_what_is_missing_is_said_and_two_rates_are_refused(records, run_record):
    missing = "\n".join(summarise(records).missing)
    assert "table, grpo-3: seed 1, 2 not tested yet" in missing
    assert "table, cota: seed 0, 1, 2 not tested yet" in missing
    assert "table, sft:" not in missing and "few" not in missing
    assert "table, sft: seed 3 not" in "\n".join(summarise(records, seeds=4).missing)
    with pytest.raises(UserError, match="more than one learning rate"):
        summarise([*records, run_record("sft", 1, 59, lr=3e-4)])


def test_comparisons_are_paired_pooled_and_corrected(records):
    found = {(c.a, c.b): c for c in summarise(records).comparisons}
    assert found.keys() == {("grpo-2", "sft"), ("grpo-3", "grpo-2")}
    one = found["grpo-2", "sft"]
    assert one.difference == pytest.approx(25)
    assert list(one.per_seed) == [0, 1, 2]
    assert one.per_seed[0].p == pytest.approx(mcnemar_p(15, 0))
    assert one.ci95[0] < 25 < one.ci95[1]
    assert list(found["grpo-3", "grpo-2"].per_seed) == [0], "the seeds of both"
    raw = [c.p for c in found.values()]
    assert [c.holm for c in found.values()] == holm(raw)


def test_one_seed_gives_the_bootstrap_over_questions():
    for others, fault in (({1: "01"}, "no tested seed in common"), ({0: "011"}, "different quest")):
        with pytest.raises(UserError, match=fault):
            compare_over_seeds("table", "a", "b", {0: "01"}, others)
    rng = np.random.default_rng(5)
    a, b = ("".join(map(str, rng.integers(0, 2, 200))) for _ in range(2))
    expected = bootstrap_difference(dict(enumerate(map(int, a))), dict(enumerate(map(int, b))))
    assert compare_over_seeds("table", "a", "b", {0: a}, {0: b}).ci95 == pytest.approx(
        expected, abs=0.6
    )


def test_disagreeing_seeds_widen_the_interval_and_nothing_is_no_difference():
    rng = np.random.default_rng(0)
    steady = np.where(rng.random((3, 300)) < 0.2, 1, 0)
    torn = steady.copy()
    torn[0] = -torn[0]
    widths = [np.subtract(*pooled(signs)[1::-1]) for signs in (steady, torn)]
    assert widths[1] > 2 * widths[0]
    assert pooled(steady)[2] < 0.001 < 0.2 < pooled(torn)[2]
    assert pooled(np.zeros((3, 50))) == (0.0, 0.0, 1.0)


def write(folder, records):
    (folder / "runs").mkdir(parents=True)
    for number, one in enumerate(records):
        (folder / "runs" / f"{number}.json").write_text(json.dumps(one))


def test_the_command_reads_a_folder_and_prints(records, tmp_path):
    write(tmp_path, records)
    assert len(load_records(tmp_path)) == len(load_records(tmp_path / "runs")) == len(records)
    done = CliRunner().invoke(app, ["experiment", "summary", str(tmp_path)], env={"COLUMNS": "80"})
    assert done.exit_code == 0 and "…" not in done.output, done.output
    shown = ("GRPO <2>", "51.7", "50.0 51.7 53.3", "+25.0", "missing: table, cota", "a machine")
    for text in shown:
        assert text in done.output, text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "walk"}, "not known here"),
        ({"lr": None}, "is no run of the experiment"),
        ({"questions": {"test": "other"}}, "tested on different questions"),
    ],
)
def test_wrong_files_are_refused(records, run_record, tmp_path, change, message):
    with pytest.raises(UserError, match="holds no run"):
        load_records(tmp_path)
    write(tmp_path, records)
    wrong = {**run_record("sft", 0, 30), **change}
    wrong = {name: value for name, value in wrong.items() if value is not None}
    (tmp_path / "runs" / "wrong.json").write_text(json.dumps(wrong))
    with pytest.raises(UserError, match=message):
        load_records(tmp_path)


def test_interval_of_a_mean_holds_the_variance_of_questions_and_of_training():
    one = {0: "1" * 60 + "0" * 40}
    low, high = interval(one)
    wide = 1.96 * (0.6 * 0.4 / 100) ** 0.5 * 100  # of one run: the binomial's
    assert low == pytest.approx(60 - wide, abs=1) and high == pytest.approx(60 + wide, abs=1)
    alike = {seed: one[0] for seed in range(3)}
    apart = {0: one[0], 1: "1" * 90 + "0" * 10, 2: "1" * 30 + "0" * 70}
    assert interval(alike) == pytest.approx((low, high), abs=1)
    assert np.subtract(*interval(apart)[::-1]) > 1.5 * (high - low)
