"""Two processes share a step: together they make the update that one would make."""

import copy
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from test_trainer import plain_update, relative_error, rows, shifted

from r1aqa_helpers.questions import write_avqa


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
