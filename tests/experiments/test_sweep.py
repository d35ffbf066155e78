"""The runs: every method on a miniature, the test asked once, resuming, several processes."""

import json
import math
import pickle
import shutil
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import asdict, replace

import pytest
import torch
from typer.testing import CliRunner

from r1aqa_helpers.cli import app
from r1aqa_helpers.experiments import plan, session, sweep
from r1aqa_helpers.experiments.methods import BASE, METHODS
from r1aqa_helpers.experiments.plan import (
    FEW,
    REGIMES,
    SOUND,
    TABLE,
    UNTRAINED,
    WRONG,
    Choice,
    Regime,
    Run,
)
from r1aqa_helpers.experiments.summary import load_records, summarise
from r1aqa_helpers.experiments.sweep import Experiment
from r1aqa_helpers.models import load, weights_fingerprint
from r1aqa_helpers.training import rejection
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import read_json, write_json
from r1aqa_helpers.utils.locks import lock

ONE = Regime("table", "one method", ("sft",))
SFT = Run(TABLE, METHODS["sft"], 1e-3, 0)
COTA, COLD = (Run(TABLE, METHODS[name], 1e-3, 0) for name in ("cota", "cold-start"))
CHAIN = Regime("table", "one from the other", ("cold-start", "cota"))


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


@pytest.fixture
def one_rate(monkeypatch):
    """A search of one rate."""
    monkeypatch.setattr(plan, "MULTIPLIERS", (1.0,))
    monkeypatch.setattr(plan, "FURTHER", 0)


def fix(experiment, run):
    """Choose the rate of a run, as a search would."""
    name = f"{run.regime.name}-{run.method.name}.json"
    choice = Choice(run.regime.name, run.method.name, run.rate, at_end=False)
    write_json(experiment.out / "choices" / name, asdict(choice))
    return choice


def folders(path):
    return sorted(one.name for one in path.iterdir() if one.is_dir())


@pytest.mark.parametrize("name", METHODS)
def test_every_method_runs_and_its_record_says_all(experiment, tmp_path, name, monkeypatch):
    # Of an untrained model's answers none is correct, and hardly one ends.
    monkeypatch.setattr(
        rejection, "accuracy_reward", lambda said, gold: [float(bool(s)) for s in said]
    )
    monkeypatch.setattr(rejection, "ANSWERS", 40)
    method = METHODS[name]
    run, begun, spent = Run(TABLE, method, 1e-3, 0), None, 0
    if method.start is not None:
        begun = replace(run, method=METHODS[method.start])
        fix(experiment, begun)
        spent = experiment.train_run(begun)["costs"]["cpu_seconds"]
    record = experiment.test(run, replace(fix(experiment, run), at_end=True))
    assert record == read_json(tmp_path / "runs" / f"table-{name}-lr1.0e-03-seed0.json")
    assert (record["method"], record["seed"], record["lr"], record["steps"]) == (name, 0, 1e-3, 2)
    assert record["start"] == (begun and begun.name) and record["rate_at_end"]
    assert record["validation"]["n"] == 4 and record["test"]["n"] == 5
    correct = record["test"]["matches"].count("1")
    assert len(record["test"]["matches"]) == 5
    assert record["test"]["accuracy"] == pytest.approx(100 * correct / 5)
    low, high = record["test"]["ci95"]
    assert low <= record["test"]["accuracy"] <= high
    assert sum(task["n"] for task in record["test"]["tasks"].values()) == 5
    assert 0 <= record["test"]["format"] <= 100 and 0 <= record["test"]["cut"] <= 5
    for part in (record["training"], record["validation"], record["test"]):
        assert part["wall_seconds"] > 0 and part["cpu_seconds"] > 0
    costs = record["costs"]
    total = spent + record["training"]["cpu_seconds"]
    assert costs["cpu_seconds"] == pytest.approx(total, abs=0.02)
    assert costs["answers_sampled"] == {"grpo": 8, "sft": 0}[method.algorithm] + 320 * (
        name == "rejection"
    )
    assert (costs["tokens_sampled"] > 0) == (costs["answers_sampled"] > 0)
    assert (costs["tokens_learnt"] > 0) == (method.algorithm == "sft" or begun is not None)
    assert not record["training"]["killed"]
    assert record["training"]["threads"] == torch.get_num_threads()
    assert {"commit", "pins", "hardware", "date", "versions", "questions"} <= record.keys()
    traits = {"reward", "accuracy", "kl"} if method.algorithm == "grpo" else {"loss", "grad_norm"}
    assert traits <= record["traits"].keys()
    with_format = method.algorithm == "grpo" and name != "grpo-accuracy-only"
    assert ("format" in record["traits"]) == with_format
    assert record["settings"].get("text_only", False) == (name == "grpo-text-only")
    assert bool(record["settings"]["lora_rank"]) == (name == "sft-lora")
    kept = [run.name] if name in {method.start for method in METHODS.values()} else []
    assert folders(tmp_path / "work") == kept, "a tested run needs no checkpoint"
    assert not list((tmp_path / "work").glob("*/checkpoint-*"))
    assert str(tmp_path) not in json.dumps(record), "a record names no machine's folders"


def test_the_untrained_model_is_asked_once_with_each_prompt(experiment, asked, tmp_path):
    assert experiment.run([UNTRAINED]) and experiment.run([UNTRAINED])
    assert asked == [("test", "base")] * 3
    for method in BASE:
        record = read_json(tmp_path / "runs" / f"base-{method.name}.json")
        assert (record["regime"], record["method"]) == ("untrained", method.name)
        assert record["lr"] is record["seed"] is None and record["test"]["n"] == 5
        assert (record["test"]["format"] is None) == (method.prompt == 1)
        assert {"commit", "pins", "hardware", "date"} <= record.keys()
    assert folders(tmp_path / "work") == []


# --- models that others start from --------------------------------------------------------


def test_a_run_starts_from_the_other_s_model_which_is_kept_until_then(
    experiment, one_rate, tmp_path, monkeypatch
):
    begun, real = [], session.train_method

    def watched(method, loaded, *arguments):
        if method.name == "cold-start":
            begun.append((loaded.name, weights_fingerprint(loaded)))
            folder = tmp_path / loaded.name
            assert begun[-1][1] == weights_fingerprint(load(str(folder), device="cpu"))
        return real(method, loaded, *arguments)

    monkeypatch.setattr(session, "train_method", watched)
    assert experiment.run([CHAIN])
    names = [f"work/table-cota-lr1.0e-04-seed{seed}/model" for seed in (0, 1)]
    assert [name for name, _ in begun] == names
    assert len({fingerprint for _, fingerprint in begun}) == 2
    assert folders(tmp_path / "work") == []
    records = [read_json(path) for path in (tmp_path / "runs").glob("*cold*")]
    assert len(records) == 2 and all("test" in record for record in records)


def test_a_lost_model_to_start_from_is_trained_again(experiment, one_rate, tmp_path, asked):
    assert experiment.run([replace(CHAIN, methods=("cota",))])
    work, path = tmp_path / "work", tmp_path / "runs" / "table-cota-lr1.0e-04-seed0.json"
    assert len(folders(work)) == 2, "kept for those that are to start from them"
    model = work / path.stem / "model"
    before = read_json(path)
    shutil.rmtree(model.parent)
    asked.clear()
    assert experiment.run([CHAIN])
    assert not any("cota" in name for _, name in asked), "its answers are kept"
    assert read_json(path) == before and folders(work) == []
    cold = read_json(tmp_path / "runs" / "table-cold-start-lr1.0e-04-seed0.json")
    assert cold["start"] == path.stem


def test_without_a_chosen_start_nothing_is_trained(experiment):
    with pytest.raises(ValueError, match="learning rate of table-cota is not chosen"):
        experiment.train_run(COLD)


# --- regimes, search and test -------------------------------------------------------------


@pytest.mark.parametrize("regime", [FEW, WRONG, SOUND], ids=lambda r: r.name)
def test_every_regime_runs(experiment, regime):
    record = experiment.train_run(replace(SFT, regime=regime))
    assert record["steps"] == (13 if regime is FEW else 2)
    assert (set(record["validation"]["tasks"]) == {"sound"}) == (regime is SOUND)
    assert REGIMES[record["regime"]] is regime


def test_the_test_is_asked_after_the_choice_and_once_per_seed(experiment, asked, tmp_path):
    assert experiment.run([ONE])
    choice = read_json(tmp_path / "choices" / "table-sft.json")
    searched = [name for split, name in asked[: [s for s, _ in asked].index("test")]]
    assert 3 <= len(searched) <= 6 and len(set(searched)) == len(searched)
    tested = [name for split, name in asked if split == "test"]
    rate = f"lr{choice['rate']:.1e}"
    assert tested == [f"table-sft-{rate}-seed{seed}" for seed in (0, 1)]
    records = [read_json(path) for path in (tmp_path / "runs").glob("*.json")]
    assert all(r["lr"] == choice["rate"] for r in records if "test" in r)

    before = list(asked)
    assert experiment.run([ONE])
    assert asked == before, "what is done is not done again"
    # Kept: what others of the plan are to start from.
    assert folders(tmp_path / "work") == [f"table-sft-{rate}-seed{seed}" for seed in (0, 1)]


@pytest.mark.parametrize(
    ("best", "tried"), [(1e-4, 3), (9e-4, 5), (2.7e-3, 6), (1.0, 6), (1e-9, 6)]
)
def test_the_search_goes_on_beyond_its_ends(experiment, monkeypatch, tmp_path, best, tried):
    def train(self, run):
        correct = 40 - round(abs(10 * math.log(run.rate / best)) / math.log(3)) // 8
        matches = ("1" * max(0, correct)).ljust(40, "0")
        record = {"regime": "table", "method": "sft", "lr": run.rate, "seed": 0, "steps": 2}
        scored = {"matches": matches, "n": 40, "accuracy": 2.5 * max(0, correct), "tasks": {}}
        record |= {"validation": scored, "training": {"cpu_seconds": 1.0}, "questions": {}}
        record |= {"traits": {"loss": [1.0]}, "hardware": "a machine"}
        write_json(self._record(run), record)
        return record

    monkeypatch.setattr(Experiment, "train_run", train)
    monkeypatch.setattr(Experiment, "test", lambda *_: pytest.fail("tested"))
    monkeypatch.setattr(Experiment, "_tested", lambda *_: iter(()))
    assert experiment.run([ONE])
    assert len(list((tmp_path / "runs").iterdir())) == tried
    choice = read_json(tmp_path / "choices" / "table-sft.json")
    reached = 3e-5 < best < 3e-3
    assert choice["at_end"] == (not reached)
    if reached:
        assert choice["rate"] == pytest.approx(best)


def test_a_record_of_another_plan_is_refused(experiment):
    experiment.train_run(SFT)
    longer = replace(SFT, regime=replace(TABLE, steps=3))
    with pytest.raises(UserError, match="has 2 steps, the plan 3; remove"):
        experiment.train_run(longer)


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
    assert again["validation"] == first["validation"] and "test" in again


def test_the_command_does_a_part_of_the_plan(profile, splits, tmp_path, monkeypatch):
    monkeypatch.setattr("r1aqa_helpers.cli.experiments.TINY_PROFILE", profile)
    monkeypatch.setattr(plan, "tiny_splits", lambda: splits)

    def call(*arguments):
        given = ["experiment", "run", "--out", tmp_path, "--only", "direct-2", *arguments]
        return CliRunner().invoke(app, list(map(str, given)))

    done = call("--minutes", 0)
    assert done.exit_code == 0 and "0 minutes are over; the same command goes on" in done.output
    done = call("--seeds", 1)
    assert done.exit_code == 0 and "All runs are done; r1aqa experiment summary" in done.output
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["base-direct-2.json"]
    assert call("--only", "walk").exit_code == 1
    (row,) = summarise(load_records(tmp_path)).rows
    assert (row.method, row.n) == ("direct-2", 5) and row.format is not None


# --- several processes --------------------------------------------------------------------


def test_what_another_process_does_is_left_to_it(experiment, one_rate, tmp_path, monkeypatch):
    """Everything else is done first; then it is waited for, and what needs it is done."""
    other = tmp_path / "work" / "table-cota-lr1.0e-04-seed0.lock"
    held = ExitStack()
    assert held.enter_context(lock(other))
    log = []
    monkeypatch.setattr(experiment, "say", log.append)

    def sleep(seconds):
        done = {path.name for path in (tmp_path / "runs").glob("*.json")}
        assert done == {f"table-sft-lr1.0e-04-seed{seed}.json" for seed in (0, 1)}
        held.close()

    monkeypatch.setattr(sweep.time, "sleep", sleep)
    assert experiment.run([replace(CHAIN, methods=("cold-start", "cota", "sft"))])
    (waited,) = (place for place, line in enumerate(log) if line.startswith("Waiting"))
    assert other.name in log[waited]
    assert not any("cold" in line or "cota" in line for line in log[:waited])
    assert len(list((tmp_path / "runs").iterdir())) == 6


def test_a_fault_frees_the_lock(experiment, monkeypatch, tmp_path):
    def fail(*_):
        assert not any(free())
        raise UserError("no")

    def free():
        for path in (tmp_path / "work").glob("*.lock"):
            with lock(path) as held:
                yield held

    monkeypatch.setattr(experiment, "train_run", fail)
    with pytest.raises(UserError, match="no"):
        experiment.run([ONE])
    assert list(free()) == [True]


_WORKER = """
import pickle, sys
from pathlib import Path
from r1aqa_helpers.experiments import plan, sweep
profile, splits, regime, out = pickle.loads(Path(sys.argv[1]).read_bytes())
plan.FURTHER, sweep.POLL = 0, 0.1
assert sweep.Experiment(profile, splits, out, 2).run([regime])
"""


@pytest.mark.slow
def test_two_processes_share_the_runs_and_give_the_same(
    profile, splits, tmp_path, monkeypatch, asked
):
    monkeypatch.setattr(plan, "FURTHER", 0)
    both, alone = tmp_path / "both", tmp_path / "alone"
    given = tmp_path / "given"
    given.write_bytes(pickle.dumps((profile, splits, CHAIN, both)))
    command = [sys.executable, "-c", _WORKER, str(given)]
    workers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [worker.communicate(timeout=600)[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0]
    begun = [line for text in said for line in text.splitlines() if line.endswith(": training.")]
    assert len(begun) == len(set(begun)) == 8, "three rates and another seed, of two methods"
    assert all(": training." in text for text in said), "both took part"
    assert Experiment(profile, splits, alone, 2, say=quiet).run([CHAIN])
    names = sorted(path.name for path in (both / "runs").iterdir())
    assert names == sorted(path.name for path in (alone / "runs").iterdir())
    for name in names:
        one, other = (read_json(out / "runs" / name) for out in (both, alone))
        assert one["validation"]["matches"] == other["validation"]["matches"]
        assert one.get("test", {}).get("matches") == other.get("test", {}).get("matches")
    assert folders(both / "work") == []
