"""GRPO with weights that are shared out over processes: the run that whole copies would make."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import r1aqa_helpers
from r1aqa_helpers.models import load
from r1aqa_helpers.training import COMPLETE
from r1aqa_helpers.utils.io import read_log
from r1aqa_helpers.utils.paths import TINY

pytestmark = pytest.mark.slow
PACKAGE = Path(r1aqa_helpers.__file__).parent
STEPS = 2
#: What two ways of sharing may differ by, of what was learnt.
APART = 0.01
LIMIT = 300  # seconds for one command; it takes 30 on two idle cores


def with_deepspeed() -> list[str]:
    """A Python that has DeepSpeed in the pinned release, beside all that is here."""
    uv = shutil.which("uv")
    if uv is None:
        pytest.skip("uv, which would bring DeepSpeed, is not here")
    project = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text(encoding="utf-8"))
    pins = project["tool"]["uv"]["constraint-dependencies"]
    (pin,) = (name for name in pins if name.startswith("deepspeed=="))
    python = [uv, "run", "--no-sync", "--with", pin, "python"]
    done = subprocess.run(
        [*python, "-c", "import deepspeed"],
        capture_output=True, text=True, timeout=LIMIT, cwd=PACKAGE.parent,
    )  # fmt: skip
    if done.returncode:
        pytest.skip(f"no DeepSpeed to be had: {done.stderr.strip()[-200:]}")
    return python


def run(python: list[str], way: str, arguments: list[object]) -> None:
    """The command, in two processes."""
    command = [
        *python, "-m", "accelerate.commands.launch", "--config_file",
        str(PACKAGE / "launch" / f"{way}.yaml"), "--main_process_port", "0",
        str(Path(__file__).with_name("sharded_worker.py")), *map(str, arguments),
    ]  # fmt: skip
    own = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(PACKAGE.parent)}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=LIMIT, env=own, cwd=PACKAGE.parent
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("trained model: ") == 1


def arguments(questions: Path, model: Path, out: Path) -> list[object]:
    return ["train", "grpo", "--profile", "tiny", "--questions", questions, "--model", model,
            "--out", out, "--steps", STEPS]  # fmt: skip


@pytest.fixture(scope="module")
def whole(make_questions, tmp_path_factory):
    """Questions, model, and the run in which each process has all weights.

    The model is the shipped one: a random one earns no reward, and so learns nothing.
    """
    questions, _ = make_questions()
    out, model = tmp_path_factory.mktemp("whole"), TINY / "model"
    run([sys.executable], "ddp", arguments(questions, model, out))
    return questions, model, out


@pytest.mark.parametrize("way", ["zero3", "fsdp"])
def test_shards_are_trained_as_whole_models_are(whole, tmp_path, way):
    """Stopped after a step and continued from shards; the model that is saved is whole."""
    questions, model, expected = whole
    python = with_deepspeed() if way == "zero3" else [sys.executable]
    command = arguments(questions, model, tmp_path)
    run(python, way, [*command, "--minutes", 0])
    assert (tmp_path / "checkpoint-1" / COMPLETE).exists()
    run(python, way, command)

    one, two = (read_log(out / "rollouts.jsonl") for out in (expected, tmp_path))
    assert [(r["step"], r["id"], r["completions"]) for r in two] == [
        (r["step"], r["id"], r["completions"]) for r in one
    ]
    rows, others = (read_log(out / "metrics.jsonl") for out in (expected, tmp_path))
    assert len(rows) == len(others) == STEPS
    # Adam makes steps of full size where a gradient is all rounding, so that after the first step
    # what was learnt agrees to APART only; KL grows with its square.
    for step, rel in enumerate((1e-3, *[2 * APART] * (STEPS - 1))):
        for name in ("grad_norm", "entropy", "loss", "kl"):
            assert others[step][name] == pytest.approx(rows[step][name], rel=rel, abs=1e-5), name
    weights, again, before = (
        load(out, device="cpu").model.state_dict()
        for out in (expected / "model", tmp_path / "model", model)
    )
    # The keys' biases have no gradient but rounding, which Adam makes steps of full size of.
    named = [name for name in before if not name.endswith("k_proj.bias")]
    learnt = sum((weights[n] - before[n]).square().sum() for n in named).sqrt()
    apart = sum((weights[n] - again[n]).square().sum() for n in named).sqrt()
    assert learnt > 0.01 and apart < APART * learnt
