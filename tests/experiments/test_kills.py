"""Killed at twenty seeded moments, each command ends with what an uninterrupted call makes."""

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

from r1aqa_helpers.experiments.plan import Regime
from r1aqa_helpers.tiny.splits import SPLITS
from r1aqa_helpers.utils.io import file_hash, read_json, read_log, write_json
from r1aqa_helpers.utils.paths import TINY

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="the work is done in forks"),
]
KILLS = 20


def survive(folder: Path, kind: str, *given: object) -> tuple[Path, list[Path]]:
    """Where the work was done without interruption, and where it was killed."""
    (folder / "runs").mkdir(exist_ok=True)
    worker = Path(__file__).with_name("kills_worker.py")
    command = [sys.executable, worker, kind, json.dumps(given), str(KILLS), folder / "runs"]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(command, capture_output=True, text=True, timeout=3600, env=env)
    assert done.returncode == 0, done.stderr[-3000:]
    print(kind, *given, done.stdout)
    torn = sorted((folder / "runs").glob("torn*"))
    assert done.stdout.startswith(f"{KILLS} kills") and torn
    return folder / "runs" / "whole", torn


def contents(folder: Path) -> dict[str, str]:
    """The files by digest, but for those of locks and those that a kill left half written."""
    files = (p for p in folder.rglob("*") if p.is_file() and p.suffix not in (".lock", ".tmp"))
    return {str(p.relative_to(folder)): file_hash(p) for p in files}


def metrics(folder: Path) -> list[dict]:
    rows = read_log(folder / "metrics.jsonl")
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


def test_evaluate(random_model_dir, make_questions, tmp_path):
    whole, torn = survive(
        tmp_path, "command",
        ["evaluate", "--model", str(random_model_dir), "--questions", str(make_questions(10)[1]),
         "--batch-size", "2", "--max-new-tokens", "8"],
    )  # fmt: skip
    answers = [(row["id"], row["response"]) for row in read_json(whole)]
    for out in (path for path in torn if not path.name.count(".")):
        assert [(row["id"], row["response"]) for row in read_json(out)] == answers
        assert len(read_log(Path(f"{out}.log.jsonl"))) == 11, "nothing is asked twice"


@pytest.mark.parametrize("kind", ["sft", "grpo"])
def test_train(kind, random_model_dir, make_questions, tmp_path):
    whole, torn = survive(
        tmp_path, "command",
        ["train", kind, "--model", str(random_model_dir), "--profile", "tiny",
         "--questions", str(make_questions()[0])],
    )  # fmt: skip
    weights = load_file(whole / "model" / "model.safetensors")
    for out in torn:
        assert not list(out.glob(".*.partial"))
        assert metrics(out) == metrics(whole)
        if kind == "grpo":
            assert read_log(out / "rollouts.jsonl") == read_log(whole / "rollouts.jsonl")
        found = load_file(out / "model" / "model.safetensors")
        assert all(found[name].equal(weight) for name, weight in weights.items())


def test_experiment(profile, splits, tmp_path):
    given = tmp_path / "given"
    given.write_bytes(pickle.dumps((profile, splits, Regime("table", "one", ("sft",)))))
    whole, torn = survive(tmp_path, "experiment", str(given))
    for out in torn:
        names = [path.name for path in sorted((whole / "runs").iterdir())]
        assert names == [path.name for path in sorted((out / "runs").iterdir())]
        for name in names:
            one, other = (read_json(folder / "runs" / name) for folder in (whole, out))
            for part in ("validation", "test"):
                assert one[part]["matches"] == other[part]["matches"]
            assert one["traits"] == other["traits"]


def test_data_prepare(tmp_path):
    template, sums = tmp_path / "runs" / "template", {}
    template.mkdir(parents=True)
    for split in SPLITS:
        for name in (split.questions_file, split.recipes_file):
            text = (TINY / name).read_text(encoding="utf-8")
            if name == split.recipes_file:
                text = "".join(text.splitlines(keepends=True)[:20])
            (template / name).parent.mkdir(exist_ok=True)
            (template / name).write_text(text, encoding="utf-8")
            sums[Path(name).as_posix()] = file_hash(template / name)
    write_json(template / "checksums.json", sums)
    whole, torn = survive(tmp_path, "rendering")
    assert len(contents(whole)) == 60 + 8
    assert all(contents(out) == contents(whole) for out in torn)


def test_data_fetch(make_questions, tmp_path):
    folder = make_questions(40)[1].parent
    whole, torn = survive(tmp_path, "command", ["data", "fetch", "mmau", "--from", str(folder)])
    assert len(contents(whole)) == 42
    assert all(contents(out) == contents(whole) for out in torn)
