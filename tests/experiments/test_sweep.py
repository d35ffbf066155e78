"""The runs: every method on a miniature, the test asked once, going on after a kill."""

import json
import shutil
from dataclasses import replace

import pytest
import torch

from r1aqa_helpers.experiments import session
from r1aqa_helpers.experiments.methods import METHODS
from r1aqa_helpers.experiments.plan import FEW, REGIMES, SOUND, TABLE, WRONG, Choice, Regime, Run
from r1aqa_helpers.experiments.sweep import Experiment
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import read_json

ONE = Regime("table", "one method", ("sft",))
SFT = Run(TABLE, METHODS["sft"], 1e-3, 0)


def quiet(text: str) -> None:
    """In place of print."""


@pytest.fixture
def experiment(profile, splits, tmp_path):
    return Experiment(profile, splits, tmp_path, seeds=2, say=quiet)


@pytest.fixture
def asked(monkeypatch, splits):
    """Which splits are answered, in order, with the run's name."""
    log, real = [], session.answer_questions
    names = {q.id: name for name in ("validation", "test") for q in getattr(splits, name)}

    def watched(loaded, questions, **options):
        log.append((names[questions[0].id], loaded.name))
        return real(loaded, questions, **options)

    monkeypatch.setattr(session, "answer_questions", watched)
    return log


@pytest.mark.parametrize("name", METHODS)
def test_every_method_runs_and_its_record_says_all(experiment, tmp_path, name):
    method = METHODS[name]
    run = Run(TABLE, method, 1e-3, 0)
    record = experiment.test(run, Choice("table", name, 1e-3, at_end=False))
    assert record == read_json(tmp_path / "runs" / f"table-{name}-lr1.0e-03-seed0.json")
    assert (record["method"], record["seed"], record["lr"], record["steps"]) == (name, 0, 1e-3, 2)
    assert record["validation"]["n"] == 4 and record["test"]["n"] == 5
    correct = record["test"]["matches"].count("1")
    assert len(record["test"]["matches"]) == 5
    assert record["test"]["accuracy"] == pytest.approx(100 * correct / 5)
    low, high = record["test"]["ci95"]
    assert low <= record["test"]["accuracy"] <= high
    assert sum(task["n"] for task in record["test"]["tasks"].values()) == 5
    for part in (record["training"], record["validation"], record["test"]):
        assert part["wall_seconds"] > 0 and part["cpu_seconds"] > 0
    assert not record["training"]["killed"]
    assert record["training"]["threads"] == torch.get_num_threads()
    assert {"commit", "pins", "hardware", "date", "versions", "questions"} <= record.keys()
    traits = {"reward", "accuracy", "kl"} if method.algorithm == "grpo" else {"loss", "grad_norm"}
    assert traits <= record["traits"].keys()
    with_format = method.algorithm == "grpo" and name != "grpo-accuracy-only"
    assert ("format" in record["traits"]) == with_format
    assert record["settings"].get("text_only", False) == (name == "grpo-text-only")
    assert bool(record["settings"]["lora_rank"]) == (name == "sft-lora")
    assert not (tmp_path / "work" / run.name).exists(), "a tested run needs no checkpoint"
    assert str(tmp_path) not in json.dumps(record), "a record names no machine's folders"


@pytest.mark.parametrize("regime", [FEW, WRONG, SOUND], ids=lambda r: r.name)
def test_every_regime_runs(experiment, regime):
    record = experiment.train_run(replace(SFT, regime=regime))
    assert record["steps"] == (13 if regime is FEW else 2)
    assert (set(record["validation"]["tasks"]) == {"sound"}) == (regime is SOUND)
    assert REGIMES[record["regime"]] is regime


def test_the_test_is_asked_after_the_choice_and_once_per_seed(experiment, asked, tmp_path):
    assert experiment.run([ONE])
    choice = read_json(tmp_path / "choices.json")["table/sft"]
    searched = [name for split, name in asked[: [s for s, _ in asked].index("test")]]
    assert len(searched) in (3, 4) and len(set(searched)) == len(searched)
    tested = [name for split, name in asked if split == "test"]
    rate = f"lr{choice['rate']:.1e}"
    assert tested == [f"table-sft-{rate}-seed{seed}" for seed in (0, 1)]
    records = [read_json(path) for path in (tmp_path / "runs").glob("*.json")]
    assert all(r["lr"] == choice["rate"] for r in records if "test" in r)

    before = list(asked)
    assert experiment.run([ONE])
    assert asked == before, "what is done is not done again"
    assert not [p for p in (tmp_path / "work").iterdir() if p.is_dir()]


def test_a_rate_that_was_not_chosen_is_never_tested(experiment, asked):
    for choice in (("table", "sft", 1e-4), ("table", "cota", 1e-3), ("few", "sft", 1e-3)):
        with pytest.raises(ValueError, match="was not chosen"):
            experiment.test(SFT, Choice(*choice, at_end=False))
    assert asked == []


@pytest.mark.slow
def test_killed_anywhere_it_goes_on(profile, splits, tmp_path, monkeypatch, asked):
    assert Experiment(profile, splits, tmp_path / "whole", seeds=2, say=quiet).run([ONE])
    steps = list(asked)
    asked.clear()

    class Killed(BaseException):
        pass

    # Once before each piece of work, and once after each: in place of a signal.
    pieces, limit = [0], [0]

    def counted(work):
        def piece():
            pieces[0] += 1
            if pieces[0] == limit[0]:
                raise Killed

        def wrapped(*arguments, **options):
            piece()
            done = work(*arguments, **options)
            piece()
            return done

        return wrapped

    monkeypatch.setattr(Experiment, "_scored", counted(Experiment._scored))
    monkeypatch.setattr(session, "train_method", counted(session.train_method))
    kills = 0
    for limit[0] in (1, 2, 3, 4, 3, 4, 5):
        pieces[0] = 0
        try:
            Experiment(profile, splits, tmp_path / "torn", seeds=2, say=quiet).run([ONE])
        except Killed:
            kills += 1
    limit[0] = -1
    assert kills == 7
    assert Experiment(profile, splits, tmp_path / "torn", seeds=2, say=quiet).run([ONE])
    assert sorted(set(asked)) == sorted(set(steps))
    names = sorted(path.name for path in (tmp_path / "whole/runs").iterdir())
    assert names == sorted(path.name for path in (tmp_path / "torn/runs").iterdir())
    for name in names:
        one, other = (read_json(tmp_path / part / "runs" / name) for part in ("whole", "torn"))
        assert one["validation"]["matches"] == other["validation"]["matches"]
        assert one.get("test", {}).get("matches") == other.get("test", {}).get("matches")


def test_minutes_end_it_cleanly_and_other_settings_are_refused(profile, splits, tmp_path, asked):
    assert not Experiment(profile, splits, tmp_path, 1, minutes=0, say=quiet).run([ONE])
    assert asked == []
    other = replace(profile, sft={**profile.sft, "steps": 3})
    with pytest.raises(UserError, match="holds a run with settings"):
        Experiment(other, splits, tmp_path, 1)


def test_a_lost_model_is_trained_again(experiment, tmp_path):
    first = experiment.train_run(SFT)
    model = tmp_path / "work" / SFT.name / "model"
    assert model.is_dir()
    shutil.rmtree(model.parent)
    again = experiment.test(SFT, Choice("table", "sft", 1e-3, at_end=False))
    assert again["validation"]["matches"] == first["validation"]["matches"] and "test" in again
