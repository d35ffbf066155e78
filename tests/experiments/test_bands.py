"""Bands are the experiment's, and hold for runs that would be one more of it, for no other."""

from dataclasses import replace

import pytest

from r1aqa_helpers.experiments.bands import Bands, read_bands, row_band
from r1aqa_helpers.experiments.methods import (
    COTA,
    DIRECT_2,
    GRPO,
    GRPO_3,
    SFT,
    method_settings,
)
from r1aqa_helpers.experiments.plan import shared_settings
from r1aqa_helpers.hardware import TINY_PROFILE
from r1aqa_helpers.scoring.seeds import next_seed
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import write_json


@pytest.fixture
def experiment(run_record, tmp_path):
    """Three seeds of SFT and GRPO <2>, one of GRPO <3>, CoTA at another rate, and direct <2>."""
    base = run_record("direct-2", 0, 20, regime="untrained") | {"seed": None, "lr": None}
    runs = [run_record("sft", seed, 30 + seed) for seed in range(3)]
    rate = TINY_PROFILE.grpo["lr"]
    runs += [run_record("grpo-2", seed, 45 + 2 * seed, lr=rate) for seed in range(3)]
    runs += [run_record("cota", seed, 30 + seed, lr=3e-4) for seed in range(3)]
    runs.append(run_record("grpo-3", 0, 20))
    for number, record in enumerate((base, *runs)):
        write_json(tmp_path / "runs" / f"{number}.json", record)
    held = {
        "settings": shared_settings(TINY_PROFILE),
        "max_new_tokens": TINY_PROFILE.max_new_tokens,
        "model": "m",
    }
    write_json(tmp_path / "run.json", {**held, "questions": {"test": "q"}})
    return tmp_path


def bands(experiment, model="m", test="q", **changes):
    profile = replace(TINY_PROFILE, **changes)
    settings = {one: method_settings(one, profile) for one in (SFT, COTA, GRPO, GRPO_3)}
    return read_bands(profile, model, test, settings, experiment)


def test_bands_are_of_the_rows_that_were_measured_at_the_same_rate(experiment):
    found = bands(experiment)
    assert found.keys() == {DIRECT_2, SFT, GRPO}, "CoTA has another rate, GRPO <3> one seed"
    assert found[DIRECT_2].accuracy == pytest.approx((100 / 3 - 1, 100 / 3 + 1))
    assert found[SFT].accuracy == pytest.approx(next_seed([100 * n / 60 for n in (30, 31, 32)]))
    assert found[GRPO].accuracy == pytest.approx(next_seed([100 * n / 60 for n in (45, 47, 49)]))
    assert found[DIRECT_2].loss is None and found[GRPO].loss == pytest.approx((1.0, 1.0))


@pytest.mark.parametrize(
    "other",
    [
        {"model": "another"},
        {"test": "others"},
        {"max_new_tokens": 64},
        {"sft": {**TINY_PROFILE.sft, "steps": 99}},
    ],
)
def test_another_model_other_questions_or_settings_have_no_band(experiment, other):
    assert bands(experiment, **other) == {}


def test_a_row_is_within_where_both_its_accuracy_and_its_loss_are():
    bands = Bands((60.0, 70.0), (0.01, 0.02))
    assert bands.against(65.0, 0.015)["within"]
    assert not bands.against(71.0, 0.015)["within"]
    assert not bands.against(65.0, 0.002)["within"]
    assert Bands((60.0, 70.0)).against(65.0)["within"]


@pytest.fixture
def trained(run_record, tmp_path):
    """Three seeds of GRPO <2> and one of GRPO <3>, beside the untrained model."""
    records = [run_record("direct-2", 0, 20, regime="untrained") | {"seed": None, "lr": None}]
    for method, seed in (*(("grpo-2", seed) for seed in range(3)), ("grpo-3", 0)):
        record = run_record(method, seed, 45 + 2 * seed) | {"steps": 100}
        record["traits"] |= {
            "format": [0.9, 0.0, 0.5] + [1.0] * 7,
            "zero_variance_groups": [0.9] * 8 + [0.1 * seed + 0.1, 0.1 * seed + 0.3],
        }
        records.append(record)
    for number, record in enumerate(records):
        write_json(tmp_path / f"{number}.json", record | {"prompt": 2})
    return tmp_path


@pytest.mark.parametrize(
    ("quantity", "values"),
    [
        (None, [75.0, 100 * 47 / 60, 100 * 49 / 60]),
        ("sound", [75.0, 80.0, 80.0]),
        ("won", [25, 27, 29]),
        ("lost", [0, 0, 0]),
        ("accuracy of steps 1 to 20", [0.0, 0.1, 0.2]),
        ("format of steps 11 to 30", [0.25, 0.25, 0.25]),
        ("varied draws", [1.25, 1 / 0.7, 1 / 0.6]),
    ],
)
def test_a_quantity_of_a_trained_row_has_the_band_of_its_seeds(trained, quantity, values):
    assert row_band("table", "grpo-2", quantity, trained) == pytest.approx(next_seed(values))


@pytest.mark.parametrize(
    ("method", "quantity", "said"),
    [
        ("grpo-3", "won", "no band of grpo-3 in table"),
        ("grpo-2", "luck", "is no quantity"),
        ("grpo-2", "luck of steps 1 to 20", "is no quantity"),
    ],
)
def test_what_the_experiment_has_no_band_of_is_an_error(trained, method, quantity, said):
    with pytest.raises(UserError, match=said):
        row_band("table", method, quantity, trained)
