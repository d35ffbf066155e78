"""Two processes share a step: together they make the update that one would make."""

import copy
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from killed_worker import train as train_killed
from launched_worker import answer_alike
from test_trainer import plain_update, relative_error, rows, shifted
from typer.testing import CliRunner

import r1aqa_helpers
from r1aqa_helpers.cli import app
from r1aqa_helpers.data import write_avqa
from r1aqa_helpers.models import load
from r1aqa_helpers.training import COMPLETE
from r1aqa_helpers.training.grpo.trainer import AudioGRPOTrainer
from r1aqa_helpers.utils.io import read_log

pytestmark = pytest.mark.slow
PACKAGE = Path(r1aqa_helpers.__file__).parent
#: Of a launched command; it takes 20 s on two idle cores.
LIMIT = 240


def test_two_processes_make_the_update_of_one(loaded, questions, tmp_path):
    """DistributedDataParallel on CPUs: gradients of all groups, averaged, by the definition."""
    named = [replace(question, dataset="made") for question in questions]
    write_avqa(tmp_path / "questions.jsonl", named)
    worker = Path(__file__).with_name("two_processes.py")
    command = [
        sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone",
        str(worker), str(tmp_path),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, cwd=worker.parent)
    assert done.returncode == 0, done.stderr[-2000:]

    found = torch.load(tmp_path / "found.pt", weights_only=True)
    assert found["processes"] == 2
    assert found["rollouts"] == ["q0", "q1", "q2", "q3"]
    reference = copy.deepcopy(loaded.model)
    policy = shifted(loaded.model)
    loss = plain_update(
        policy, policy, reference, loaded, rows(questions), found["sampled"], beta=0.04
    )
    assert found["loss"] == pytest.approx(loss, abs=1e-5)
    assert relative_error(found["gradients"], policy) < 1e-5


# --- the commands under a launcher ---------------------------------------------------------

STEPS = 3


def launch(way: str, *arguments: object, env: dict[str, str] | None = None):
    """``accelerate launch`` with two processes, as the README says."""
    worker = Path(__file__).with_name("launched_worker.py")
    command = [
        sys.executable, "-m", "accelerate.commands.launch", "--config_file",
        str(PACKAGE / "launch" / f"{way}.yaml"), "--num_processes", "2",
        "--main_process_port", "0", str(worker), *map(str, arguments),
    ]  # fmt: skip
    own = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(PACKAGE.parent), **(env or {})}
    return subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, env=own)


def alone(monkeypatch, *arguments: object) -> None:
    """The same command in this process."""
    monkeypatch.setattr(AudioGRPOTrainer, "sample", answer_alike)
    done = CliRunner().invoke(app, [*map(str, arguments)])
    assert done.exit_code == 0, (done.output, done.exception)


def train(method: str, questions: Path, model: Path, out: Path, *more: object) -> list[object]:
    return ["train", method, "--profile", "tiny", "--questions", questions, "--model", model,
            "--out", out, "--steps", STEPS, *more]  # fmt: skip


def assert_same_run(one: Path, other: Path, start: Path) -> None:
    """Metrics to 1e-4 (the sixth digit of a norm), and what was learnt to 1 %.

    Adam divides a gradient by its own size, so that where it is nothing but rounding (the keys'
    biases have none), the step is full-sized and its direction chance.
    """
    rows, others = (read_log(out / "metrics.jsonl") for out in (one, other))
    assert [row["step"] for row in others] == list(range(1, STEPS + 1))
    for row, again in zip(rows, others, strict=True):
        timeless = {name: value for name, value in row.items() if name != "seconds"}
        assert {n: again[n] for n in timeless} == pytest.approx(timeless, rel=1e-4, abs=1e-6)
    weights, again, before = (
        load(out, device="cpu").model.state_dict()
        for out in (one / "model", other / "model", start)
    )
    named = [name for name in before if not name.endswith("k_proj.bias")]
    learnt = sum((weights[n] - before[n]).square().sum() for n in named).sqrt()
    apart = sum((weights[n] - again[n]).square().sum() for n in named).sqrt()
    assert learnt > 0.01 and apart < 0.01 * learnt


def test_two_processes_train_by_sft_as_one_does(
    monkeypatch, make_questions, random_model_dir, tmp_path
):
    questions, _ = make_questions()
    alone(monkeypatch, *train("sft", questions, random_model_dir, tmp_path / "one"))
    done = launch("ddp", *train("sft", questions, random_model_dir, tmp_path / "two"))
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines()[-1] == f"trained model: {tmp_path / 'two' / 'model'}"
    assert done.stdout.count("trained model") == 1, "one of them speaks"
    assert_same_run(tmp_path / "one", tmp_path / "two", random_model_dir)


def test_two_processes_stop_together_and_go_on_as_one_does(
    monkeypatch, make_questions, random_model_dir, tmp_path
):
    questions, _ = make_questions()
    alone(monkeypatch, *train("grpo", questions, random_model_dir, tmp_path / "one"))
    command = train("grpo", questions, random_model_dir, tmp_path / "two")
    done = launch("ddp", *command, "--minutes", 0)
    assert done.returncode == 0, done.stderr[-2000:]
    assert [row["step"] for row in read_log(tmp_path / "two/metrics.jsonl")] == [1]
    assert (tmp_path / "two" / "checkpoint-1" / COMPLETE).exists()
    done = launch("ddp", *command)
    assert done.returncode == 0, done.stderr[-2000:]
    assert_same_run(tmp_path / "one", tmp_path / "two", random_model_dir)
    one, two = (read_log(tmp_path / name / "rollouts.jsonl") for name in ("one", "two"))
    assert len(one) == 8 * STEPS, "the groups of all processes"
    for row, again in zip(one, two, strict=True):
        assert again.pop("advantages") == pytest.approx(row.pop("advantages"), abs=1e-6)
        assert again == row
    assert any(len(set(row["rewards"])) > 1 for row in one)


def test_one_process_s_error_ends_all_with_one_line(make_questions, random_model_dir, tmp_path):
    questions, _ = make_questions()
    command = train("grpo", questions, random_model_dir, tmp_path)
    done = launch("ddp", *command, env={"R1AQA_TEST_FAIL": "1"})
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


def test_killed_while_saving_it_goes_on_from_the_last_whole_checkpoint(make_questions, tmp_path):
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
