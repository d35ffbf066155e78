"""The summary: its figures are those of `scoring.seeds`, and what is missing is said."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from r1aqa_helpers.cli import app
from r1aqa_helpers.experiments.methods import ROWS
from r1aqa_helpers.experiments.plan import REGIMES
from r1aqa_helpers.experiments.summary import (
    FAMILY,
    load_records,
    method_label,
    p_text,
    summarise,
)
from r1aqa_helpers.scoring import holm
from r1aqa_helpers.scoring.seeds import compare_over_seeds, crossed, next_seed, table
from r1aqa_helpers.utils.errors import UserError


@pytest.fixture
def records(run_record):
    runs = [run_record("sft", seed, 30 + seed) for seed in range(3)]
    runs += [run_record("grpo-2", seed, 45 + seed % 2) for seed in range(4)]
    runs += [run_record("sft", seed, 40 + seed, regime="equal-compute") for seed in range(3)]
    base = run_record("direct-2", 0, 20, regime="untrained")
    base |= {"seed": None, "lr": None}
    for name in ("validation", "training", "traits"):
        del base[name]
    return [base, *runs, run_record("sft", 0, None, lr=3e-4), run_record("grpo-3", 0, 20)]


def matches(records, method, regime="table"):
    found = [r for r in records if (r["regime"], r["method"]) == (regime, method)]
    return {r["seed"]: r["test"]["matches"] for r in found if "test" in r}


def test_rows_hold_figures_of_the_seeds_and_costs(records, run_record):
    base, sft, grpo, thinking, equal = summarise(records).rows
    assert (sft.method, sft.rate, sft.seeds, sft.n) == ("sft", 1e-4, (0, 1, 2), 60)
    assert sft.mean == pytest.approx(100 * 31 / 60)
    assert (sft.least, sft.most) == pytest.approx((50, 100 * 32 / 60))
    for row in (sft, grpo, thinking):
        of = matches(records, row.method)
        assert row.ci95 == crossed(table(of, sorted(of))).ci95
        if len(of) > 1:
            assert row.band == pytest.approx(next_seed(row.each))
    assert list(sft.rates) == [1e-4, 3e-4], "of the search alone"
    assert sft.tasks.keys() == {"sound", "music", "speech"}
    assert np.mean(list(grpo.tasks.values())) == pytest.approx(grpo.mean)
    assert thinking.seeds == (0,) and thinking.band is None
    assert (base.regime, base.rate, base.seeds) == ("untrained", None, ())
    assert base.band == pytest.approx((base.mean - 1, base.mean + 1))
    assert base.mean == pytest.approx(100 / 3) and base.each == pytest.approx([100 / 3])
    assert base.costs == base.rates == {} and equal.regime == "equal-compute"


def test_costs_formats_and_cuts_are_means_over_the_seeds(records, run_record):
    assert summarise(records).rows[1].train_cpu == 100, "of records without a part on costs"
    spent = {"cpu_seconds": 0, "answers_sampled": 8, "tokens_sampled": 9, "tokens_learnt": 7}
    for seed in range(3):
        one = run_record("rejection", seed, 30)
        one["costs"] = {**spent, "cpu_seconds": 10 + seed}
        one["test"] |= {"format": 50.0 + seed, "cut": seed}
        records.append({**one, "rate_at_end": True})
    row = next(row for row in summarise(records).rows if row.method == "rejection")
    assert row.costs == {**spent, "cpu_seconds": 11} and row.train_cpu == 11
    assert (row.format, row.cut, row.at_end) == (51, 1, True)


def test_what_is_missing_is_said_and_two_rates_are_refused(records, run_record):
    missing = "\n".join(summarise(records).missing)
    assert "table, grpo-3: seed 1, 2, 3, 4, 5, 6, 7 not tested yet" in missing
    assert "table, cota: seed 0, 1, 2, 3, 4 not tested yet" in missing
    assert "untrained, direct-1: not tested yet" in missing and "direct-2" not in missing
    assert "few (100 questions, seen once): not run yet" in missing
    capped = "\n".join(summarise(records, seeds=3).missing)
    assert "table, grpo-3: seed 1, 2 not tested yet" in capped
    assert "table, sft:" not in capped
    assert "table, sft: seed 3 not" in "\n".join(summarise(records, seeds=4).missing)
    with pytest.raises(UserError, match="more than one learning rate"):
        summarise([*records, run_record("sft", 1, 59, lr=3e-4)])


def test_comparisons_are_those_of_seeds_corrected_for_the_whole_family(records):
    found = {(c.a, c.b): c for c in summarise(records).comparisons}
    sft, grpo = (matches(records, name) for name in ("sft", "grpo-2"))
    base = matches(records, "direct-2", "untrained")[None]
    expected = {
        ("grpo-2", "sft"): sft,
        ("grpo-2", "direct-2"): dict.fromkeys(grpo, base),
        ("grpo-2", "equal-compute/sft"): matches(records, "sft", "equal-compute"),
    }
    assert found.keys() == expected.keys(), "grpo-3 has one seed"
    raw = [c.p for c in found.values()]
    corrected = holm(raw + [1.0] * (len(FAMILY) - 3))
    for ((a, b), theirs), p in zip(expected.items(), corrected, strict=False):
        one, direct = found[a, b], compare_over_seeds("table", a, b, grpo, theirs)
        assert one.holm == p and {**vars(direct), "holm": p} == vars(one)
    assert found["grpo-2", "sft"].seeds == (0, 1, 2), "those of both"
    assert found["grpo-2", "direct-2"].seeds == (0, 1, 2, 3)


def test_the_family_is_of_the_plan(records):
    assert len(FAMILY) == len(set(FAMILY)) == 22
    for pair in FAMILY:
        assert pair.a in REGIMES[pair.regime].methods
        assert pair.b in REGIMES[pair.other or pair.regime].methods
    assert method_label("sft") == ROWS["sft"].label
    assert method_label("equal-compute/sft") == "SFT, full (as much processor time as GRPO <2>)"


def test_a_p_that_cannot_be_smaller_says_so():
    assert p_text(0.0625, 0.0625) == "≤ 0.062" and p_text(0.125, 0.0625) == "0.12"


def write(folder, records):
    (folder / "runs").mkdir(parents=True)
    for number, one in enumerate(records):
        (folder / "runs" / f"{number}.json").write_text(json.dumps(one))


def test_the_command_reads_a_folder_and_prints(records, tmp_path):
    write(tmp_path, records)
    assert len(load_records(tmp_path)) == len(load_records(tmp_path / "runs")) == len(records)
    done = CliRunner().invoke(app, ["experiment", "summary", str(tmp_path)], env={"COLUMNS": "80"})
    assert done.exit_code == 0 and "…" not in done.output, done.output
    shown = ("GRPO <2>", "51.7", "+23.9", "≤ 0.25", "missing: table, cota", "a machine")
    for text in shown:
        assert text in done.output, text
    done = CliRunner().invoke(app, ["experiment", "summary", str(tmp_path), "--json"])
    found, direct = json.loads(done.output), summarise(records)
    assert [row["mean"] for row in found["rows"]] == [row.mean for row in direct.rows]
    assert found["rows"][1]["each"] == list(direct.rows[1].each)
    assert [one["holm"] for one in found["comparisons"]] == [c.holm for c in direct.comparisons]
    assert found["comparisons"][0]["difference"] == direct.comparisons[0].difference
    assert found["missing"] == list(direct.missing)


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


ODD = [None, -1, 10**400, 1e308, "x", "\x1b[2J", [], {}, [1, "a"], {"a": 1}]
FIELDS = [
    *(("regime", "method", "lr", "seed", "hardware", "test", "validation", "training", "traits")),
    *(("test", one) for one in ("accuracy", "n", "matches", "tasks", "cut", "format")),
    *(("validation", one) for one in ("accuracy", "n", "matches")),
    *(("questions", "test"), ("traits", "loss"), ("traits", "format"), ("training", "cpu_seconds")),
]


@pytest.mark.parametrize("field", FIELDS, ids=str)
def test_a_record_with_anything_in_a_field_is_read_or_one_line(run_record, tmp_path, field):
    """A folder of runs may come from anywhere."""
    names = [field] if isinstance(field, str) else list(field)
    refused = 0
    for value in ODD:
        for seed in (0, 1, 2):
            record = run_record("grpo-2", seed, 40 + seed)
            place = record
            for name in names[:-1]:
                place = place[name]
            if seed == 1:
                place[names[-1]] = value
            (tmp_path / f"{seed}.json").write_text(json.dumps(record), encoding="utf-8")
        try:
            summarise(load_records(tmp_path)).as_dict()
        except UserError as fault:
            told = ("1.json: ", "different questions", "more than one learning rate")
            assert any(one in str(fault) for one in told)
            assert str(fault).isprintable() and len(str(fault)) < 1000
            refused += 1
    assert refused >= len(ODD) - 4
