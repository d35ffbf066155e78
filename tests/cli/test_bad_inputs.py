"""What people give by mistake, or to do harm: one line, exit 1, no traceback, within 5 s."""

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from r1aqa_helpers.cli import app

MMAU = {"id": "a", "audio_id": "a.wav", "question": "What?", "choices": ["dog", "cat"],
        "answer": "dog", "task": "sound", "difficulty": "easy"}  # fmt: skip
AVQA = {"id": 1, "question_text": "What?", "multi_choice": ["dog", "cat"], "answer": 0,
        "dataset_name": "AVQA", "audio_path": "a.wav"}  # fmt: skip
ROW = {"method": "mine", "average": 50.0, "sound": 50.0, "music": None, "speech": None,
       "ci95": [40.0, 60.0], "n": 10, "missing": 0, "unparsed": 0, "source": "me",
       "test_set": {"name": "x", "n": 10, "sha256": "0" * 64}}  # fmt: skip
ANNOTATION = {"id": 0, "video_name": "x_000001", "question_text": "What is in the video?",
              "multi_choice": ["dog", "cat"], "answer": 0}  # fmt: skip
NO = object()

#: Content that is no JSON of any form.
NOT_JSON = {
    "empty": b"",
    "spaces": b" \n\t",
    "text": b"hello",
    "cut": b'[{"id": "a", "choi',
    "comma": b'[{"id": "a"},]',
    "NaN": b"[NaN]",
    "infinity": b'{"n": -Infinity}',
    "huge integer": b"[" + b"9" * 5000 + b"]",
    "latin-1": b'[{"id": "\xe9"}]',
    "utf-16": '[{"id": "a"}]'.encode("utf-16"),
    "gzip": b"\x1f\x8b\x08\x00" + bytes(40),
    "zip": b"PK\x03\x04" + bytes(40),
    "parquet": b"PAR1" + bytes(40) + b"PAR1",
    "nul": bytes(1000),
    "deep": b"[" * 100_000,
    "deep object": b'{"a":' * 50_000,
    "surrogate": b'[{"id": "\\ud800"}]',
    "html": b"<!doctype html><title>404</title>",
    "LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
}
#: JSON that is neither a list of objects nor lines of them.
OTHER_JSON = [None, 1, "text", [], {}, [1], [None], [[]], ["a"], [{}], {"a": [MMAU]}]


def changed(row: dict, **fields: object) -> dict:
    return {name: value for name, value in {**row, **fields}.items() if value is not NO}


MMAU_FILES = [
    [changed(MMAU, **{name: value})]
    for name, values in {
        "id": [NO, None, "", " ", [], {}, 1.5, True],
        "question": [NO, None, "", 7, ["?"]],
        "audio_id": [NO, None, "", 3, "../../etc/passwd", "a\0b"],
        "choices": [NO, None, [], ["dog"], "dog", ["dog", 1], [["dog"], "cat"], {"A": "dog"}],
        "answer": ["bird", 0, ["dog"], {}],
        "task": [3, []],
    }.items()
    for value in values
] + [[MMAU, MMAU], [MMAU, 3]]
AVQA_FILES = [
    [changed(AVQA, **{name: value})]
    for name, values in {
        "id": [NO, None, " ", {}],
        "question_text": [NO, "", 1],
        "multi_choice": [NO, [], ["dog"], "dog", [1, 2]],
        "answer": [NO, None, -1, 2, "dog", 0.5, True],
        "audio_path": [NO, "", 1, "../a.wav"],
    }.items()
    for value in values
] + [[AVQA, AVQA]]
PREDICTIONS = [
    [changed({"id": "a", "model_prediction": "dog"}, **fields)]
    for fields in (
        {"id": NO}, {"id": ""}, {"id": []}, {"model_prediction": 1}, {"model_prediction": ["dog"]},
        {"model_prediction": {}}, {"model_prediction": None}, {"model_prediction": NO},
        {"model_prediction": True}, {"model_output": 2, "model_prediction": NO},
    )
] + [[{"id": "a", "model_prediction": "dog"}] * 2]  # fmt: skip
ROWS = [
    changed(ROW, **{name: value})
    for name, values in {
        "method": [NO, None, "", [], {}],
        "average": [NO, None, "50", -1, 101, [], {}, 1e300],
        "ci95": [NO, None, 5, [1], [1, 2, 3], ["a", "b"], [60, 40], [0, 1], {}],
        "n": [NO, None, -1, 1.5, "ten", [], 10**400],
        "missing": [None, -1, "x", {}],
        "unparsed": [None, -1, []],
        "source": [NO, None, ""],
        "test_set": [NO, None, 1, [], {"name": 1}],
    }.items()
    for value in values
]
ANNOTATIONS = [
    [changed(ANNOTATION, **{name: value})]
    for name, values in {
        "video_name": [NO, 1, "", None, "../x"],
        "question_text": [NO, 1],
        "multi_choice": [NO, 1, ["dog"]],
        "answer": [NO, 5, "dog"],
    }.items()
    for value in values
]


def call(*arguments: object) -> str:
    """The one line of a command that must fail."""
    began = time.process_time()
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert isinstance(done.exception, SystemExit), (done.exception, done.output)
    assert done.exit_code == 1, done.output
    lines = [line for line in done.stderr.splitlines() if not line.startswith("warning: ")]
    assert len(lines) == 1 and lines[0].startswith("error: ") and len(lines[0]) < 1100, lines
    assert "Traceback" not in done.output and time.process_time() - began < 5
    return lines[0]


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder with a good recording, questions and predictions; the bad file is put into it."""
    folder = tmp_path_factory.mktemp("bad")
    soundfile.write(folder / "a.wav", 0.1 * np.sin(np.arange(8000)), 16_000)
    (folder / "good.json").write_text(json.dumps([MMAU]))
    (folder / "said.json").write_text(json.dumps([{"id": "a", "model_prediction": "dog"}]))
    return folder


def commands(kind: str, file: Path) -> list[list[object]]:
    """Every command that reads a file of this kind."""
    folder = file.parent
    out, good = folder / "out", folder / "good.json"
    model = ["--model", folder / "no model"]
    questions = [
        ["data", "audit", file], ["data", "audit", good, "--against", file],
        ["score", "--questions", file, "--predictions", folder / "said.json"],
        ["evaluate", *model, "--questions", file, "--out", out],
        ["train", "sft", *model, "--questions", file, "--out", out, "--profile", "tiny"],
        ["quiz", "--questions", file],
        ["probe", *model, "--questions", file, "--train", good, "--out", out],
        ["cascade", *model, "--questions", file, "--out", out],
        ["reproduce", *model, "--train", good, "--test", file, "--out", out, "--profile", "tiny"],
    ]  # fmt: skip
    return {
        "questions": questions,
        "predictions": [["score", "--questions", good, "--predictions", file]],
        "row": [["table", "--scored", file], ["table", "--json", "--scored", file]],
        "annotations": [["data", "convert-avqa", "--annotations", file, "--audio-dir", folder,
                         "--out", folder / "made" / "lines.jsonl"]],
        "audio": [["ask", "--audio", file, "--question", "?", "--choices", "a", "b"]],
    }[kind]  # fmt: skip


def cases() -> list:
    """Kind, suffix and content of each file."""
    made = []
    for name, data in NOT_JSON.items():
        made += [(kind, ".json", name, data) for kind in ("questions", "predictions", "row")]
        made += [("annotations", ".json", name, data), ("audio", ".wav", name, data)]
        if name not in ("infinity",):
            made.append(("questions", ".jsonl", name, data))
    lists = {"questions": MMAU_FILES, "predictions": PREDICTIONS, "row": ROWS,
             "annotations": ANNOTATIONS}  # fmt: skip
    for kind, contents in lists.items():
        for content in [*OTHER_JSON, *contents]:
            text = json.dumps(content)
            made.append((kind, ".json", text[:40], text.encode()))
    for rows in AVQA_FILES:
        text = "\n".join(map(json.dumps, rows))
        made.append(("questions", ".jsonl", text[:40], text.encode()))
    return made


CASES = cases()


def test_there_are_enough():
    assert len({(kind, data) for kind, _, _, data in CASES}) >= 250


@pytest.mark.parametrize("kind", ["questions", "predictions", "row", "annotations", "audio"])
def test_bad_content(place, kind):
    """All inputs of a kind through the commands that read it; each input goes through all of them.

    In one test for each kind: a test for each pair would take longer to name than to run.
    """
    faults = []
    for number, (_, suffix, name, data) in enumerate(c for c in CASES if c[0] == kind):
        file = place / f"bad{number}{suffix}"
        file.write_bytes(data)
        for arguments in commands(kind, file):
            try:
                line = call(*arguments)
                assert file.name in line or place.name in line
            except AssertionError as fault:
                faults.append(f"{arguments[:2]} {name}: {str(fault)[:300]}")
        file.unlink()
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("kind", ["questions", "predictions", "row", "annotations", "audio"])
@pytest.mark.parametrize(
    "make",
    [
        lambda path: None,
        lambda path: path.mkdir(),
        os.mkfifo,
        lambda path: path.symlink_to("/dev/zero"),
        lambda path: path.symlink_to(path.name),
    ],
    ids=["missing", "folder", "pipe", "device", "link to itself"],
)
def test_no_file(tmp_path, place, kind, make):
    for name in ("a.wav", "good.json", "said.json"):
        (tmp_path / name).write_bytes((place / name).read_bytes())
    file = tmp_path / ("bad.wav" if kind == "audio" else "bad.json")
    make(file)
    for arguments in commands(kind, file):
        assert file.name in call(*arguments)


@pytest.mark.parametrize("out", ["/proc/out", "/dev/null/out", "good.json/out"])
def test_nowhere_to_write(place, out, monkeypatch):
    # Said before clips are rendered, which takes a while.
    monkeypatch.setattr("r1aqa_helpers.tiny.data._jobs", None)
    out = place / out if out.startswith("good") else out
    good = place / "good.json"
    for arguments in (
        ["evaluate", "--model", "m", "--questions", good, "--out", f"{out}/p.json"],
        ["train", "sft", "--model", "m", "--questions", good, "--out", out, "--profile", "tiny"],
        ["data", "convert-avqa", "--annotations", good, "--audio-dir", place, "--out",
         f"{out}/a.jsonl"],
        ["data", "fetch", "mmau", "--from", place, "--out", out],
        ["reproduce", "--profile", "tiny", "--out", out],
        ["experiment", "run", "--out", out],
        ["probe", "--profile", "tiny", "--out", out],
        ["cascade", "--profile", "tiny", "--out", out],
    ):  # fmt: skip
        call(*arguments)
