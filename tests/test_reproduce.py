"""The main job on a random miniature: what it writes, and that it goes on wherever it was cut."""

import json
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file

from r1aqa_helpers.errors import UserError
from r1aqa_helpers.files import read_journal, read_json
from r1aqa_helpers.models import save
from r1aqa_helpers.profiles import Profile
from r1aqa_helpers.reproduce import check_gain, reproduce
from r1aqa_helpers.reproduce import run as run_parts
from r1aqa_helpers.reproduce import training as job

DOMAINS = ("sound", "music", "speech")
STEPS = 4


@pytest.fixture(scope="module")
def profile(random_profile, make_questions) -> Profile:
    train, test = make_questions(6)
    return replace(
        random_profile,
        train=train,
        test=test,
        sft={"steps": STEPS, "batch_size": 2, "rows_per_forward": 2, "save_every": 1},
        grpo={
            "steps": STEPS,
            "prompts_per_step": 2,
            "group_size": 2,
            "prompts_per_forward": 2,
            "max_completion": 4,
            "save_every": 1,
        },
    )


def run(profile: Profile, out: Path, **options) -> str:
    """Reproduce; an untrained model gains nothing, so that the gate must close at the end."""
    with open(out.parent / "output.txt", "w+", encoding="utf-8") as stream:
        try:
            done = reproduce(profile, out, console=Console(file=stream, width=100), **options)
            assert done is None
        except UserError as error:
            assert "GRPO did not beat direct inference" in str(error)
        stream.seek(0)
        return stream.read()


def without_times(results: dict) -> dict:
    rows = [
        {name: value for name, value in row.items() if "seconds" not in name}
        for row in results["rows"]
    ]
    return {**results, "rows": rows}


@pytest.fixture(scope="module")
def whole(profile, tmp_path_factory) -> tuple[Path, str]:
    """The folder of an undisturbed run with seed 1, and what it printed; read only."""
    out = tmp_path_factory.mktemp("whole") / "my run"
    return out, run(profile, out, seed=1)


def test_everything_is_written(whole):
    out, printed = whole
    results = read_json(out / "results.json")
    assert (results["profile"], results["seed"], results["n"]) == ("test", 1, 6)
    methods = [(row["method"], row["prompt"]) for row in results["rows"]]
    assert methods == [
        ("direct", 1), ("direct", 2), ("zero-shot-cot", 3), ("sft", 2), ("grpo", 2)
    ]  # fmt: skip
    for row in results["rows"]:
        assert row["n"] == 6 and row["seconds"] > 0
        # Two questions per task, so that the average of all is that of the tasks.
        assert row["average"] == pytest.approx(sum(row[name] for name in DOMAINS) / 3)
        assert row["ci95"][0] <= row["average"] <= row["ci95"][1]
        assert ("train_seconds" in row) == (row["method"] in ("sft", "grpo"))
    pairs = [(c["a"], c["b"], c["b_prompt"]) for c in results["comparisons"]]
    assert pairs == [("grpo", "direct", 2), ("grpo", "direct", 1), ("grpo", "sft", 2)]
    assert all(c.keys() >= {"difference", "mcnemar_p"} for c in results["comparisons"])
    for folder in ("direct-1", "direct-2", "zero-shot-cot", "sft", "grpo"):
        predictions = read_json(out / folder / "predictions.json")
        assert [p["id"] for p in predictions] == [f"q{n}" for n in range(6)]
        assert all(p.keys() >= {"response", "model_prediction"} for p in predictions)
    assert [row["step"] for row in read_journal(out / "metrics.jsonl")] == [1, 2, 3, 4]
    rollouts = read_journal(out / "rollouts.jsonl")
    assert len(rollouts) == STEPS * 2
    assert rollouts[0].keys() >= {"step", "id", "completions", "rewards", "advantages"}
    assert len(re.findall("<audio", (out / "report.html").read_text(encoding="utf-8"))) == 6
    assert "Measured in this run" in printed and "Not measured here" in printed
    assert "No verdict: the published rows are of MMAU test-mini v1" in printed
    assert results["verdicts"] == [] and results["test_set"]["release"] is None
    assert "grpo <2> against direct <1>" in printed
    told = re.findall(r"(\w+) <2>: 4 steps, training [\d.]+ M of [\d.]+ M parameters", printed)
    assert told == ["sft", "grpo"]


def test_the_trained_models_cards_have_the_run_s_table(whole):
    out, _ = whole
    for method in ("sft", "grpo"):
        card = (out / method / "model" / "README.md").read_text(encoding="utf-8")
        for row in read_json(out / "results.json")["rows"]:
            low, high = row["ci95"]
            assert f"| **{row['average']:.1f}** | {low:.1f}–{high:.1f} | {row['n']} |" in card
        assert str(out) not in card


def test_a_finished_run_is_not_made_again(profile, whole):
    out, _ = whole
    results = read_json(out / "results.json")
    journals = {path: path.stat().st_mtime_ns for path in out.glob("*/journal.jsonl")}
    models = {path: path.stat().st_mtime_ns for path in out.glob("*/model/*")}
    run(profile, out, seed=1)
    assert read_json(out / "results.json") == results
    assert len(models) > 2 and len(journals) == 5
    assert all(path.stat().st_mtime_ns == then for path, then in (journals | models).items())


def test_the_folder_of_another_run(profile, whole):
    out, _ = whole
    results = read_json(out / "results.json")
    for other, options, fault in (
        (profile, {"seed": 2}, "seed 1, this one has 2"),
        (replace(profile, name="other"), {"seed": 1}, "profile 'test', this one has 'other'"),
        (replace(profile, eval_tokens=1001), {"seed": 1}, "settings"),
    ):
        with pytest.raises(UserError, match=f"holds a run with {fault}.*choose another --out"):
            reproduce(other, out, **options)
    assert read_json(out / "results.json") == results


DRIVER = """
import json, sys, time
from pathlib import Path
from r1aqa_helpers import training
from r1aqa_helpers.reproduce import training as job
from r1aqa_helpers.profiles import Profile

values = json.loads(sys.argv[1])
profile = Profile(**{**values, "train": Path(values["train"]), "test": Path(values["test"])})

# Slow steps of GRPO, so that the signal comes in the middle of them.
on_step_end = training.StepLog.on_step_end
def slow_step(self, *args, **kwargs):
    on_step_end(self, *args, **kwargs)
    time.sleep(1)
def slowly(*args):
    training.StepLog.on_step_end = slow_step
    return train_grpo(*args)
train_grpo, job.train_grpo = job.train_grpo, slowly

job.reproduce(profile, Path(sys.argv[2]), seed=1)
"""


def start(profile: Profile, out: Path) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", DRIVER, json.dumps(profile.as_dict()), str(out)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_killed_run_goes_on(profile, whole, tmp_path):
    """Killed in the middle of GRPO, the rest gives what an undisturbed run gives."""
    cut, whole = tmp_path / "cut", whole[0]
    process = start(profile, cut)
    metrics = cut / "grpo" / "metrics.jsonl"
    deadline = time.monotonic() + 600
    while not (metrics.exists() and len(read_journal(metrics)) >= 2):
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline, "never came to GRPO"
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert len(read_journal(metrics)) < STEPS and not (cut / "results.json").exists()
    trained = (cut / "sft" / "model" / "model.safetensors").stat().st_mtime_ns

    run(profile, cut, seed=1)
    assert (cut / "sft" / "model" / "model.safetensors").stat().st_mtime_ns == trained
    results = [read_json(out / "results.json") for out in (cut, whole)]
    assert without_times(results[0]) == without_times(results[1])
    assert [row["step"] for row in read_journal(metrics)] == [1, 2, 3, 4]
    rollouts = [
        [
            (row["step"], row["id"], row["completions"])
            for row in read_journal(out / "rollouts.jsonl")
        ]
        for out in (cut, whole)
    ]
    assert rollouts[0] == rollouts[1]
    weights = [load_file(out / "grpo/model/model.safetensors") for out in (cut, whole)]
    # To rounding: another process may add up in another order.
    torch.testing.assert_close(weights[0], weights[1], atol=1e-6, rtol=0)


def test_minutes_end_training_at_a_step_and_it_goes_on(profile, tmp_path, monkeypatch):
    out = tmp_path / "run"
    given = []

    def a_step_at_a_time(loaded, questions, settings, folder):
        """As if the minutes were over after one step."""
        given.append(settings.minutes)
        return job_sft(loaded, questions, replace(settings, minutes=0.0), folder)

    job_sft = job.train_sft
    monkeypatch.setattr(job, "train_sft", a_step_at_a_time)
    for steps in (1, 2):
        printed = run(profile, out, minutes=999)
        assert "999 minutes are over; the same command goes on from here." in printed
        assert len(read_journal(out / "sft" / "metrics.jsonl")) == steps
        assert not (out / "sft" / "model").exists() and not (out / "results.json").exists()
    assert all(900 < minutes <= 999 for minutes in given)
    monkeypatch.undo()
    run(profile, out, minutes=999)
    assert [row["step"] for row in read_journal(out / "sft" / "metrics.jsonl")] == [1, 2, 3, 4]
    assert (out / "results.json").exists()


def test_minutes_end_between_methods(profile, tmp_path):
    out = tmp_path / "run"
    assert "0.0001 minutes are over" in run(profile, out, minutes=0.0001)
    assert not (out / "direct-1").exists()


def comparisons(*gains: tuple[float, float]) -> list[dict]:
    rows = [
        {"a": "grpo", "b": "direct", "b_prompt": 2 - n, "difference": gain, "mcnemar_p": p}
        for n, (gain, p) in enumerate(gains)
    ]
    return [*rows, {"a": "grpo", "b": "sft", "b_prompt": 2, "difference": -5, "mcnemar_p": 0.5}]


def test_gain_is_enough():
    check_gain(comparisons((10.0, 0.00099), (30, 1e-9)))


@pytest.mark.parametrize(
    "gains, fault",
    [
        ([(9.9, 1e-5), (30, 1e-9)], r"prompt <2> .* \+9.9 points, p = 1e-05"),
        ([(30, 1e-9), (9.9, 1e-5)], r"prompt <1> .* \+9.9 points"),
        ([(12, 0.001), (30, 1e-9)], r"p = 0.001;"),
        ([(-12, 1e-9), (30, 1e-9)], r"-12.0 points"),
    ],
)
def test_gain_is_not_enough(gains, fault):
    with pytest.raises(UserError, match=fault):
        check_gain(comparisons(*gains))


def test_faults_are_found_before_the_work(profile, tmp_path, monkeypatch):
    monkeypatch.setattr(run_parts, "answer_questions", lambda *_, **__: pytest.fail("work began"))
    (tmp_path / "a file").write_text("x")
    with pytest.raises(UserError, match="a file.*cannot be written"):
        reproduce(profile, tmp_path / "a file" / "run")
    with pytest.raises(UserError, match="no config.json"):
        reproduce(replace(profile, model=str(tmp_path)), tmp_path / "run")
    with pytest.raises(UserError, match="give a file of training and one of test questions"):
        reproduce(replace(profile, test=None), tmp_path / "run")
    rows = read_json(profile.test)
    unlabelled = tmp_path / "unlabelled.json"
    unlabelled.write_text(json.dumps([{**row, "answer": ""} for row in rows]))
    with pytest.raises(UserError, match="no gold answer"):
        reproduce(replace(profile, test=unlabelled), tmp_path / "run")


def test_another_model_is_another_run(profile, tmp_path, monkeypatch):
    from r1aqa_helpers.models import LoadedModel
    from r1aqa_helpers.tiny.build import random_tiny

    out = tmp_path / "run"
    run(profile, out, minutes=0.0001)
    save(LoadedModel(*random_tiny(1), "other"), tmp_path / "other")
    with pytest.raises(UserError, match="holds a run with model"):
        reproduce(replace(profile, model=str(tmp_path / "other")), out)
