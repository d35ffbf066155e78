"""Files: whole or absent when written, one clear line when wrong."""

import json
import os
import re
import socket
import sys
import time
from io import StringIO

import pytest

from r1aqa_helpers.utils import io, progress
from r1aqa_helpers.utils.errors import UserError


def one_line(caught: pytest.ExceptionInfo) -> str:
    message = str(caught.value)
    assert message.isprintable(), f"not one printable line: {message!r}"
    return message


ROWS = [{"id": "é\u2028x", "n": 1}, {"id": "b", "list": [1.5, None, True]}]


def test_json_and_lines_come_back_equal(tmp_path):
    io.write_json(tmp_path / "new" / "deep" / "a.json", ROWS)
    assert io.read_json(tmp_path / "new" / "deep" / "a.json") == ROWS
    io.write_jsonl(tmp_path / "a.jsonl", iter(ROWS))
    assert io.read_jsonl(tmp_path / "a.jsonl") == [(1, ROWS[0]), (2, ROWS[1])]
    lines = (tmp_path / "a.jsonl").read_bytes().decode().split("\n")
    assert [json.loads(line) for line in lines[:-1]] == ROWS and lines[-1] == ""
    (tmp_path / "b.jsonl").write_bytes(b'\xef\xbb\xbf{"a": 1}\r\n\r\n{"a": 2}')
    assert io.read_jsonl(tmp_path / "b.jsonl") == [(1, {"a": 1}), (3, {"a": 2})]
    with pytest.raises(ValueError):
        io.write_json(tmp_path / "nan.json", {"loss": float("nan")})


def test_a_write_that_fails_keeps_the_old_file_and_no_temporary_one(tmp_path, monkeypatch):
    io.write_text(tmp_path / "a.txt", "old")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(io.os, "fsync", full)
    with pytest.raises(UserError) as caught:
        io.write_text(tmp_path / "a.txt", "new")
    assert "No space left" in one_line(caught)
    assert (tmp_path / "a.txt").read_text() == "old"
    monkeypatch.undo()
    io.write_text(tmp_path / "a.txt", "new")
    assert (tmp_path / "a.txt").read_text() == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("write", [io.write_json, io.write_jsonl, io.append_jsonl])
def test_a_place_that_cannot_be_written(tmp_path, write):
    (tmp_path / "file").write_text("")
    (tmp_path / "out").mkdir()
    for path in (tmp_path / "file" / "out.json", tmp_path / "out"):
        with pytest.raises(UserError, match="cannot be written") as caught:
            write(path, [])
        assert one_line(caught).startswith(str(path))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "out"]


BAD_JSON = {
    "truncated": (b'[\n {"id": "a"},\n {"id": "b', ":3: not valid JSON (column 9"),
    "syntax": (b'{"a": 1,\n "b" 2}', ":2: not valid JSON (column 6"),
    "not utf-8": ('{"a": 1,\n "b": "é"}'.encode("latin-1"), ":2: not UTF-8 (byte 0xe9)"),
    "nan": (b'{"a": NaN}', ": not valid JSON (NaN"),
    "infinite": (b'{"a": -1e999}', ": not valid JSON (-1e999 is no JSON number"),
    "digits": (b'{"a": 1' + b"0" * 5000 + b"}", ": not valid JSON"),
    "long number": (b'{"a": ' + b"9" * 400 + b".0}", ": not valid JSON (999"),
    "deep": (b"[" * 200_000, ": not valid JSON"),
    "surrogate": (b'{"a": "\\ud800"}', ": not valid JSON"),
}


@pytest.mark.parametrize("data, expected", BAD_JSON.values(), ids=BAD_JSON)
def test_bad_json_is_one_line_with_its_place(tmp_path, data, expected):
    path = tmp_path / "a.json"
    path.write_bytes(data)
    with pytest.raises(UserError) as caught:
        io.read_json(path)
    assert one_line(caught).startswith(f"{path}{expected}")


@pytest.mark.parametrize("bad", [b'{"id": "c', b'{"a": NaN}', b"\xff"])
def test_a_bad_line_is_named(tmp_path, bad):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"id": "a"}\n{"id": "b"}\n' + bad)
    with pytest.raises(UserError) as caught:
        io.read_jsonl(path)
    assert one_line(caught).startswith(f"{path}:3:")


@pytest.mark.parametrize("name", ["absent.json", "folder", "nul\0.json", "line\nbreak\x1b[2J.json"])
def test_a_file_that_cannot_be_read(tmp_path, name):
    (tmp_path / "folder").mkdir()
    with pytest.raises(UserError) as caught:
        io.read_json(tmp_path / name)
    assert one_line(caught)


@pytest.fixture(params=["pipe", "device", "folder", "socket", "link loop", "link to a pipe"])
def no_file(request, tmp_path):
    """A place that is no regular file; anyone who reads from the pipe waits for ever."""
    path = tmp_path / f"{request.param}.json"
    if request.param == "pipe":
        os.mkfifo(path)
    elif request.param == "device":
        path.symlink_to("/dev/zero")
    elif request.param == "folder":
        path.mkdir()
    elif request.param == "socket":
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(str(path))
    elif request.param == "link loop":
        path.symlink_to(path)
    else:
        os.mkfifo(tmp_path / "pipe")
        path.symlink_to(tmp_path / "pipe")
    return path


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.parametrize(
    "read", [io.read_bytes, io.read_json, io.read_jsonl, io.read_log, io.file_hash]
)
def test_what_is_no_regular_file_is_refused_at_once(no_file, read):
    with pytest.raises(UserError) as caught:
        read(no_file)
    assert one_line(caught).startswith(f"{no_file}: ")


def test_a_name_that_is_too_long_is_a_short_line(tmp_path):
    for path in (tmp_path / ("x" * 5000), tmp_path / ("x/" * 5000)):
        for act in (io.read_json, lambda path: io.write_json(path, 1)):
            with pytest.raises(UserError) as caught:
                act(path)
            assert len(one_line(caught)) < 300


def test_an_interrupted_log_goes_on(tmp_path):
    path = tmp_path / "deep" / "log.jsonl"
    assert io.read_log(path) == []
    for row in ROWS:
        io.append_jsonl(path, row)
    assert io.read_log(path) == ROWS
    with open(path, "ab") as stream:
        stream.write('{"id": "torn é'.encode()[:-1])  # cut within a character
    assert io.read_log(path) == ROWS
    io.append_jsonl(path, {"id": "c"}, flush=False)
    assert io.read_log(path) == [*ROWS, {"id": "c"}]
    assert b"torn" not in path.read_bytes()
    path.write_bytes(b'{"id"')  # one torn line only
    assert io.read_log(path) == []
    io.append_jsonl(path, {"id": "a"})
    assert path.read_bytes() == b'{"id": "a"}\n'


@pytest.mark.parametrize("line", [b"[1]\n", b"{broken\n"])
def test_a_log_damaged_elsewhere_is_an_error(tmp_path, line):
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"id": "a"}\n' + line + b'{"id": "b"}\n')
    with pytest.raises(UserError) as caught:
        io.read_log(path)
    assert one_line(caught).startswith(f"{path}:2:")


class Terminal(StringIO):
    def __init__(self, tty: bool):
        super().__init__()
        self.tty = tty

    def isatty(self) -> bool:
        return self.tty


@pytest.mark.parametrize("tty", [True, False])
def test_track_yields_every_item_and_nests(monkeypatch, tty):
    monkeypatch.setattr(sys, "stderr", Terminal(tty))
    outer = progress.track(range(3), "outer [x]")
    assert [(i, j) for i in outer for j in progress.track("ab", "inner")] == [
        (i, j) for i in range(3) for j in "ab"
    ]
    assert tty or sys.stderr.getvalue() == ""  # nothing for what is quick


def test_track_prints_plain_lines_with_an_estimate(monkeypatch):
    monkeypatch.setattr(progress, "PLAIN_INTERVAL", 0.05)
    monkeypatch.setattr(sys, "stderr", Terminal(False))
    for _ in progress.track(iter("abcd"), "answering", 4):
        time.sleep(0.03)
    for _ in progress.track(iter("abcd"), "counting"):
        time.sleep(0.03)
    printed = sys.stderr.getvalue()
    assert re.search(r"^answering: [23]/4 \(\d+ %\), \d+ s, about \d+ s left$", printed, re.M)
    assert "answering: 4/4 (100 %)" in printed and re.search(r"^counting: 4, \d+ s$", printed, re.M)
    assert len(printed.splitlines()) <= 8


def test_one_item_makes_no_estimate(monkeypatch):
    """It may have waited for a pool of processes to start."""
    monkeypatch.setattr(progress, "PLAIN_INTERVAL", 0.01)
    monkeypatch.setattr(sys, "stderr", Terminal(False))
    for _ in progress.track(iter("abcd"), "rendering", 4):
        time.sleep(0.02)
    lines = sys.stderr.getvalue().splitlines()
    assert lines[0] == "rendering: 1/4 (25 %), 0 s" and "about" in lines[1]
