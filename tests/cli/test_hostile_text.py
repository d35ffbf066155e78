"""What files and models hold reaches the terminal as text, in lines of a bounded length."""

import json
import os
import warnings

import pytest
from typer.testing import CliRunner

from r1aqa_helpers.cli import app
from r1aqa_helpers.reporting import human
from r1aqa_helpers.utils.io import read_json, write_json, write_jsonl
from r1aqa_helpers.utils.untrusted import LINE

#: Clears the screen, sets the window's title, turns the direction, adds a line.
EVIL = "\x1b[2J\x1b]0;x\x07\x9b31m\u202egnp\u2066\u200f\rx\nerror: forged\x08\u2028\ufeff"
LONG = "long " * 1000


@pytest.fixture(autouse=True)
def no_listener(monkeypatch, tmp_path):
    monkeypatch.setattr(human, "FOLDER", tmp_path / "listening")


def call(*arguments, code: int = 0) -> str:
    """What a command prints; all of it printable, and no line forged by a line end in a name."""
    with warnings.catch_warnings():  # the command sets how they are printed, and when
        warnings.simplefilter("always")
        done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == code, (done.output, done.exception)
    for line in done.output.split("\n"):
        assert line.isprintable(), repr(line)
        assert len(line) <= LINE + 20 or line.startswith("{"), len(line)
        assert not line.startswith("error: forged")
    assert code == 0 or len(done.stderr.splitlines()) == 1
    return done.output


@pytest.fixture(params=[EVIL, LONG], ids=["evil", "long"])
def text(request):
    return request.param


@pytest.fixture
def files(make_questions, tmp_path, text):
    """Questions and predictions that hold the text wherever a text may stand."""
    _, path = make_questions()
    name = text.replace("/", "")[:60].encode("utf-8", "replace").decode()
    rows = read_json(path)
    for number, row in enumerate(rows):
        row |= {name: f"{text}{number}" for name in ("id", "question", "dataset", "split")}
        row |= {label: text for label in ("task", "category", "sub-category", "difficulty")}
        row |= {"choices": [f"{text} dog", f"{text} cat"], "answer": f"{text} dog"}
    questions, said = path.with_name(f"{name}.json"), tmp_path / f"{name}.jsonl"
    write_json(questions, rows)
    responses = [f"{text} cat", f"<answer>{text} dog</answer>", text, "", f"<think>{text}", "dog"]
    pairs = zip(rows, responses, strict=True)
    write_jsonl(said, [{"id": row["id"], "response": response} for row, response in pairs])
    return questions, said


def test_audit_and_score(files, tmp_path, text):
    questions, said = files
    call("data", "audit", questions, "--against", questions)
    assert json.loads(call("data", "audit", questions, "--json"))["n"] == 6
    scored = ["score", "--questions", questions, "--predictions", said]
    call(*scored, "--plot", tmp_path / "a.svg")
    assert "\x1b" not in (tmp_path / "a.svg").read_text()
    assert json.loads(call(*scored, "--json"))["n"] == 6
    call(*scored, "--as", "x", "--source", "https://example.org", "--out", tmp_path / "row.json")
    call("table", "--scored", tmp_path / "row.json")
    assert json.loads(call("table", "--scored", tmp_path / "row.json", "--json"))["rows"]


def test_faults_name_what_is_hostile(files, tmp_path, text):
    questions, said = files
    rows, lines = read_json(questions), said.read_text().split("\n")[:-1]
    scored = ["score", "--questions", questions, "--predictions", said]
    said.write_text("\n".join([*lines, lines[0]]))
    assert "twice" in call(*scored, code=1)
    write_jsonl(said, [{"id": f"other {text}", "response": ""}])
    assert "is not among the questions" in call(*scored, code=1)
    for field, value in (
        ("answer", f"none {text}"), ("audio_id", f"../{text}"), ("choices", {text: text}),
        ("task", [text]), ("id", rows[1]["id"]), (text, text),
    ):  # fmt: skip
        write_json(questions, [rows[0] | {field: value}, *rows[1:]])
        call("data", "audit", questions, code=int(field != text))


@pytest.mark.parametrize("name", [EVIL.replace("/", ""), "x" * 5000, "x/" * 3000, "~nobody/x"])
def test_names_on_the_command_line(name, make_questions, tmp_path):
    _, questions = make_questions()
    out = tmp_path / "out.json"
    call("data", "audit", name + ".json", code=1)
    call("score", "--questions", questions, "--predictions", name, code=1)
    call("table", "--scored", name, code=1)
    call("table", "--run", name, code=1)
    call("push", name, "--repo", "a/b", "--dry-run", code=1)
    call("push", tmp_path, "--repo", name, "--dry-run", code=1)
    call("evaluate", "--model", name, "--questions", questions, "--out", out, code=1)
    call("ask", "--audio", name, "--question", "?", "--choices", "a", "b", code=1)
    call("data", "fetch", "mmau", "--from", name, "--out", tmp_path / "mmau", code=1)
    call("data", "fetch", "avqa", "--from", name, "--out", tmp_path / "avqa", code=1)
    call("reproduce", "--profile", "tiny", "--questions", name, "--out", tmp_path / "r", code=1)
    call("cascade", "--profile", "tiny", "--text-model", name, "--out", tmp_path / "c",
         "--questions", questions, code=1)  # fmt: skip
    if len(name) > 255:
        call("evaluate", "--model", "m", "--questions", questions, "--out", name, code=1)


def test_ask_shows_what_a_model_said(random_model_dir, make_questions, monkeypatch):
    from r1aqa_helpers.evaluation import local

    audio = make_questions()[0].parent / "clips" / "0.wav"
    monkeypatch.setattr(local, "generate", lambda *_, **__: [f"<answer>{EVIL}</answer>" + LONG])
    printed = call("ask", "--audio", audio, "--question", "?", "--choices", "a", "b",
                   "--model", random_model_dir)  # fmt: skip
    assert "answer:   \\x1b[2J" in printed


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_pipes_and_devices_are_refused_at_once(make_questions, tmp_path):
    _, questions = make_questions()
    pipe, zero, loop = tmp_path / "pipe.json", tmp_path / "zero.json", tmp_path / "loop.json"
    os.mkfifo(pipe)
    zero.symlink_to("/dev/zero")
    loop.symlink_to(loop)
    for path in (pipe, zero, loop, tmp_path):
        call("score", "--questions", questions, "--predictions", path, code=1)
        call("table", "--scored", path, code=1)
        call("ask", "--audio", path, "--question", "?", "--choices", "a", "b", code=1)
        call("data", "fetch", "mmau", "--from", path, "--out", tmp_path / "out", code=1)
    parquet = tmp_path / "folder" / "train.parquet"
    parquet.parent.mkdir()
    os.mkfifo(parquet)
    for kind in ("mmau", "avqa"):
        call("data", "fetch", kind, "--from", parquet.parent, "--out", tmp_path / "out", code=1)
    for path in (pipe, zero, loop):
        call("score", "--questions", path, "--predictions", questions, code=1)
        call("data", "audit", path, code=1)
