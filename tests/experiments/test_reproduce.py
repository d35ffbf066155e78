"""The main job on a random miniature: what it writes, and that it goes on wherever it was cut."""

import io
import json
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file

from r1aqa_helpers.experiments import session
from r1aqa_helpers.experiments.reproduce import check_gain, reproduce
from r1aqa_helpers.hardware import Profile
from r1aqa_helpers.models import LoadedModel, save
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import read_json, read_log

STEPS = 4
ROWS = [("direct", 1), ("direct", 2), ("zero-shot-cot", 3), ("sft", 2), ("grpo", 2)]
FOLDERS = ("direct-1", "direct-2", "zero-shot-cot", "sft", "grpo")


@pytest.fixture(scope="module")
def profile(random_profile, make_questions, small_trainings) -> Profile:
    train, test = make_questions(6)
    return small_trainings(replace(random_profile, train=train, test=test), STEPS)


def run(profile: Profile, out: Path, **options) -> str:
    """What is printed. An untrained model gains nothing, so the last check must fail."""
    console = Console(record=True, width=100, file=io.StringIO())
    try:
        assert reproduce(profile, out, console=console, **options) is None
    except UserError as error:
        assert "GRPO did not beat direct inference" in str(error)
    return console.export_text()


@pytest.fixture(scope="module")
def whole(profile, tmp_path_factory) -> tuple[Path, str]:
    """The folder of an undisturbed run with seed 1, and what it printed; read only."""
    out = tmp_path_factory.mktemp("whole") / "my run"
    return out, run(profile, out, seed=1)


def test_everything_is_written(whole):
    out, printed = whole
    results = read_json(out / "results.json")
    assert (results["profile"], results["seed"], results["n"]) == ("test", 1, 6)
    assert [(row["method"], row["prompt"]) for row in results["rows"]] == ROWS
    for row in results["rows"]:
        assert row["n"] == 6 and row["seconds"] > 0
        # Two questions per task, so that the average of all is that of the tasks.
        assert row["average"] == pytest.approx((row["sound"] + row["music"] + row["speech"]) / 3)
        assert row["ci95"][0] <= row["average"] <= row["ci95"][1]
        assert ("train_seconds" in row) == (row["method"] in ("sft", "grpo"))
    pairs = [(c["a"], c["b"], c["b_prompt"]) for c in results["comparisons"]]
    assert pairs == [("grpo", "direct", 2), ("grpo", "direct", 1), ("grpo", "sft", 2)]
    assert all(c.keys() >= {"difference", "mcnemar_p"} for c in results["comparisons"])
    for folder in FOLDERS:
        predictions = read_json(out / folder / "predictions.json")
        assert [p["id"] for p in predictions] == [f"q{n}" for n in range(6)]
        assert all(p.keys() >= {"response", "model_prediction"} for p in predictions)
    assert [row["step"] for row in read_log(out / "metrics.jsonl")] == [1, 2, 3, 4]
    rollouts = read_log(out / "rollouts.jsonl")
    assert len(rollouts) == STEPS * 2
    assert (out / "report.html").read_text(encoding="utf-8").count("<audio") == 6
    assert results["verdicts"] == [] and results["test_set"]["release"] is None
    assert "grpo <2> against direct <1>" in printed
    for method in ("sft", "grpo"):  # the trained models' cards have the table of the run
        card = (out / method / "model" / "README.md").read_text(encoding="utf-8")
        for row in results["rows"]:
            low, high = row["ci95"]
            assert f"| **{row['average']:.1f}** | {low:.1f}–{high:.1f} | {row['n']} |" in card
        assert str(out) not in card


def test_a_finished_run_is_kept_and_other_settings_are_refused(profile, whole):
    out, _ = whole
    results = read_json(out / "results.json")
    made = [*out.glob("*/log.jsonl"), *out.glob("*/model/*")]
    assert len(made) > 7
    times = {path: path.stat().st_mtime_ns for path in made}
    run(profile, out, seed=1)
    for other, options, fault in (
        (profile, {"seed": 2}, "seed 1, this one has 2"),
        (replace(profile, name="other"), {"seed": 1}, "profile"),
        (replace(profile, eval_tokens=1001), {"seed": 1}, "settings"),
    ):
        with pytest.raises(UserError, match=f"holds a run with {fault}"):
            reproduce(other, out, **options)
    assert read_json(out / "results.json") == results
    assert {path: path.stat().st_mtime_ns for path in made} == times


DRIVER = """
import json, sys, time
from pathlib import Path
from r1aqa_helpers import training
from r1aqa_helpers.experiments import session
from r1aqa_helpers.hardware import Profile
from r1aqa_helpers.experiments.reproduce import reproduce

values = json.loads(sys.argv[1])
profile = Profile(**{**values, "train": Path(values["train"]), "test": Path(values["test"])})

# Slow steps of GRPO, so that the signal comes in the middle of them.
on_step_end = training.StepLog.on_step_end
def slow_step(self, *args, **kwargs):
    on_step_end(self, *args, **kwargs)
    time.sleep(1)
def slowly(method, *args):
    if method.algorithm == "grpo":
        training.StepLog.on_step_end = slow_step
    return train_method(method, *args)
train_method, session.train_method = session.train_method, slowly

reproduce(profile, Path(sys.argv[2]), seed=1)
"""


@pytest.mark.slow
def test_a_killed_run_goes_on(profile, whole, tmp_path):
    """Killed in the middle of GRPO, the rest gives what an undisturbed run gives."""
    cut, whole = tmp_path / "cut", whole[0]
    process = subprocess.Popen(
        [sys.executable, "-c", DRIVER, json.dumps(profile.as_dict()), str(cut)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    metrics = cut / "grpo" / "metrics.jsonl"
    deadline = time.monotonic() + 600
    while not (metrics.exists() and len(read_log(metrics)) >= 2):
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline, "never came to GRPO"
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert len(read_log(metrics)) < STEPS and not (cut / "results.json").exists()
    trained = (cut / "sft" / "model" / "model.safetensors").stat().st_mtime_ns

    run(profile, cut, seed=1)
    assert (cut / "sft" / "model" / "model.safetensors").stat().st_mtime_ns == trained
    results = [read_json(out / "results.json") for out in (cut, whole)]
    for row in (*results[0]["rows"], *results[1]["rows"]):
        row["seconds"] = row["train_seconds"] = 0
    assert results[0] == results[1]
    assert [row["step"] for row in read_log(metrics)] == [1, 2, 3, 4]
    rollouts = [
        [(r["step"], r["id"], r["completions"]) for r in read_log(out / "rollouts.jsonl")]
        for out in (cut, whole)
    ]
    assert rollouts[0] == rollouts[1]
    weights = [load_file(out / "grpo/model/model.safetensors") for out in (cut, whole)]
    # To rounding: another process may add up in another order.
    torch.testing.assert_close(weights[0], weights[1], atol=1e-6, rtol=0)


def test_minutes_end_training_at_a_step_and_it_goes_on(profile, tmp_path, monkeypatch):
    out, given, train = tmp_path / "run", [], session.train_method

    def a_step_at_a_time(method, loaded, questions, settings, folder, *more):
        """As if the minutes were over after one step."""
        given.append(settings.minutes)
        return train(method, loaded, questions, replace(settings, minutes=0.0), folder, *more)

    monkeypatch.setattr(session, "train_method", a_step_at_a_time)
    for steps in (1, 2):
        printed = run(profile, out, minutes=999)
        assert "999 minutes are over; the same command goes on from here." in printed
        assert len(read_log(out / "sft" / "metrics.jsonl")) == steps
        assert not (out / "sft" / "model").exists() and not (out / "results.json").exists()
    assert all(900 < minutes <= 999 for minutes in given)
    monkeypatch.undo()
    run(profile, out, minutes=999)
    assert [row["step"] for row in read_log(out / "sft" / "metrics.jsonl")] == [1, 2, 3, 4]
    assert (out / "results.json").exists()


def comparisons(*gains: tuple[float, float]) -> list[dict]:
    rows = [
        {"a": "grpo", "b": "direct", "b_prompt": 2 - n, "difference": gain, "mcnemar_p": p}
        for n, (gain, p) in enumerate(gains)
    ]
    return [*rows, {"a": "grpo", "b": "sft", "b_prompt": 2, "difference": -5, "mcnemar_p": 0.5}]


@pytest.mark.parametrize(
    "gains, fault",
    [
        ([(10.0, 0.00099), (30, 1e-9)], None),
        ([(9.9, 1e-5), (30, 1e-9)], r"prompt <2> .* \+9.9 points, p = 1e-05"),
        ([(30, 1e-9), (9.9, 1e-5)], r"prompt <1> .* \+9.9 points"),
        ([(12, 0.001), (30, 1e-9)], r"p = 0.001;"),
    ],
)
def test_the_gain_must_be_enough_over_both_prompts(gains, fault):
    with nullcontext() if fault is None else pytest.raises(UserError, match=fault):
        check_gain(comparisons(*gains))


def test_minutes_end_before_a_row_and_another_model_is_another_run(profile, tmp_path):
    from r1aqa_helpers.tiny.build import random_tiny

    out = tmp_path / "run"
    assert "0.0001 minutes are over" in run(profile, out, minutes=0.0001)
    assert not (out / "direct-1").exists()
    save(LoadedModel(*random_tiny(1), "other"), tmp_path / "other")
    with pytest.raises(UserError, match="holds a run with model"):
        reproduce(replace(profile, model=str(tmp_path / "other")), out)


def test_faults_are_found_before_the_work(profile, tmp_path, monkeypatch):
    monkeypatch.setattr(session, "answer_questions", lambda *_, **__: pytest.fail("work began"))
    (tmp_path / "a file").write_text("x")
    rows = read_json(profile.test)
    unlabelled = tmp_path / "unlabelled.json"
    unlabelled.write_text(json.dumps([{**row, "answer": ""} for row in rows]))
    for changes, out, fault in (
        ({}, "a file/run", "a file.*cannot be written"),
        ({"model": str(tmp_path)}, "run", "config.json: no such file"),
        ({"test": None}, "run", "give a file of training and one of test questions"),
        ({"test": unlabelled}, "run", "no gold answer"),
    ):
        with pytest.raises(UserError, match=fault):
            reproduce(replace(profile, **changes), tmp_path / out)
