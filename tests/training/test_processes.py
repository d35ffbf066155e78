"""Two processes share a step, and make the run that one would make."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from killed_worker import train as train_killed
from launched_worker import answer_alike
from typer.testing import CliRunner

import r1aqa_helpers
from r1aqa_helpers.cli import app
from r1aqa_helpers.hardware import TINY_PROFILE
from r1aqa_helpers.models import load
from r1aqa_helpers.training import COMPLETE
from r1aqa_helpers.training.grpo.trainer import AudioGRPOTrainer
from r1aqa_helpers.utils.io import read_log
from r1aqa_helpers.utils.paths import TINY

pytestmark = pytest.mark.slow
PACKAGE = Path(r1aqa_helpers.__file__).parent
#: Seconds for a command in several processes; it takes 20 to 30 on two idle cores.
LIMIT = 300
STEPS = 3
#: The share of what was learnt by which two runs may differ.
APART = 0.01


def launch(
    way: str,
    arguments: list[object],
    env: dict[str, str] | None = None,
    worker: str = "launched_worker.py",
    python: Sequence[str] = (sys.executable,),
) -> subprocess.CompletedProcess:
    """``accelerate launch`` with two processes, as the README says."""
    command = [
        *python, "-m", "accelerate.commands.launch", "--config_file",
        str(PACKAGE / "training" / "launch" / f"{way}.yaml"), "--num_processes", "2",
        "--main_process_port", "0", str(Path(__file__).with_name(worker)), *map(str, arguments),
    ]  # fmt: skip
    own = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(PACKAGE.parent), **(env or {})}
    return subprocess.run(
        command, capture_output=True, text=True, timeout=LIMIT, env=own, cwd=PACKAGE.parent
    )


def launched(*arguments: object, **named: object) -> str:
    """What such a command prints when it succeeds."""
    done = launch(*arguments, **named)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("trained model: ") == 1, "one of them prints"
    return done.stdout


def alone(monkeypatch, arguments: list[object]) -> None:
    """The same command in this process."""
    monkeypatch.setattr(AudioGRPOTrainer, "sample", answer_alike)
    done = CliRunner().invoke(app, [*map(str, arguments)])
    assert done.exit_code == 0, (done.output, done.exception)


def train(
    method: str,
    questions: Path,
    model: Path,
    out: Path,
    steps: int = STEPS,
    profile: str = "tiny",
) -> list[object]:
    return ["train", method, "--profile", profile, "--questions", questions, "--model", model,
            "--out", out, "--steps", steps]  # fmt: skip


def assert_same_weights(one: Path, other: Path, start: Path) -> None:
    """Equal to `APART` of what was learnt.

    Adam divides a gradient by its own size, so that where it is nothing but rounding (the keys'
    biases have none), the step is full-sized and its direction chance.
    """
    weights, again, before = (
        load(out, device="cpu").model.state_dict()
        for out in (one / "model", other / "model", start)
    )
    named = [name for name in before if not name.endswith("k_proj.bias")]
    learnt = sum((weights[n] - before[n]).square().sum() for n in named).sqrt()
    apart = sum((weights[n] - again[n]).square().sum() for n in named).sqrt()
    assert learnt > 0.01 and apart < APART * learnt


def assert_same_run(one: Path, other: Path, start: Path) -> None:
    """Metrics to 1e-4 (the sixth digit of a norm), and the weights."""
    rows, others = (read_log(out / "metrics.jsonl") for out in (one, other))
    assert [row["step"] for row in others] == list(range(1, STEPS + 1))
    for row, again in zip(rows, others, strict=True):
        timeless = {name: value for name, value in row.items() if name != "seconds"}
        assert {n: again[n] for n in timeless} == pytest.approx(timeless, rel=1e-4, abs=1e-6)
    assert_same_weights(one, other, start)


def test_two_processes_train_by_sft_as_one_does(
    monkeypatch, make_questions, random_model_dir, tmp_path
):
    questions, _ = make_questions()
    alone(monkeypatch, train("sft", questions, random_model_dir, tmp_path / "one"))
    launched("ddp", train("sft", questions, random_model_dir, tmp_path / "two"))
    assert_same_run(tmp_path / "one", tmp_path / "two", random_model_dir)


def test_two_processes_stop_together_and_continue_as_one_does(
    monkeypatch, make_questions, random_model_dir, tmp_path
):
    questions, _ = make_questions()
    alone(monkeypatch, train("grpo", questions, random_model_dir, tmp_path / "one"))
    command = train("grpo", questions, random_model_dir, tmp_path / "two")
    launched("ddp", [*command, "--minutes", 0])
    assert [row["step"] for row in read_log(tmp_path / "two/metrics.jsonl")] == [1]
    assert (tmp_path / "two" / "checkpoint-1" / COMPLETE).exists()
    launched("ddp", command)
    assert_same_run(tmp_path / "one", tmp_path / "two", random_model_dir)
    one, two = (read_log(tmp_path / name / "rollouts.jsonl") for name in ("one", "two"))
    assert len(one) == 8 * STEPS, "the groups of all processes"
    for row, again in zip(one, two, strict=True):
        assert again.pop("advantages") == pytest.approx(row.pop("advantages"), abs=1e-6)
        assert again == row
    assert any(len(set(row["rewards"])) > 1 for row in one)


def test_one_process_s_error_ends_all_with_one_line(make_questions, random_model_dir, tmp_path):
    command = train("grpo", make_questions()[0], random_model_dir, tmp_path)
    done = launch("ddp", command, env={"R1AQA_TEST_FAIL": "1"})
    assert done.returncode != 0
    said = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert said == ["error: question q1: made to fail"]
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("command", ["reproduce", "evaluate", "score"])
def test_what_one_process_does_is_refused_to_several(monkeypatch, command):
    monkeypatch.setenv("WORLD_SIZE", "2")
    done = CliRunner().invoke(app, [command])
    assert done.exit_code == 1
    assert done.stderr.startswith(f"error: {command}: is the work of one process, and 2 were")


def test_killed_while_saving_it_continues_from_the_last_whole_checkpoint(make_questions, tmp_path):
    questions, _ = make_questions()
    worker = Path(__file__).with_name("killed_worker.py")
    command = [sys.executable, str(worker), str(questions), str(tmp_path / "torn")]
    own = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, env=own)
    assert done.returncode == -signal.SIGKILL, done.stderr[-2000:]
    torn = tmp_path / "torn" / "checkpoint-3"
    assert (torn / "model.safetensors").exists() and not (torn / COMPLETE).exists()
    assert (tmp_path / "torn" / "checkpoint-2" / COMPLETE).exists()

    whole = train_killed(questions, tmp_path / "whole")
    again = train_killed(questions, tmp_path / "torn")
    assert [r["step"] for r in read_log(tmp_path / "torn/metrics.jsonl")] == [1, 2, 3, 4]
    expected, got = (load(out, device="cpu").model.state_dict() for out in (whole, again))
    for name in expected:
        torch.testing.assert_close(got[name], expected[name], rtol=0, atol=1e-6)


# --- weights in shards ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole(make_questions, tmp_path_factory):
    """Questions, and the run in which each process has all weights.

    Of the shipped model: a random one earns no reward, and so learns nothing.
    """
    questions, out = make_questions()[0], tmp_path_factory.mktemp("whole")
    launched("ddp", train("grpo", questions, TINY / "model", out, 2), worker="sharded_worker.py")
    return questions, out


@pytest.mark.parametrize("way", ["zero3", "fsdp"])
def test_shards_are_trained_as_whole_models_are(whole, tmp_path, python_with, way):
    """Stopped after a step and continued from shards; the model that is saved is whole."""
    questions, expected = whole
    python = python_with("deepspeed") if way == "zero3" else [sys.executable]
    command = train("grpo", questions, TINY / "model", tmp_path, 2)
    launched(way, [*command, "--minutes", 0], worker="sharded_worker.py", python=python)
    assert (tmp_path / "checkpoint-1" / COMPLETE).exists()
    launched(way, command, worker="sharded_worker.py", python=python)

    one, two = (read_log(out / "rollouts.jsonl") for out in (expected, tmp_path))
    assert [(r["step"], r["id"], r["completions"]) for r in two] == [
        (r["step"], r["id"], r["completions"]) for r in one
    ]
    rows, others = (read_log(out / "metrics.jsonl") for out in (expected, tmp_path))
    # Adam makes steps of full size where a gradient is all rounding, so that after the first step
    # what was learnt agrees to APART only; KL grows with its square.
    for row, again, rel in zip(rows, others, (1e-3, 2 * APART), strict=True):
        names = ("grad_norm", "entropy", "loss", "kl")
        assert [again[n] for n in names] == pytest.approx([row[n] for n in names], rel, abs=1e-5)
    assert_same_weights(expected, tmp_path, TINY / "model")


# --- the 7B model's vocabulary, window and files -------------------------------------------

#: A step samples a group in each process; scores of 156,032 tokens allow few answers here.
SMALL = asdict(TINY_PROFILE) | {
    "name": "small",
    "grpo": {
        "steps": 1, "prompts_per_step": 2, "group_size": 4, "prompts_per_forward": 1,
        "max_completion": 6, "lr": 1e-3,
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def true_shapes_trained(make_questions, true_shapes_dir, tmp_path_factory):
    """Trains the model of true shapes in two processes: questions, and the run with whole copies.

    Of a launcher's way and a Python, the run's folder.
    """
    questions = make_questions()[0]

    def run(way: str, python: Sequence[str] = (sys.executable,)) -> Path:
        out = tmp_path_factory.mktemp(way)
        launched(
            way,
            train("grpo", questions, true_shapes_dir, out, 1, "small"),
            env={"R1AQA_TEST_PROFILE": json.dumps(SMALL)},
            worker="sharded_worker.py",
            python=python,
        )
        return out

    return run, run("ddp")


def test_two_processes_train_the_true_shapes(true_shapes_trained, true_shapes_dir):
    _, out = true_shapes_trained
    (row,) = read_log(out / "metrics.jsonl")
    assert np.isfinite(row["loss"]) and row["grad_norm"] > 0
    assert len(read_log(out / "rollouts.jsonl")) == 2, "one group of each process"
    trained, start = (
        load(folder, device="cpu").model.state_dict() for folder in (out / "model", true_shapes_dir)
    )
    changed = {name for name in start if not torch.equal(start[name], trained[name])}
    assert {"lm_head.weight", "model.language_model.embed_tokens.weight"} <= changed


@pytest.mark.parametrize("way", ["zero3", "fsdp"])
def test_shards_of_true_shapes_are_trained_as_whole_copies_are(
    true_shapes_trained, true_shapes_dir, python_with, way
):
    run, expected = true_shapes_trained
    out = run(way, python_with("deepspeed") if way == "zero3" else (sys.executable,))
    one, two = (read_log(folder / "rollouts.jsonl") for folder in (expected, out))
    assert [row["completions"] for row in two] == [row["completions"] for row in one]
    assert_same_weights(expected, out, true_shapes_dir)
