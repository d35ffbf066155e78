"""AVQA from parquet with its clips: streamed, resumed, and each rejected row listed."""

import io
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import soundfile
from typer.testing import CliRunner

from r1aqa_helpers.cli import app
from r1aqa_helpers.data import avqa_hub, download, read_avqa
from r1aqa_helpers.data.audio import load_audio
from r1aqa_helpers.data.avqa_hub import fetch_avqa, parse_row
from r1aqa_helpers.data.parse import Fault
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import read_json, read_log

ASKED = "How many animals are in the video?\nChoices:\nA. 3\nB. One\nC. 4\nD. 2"


def sound(number: int, **options) -> bytes:
    wave = 0.3 * np.sin(2 * np.pi * 100 * (number + 1) * np.arange(1600) / 16_000)
    buffer = io.BytesIO()
    soundfile.write(buffer, wave, 16_000, **{"format": "WAV"} | options)
    return buffer.getvalue()


def row(number: int, **other) -> dict:
    name = f"clip_{number:06}.wav"
    return {
        "file_name": name,
        "audio": {"bytes": sound(number), "path": name},
        "question": ASKED,
        "answer": "B. One",
    } | other


def with_clip(number: int, data: bytes | None, name: str = "x.wav") -> dict:
    return row(number, audio={"bytes": data, "path": name}, file_name=name)


def write(
    folder: Path, rows: list[dict], name: str = "train-00000-of-00001.parquet", group: int = 3
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    table = pyarrow.Table.from_pylist(rows)
    pyarrow.parquet.write_table(table, folder / name, row_group_size=group)
    return folder


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_a_line_is_r1_aqas_and_its_clip_is_a_file(tmp_path):
    done = fetch_avqa("train", write(tmp_path / "in", [row(0)]))
    assert done.file == Path("runs/avqa/avqa-train.jsonl")
    assert (done.questions, done.clips, done.left_out) == (1, 1, ())
    [line] = read_log(done.file)
    name = line.pop("audio_path")
    assert line == {
        "id": "train-00000-of-00001-0",
        "question_text": "How many animals are in the audio?",
        "multi_choice": ["3", "One", "4", "2"],
        "answer": 1,
        "dataset_name": "AVQA",
        "file_name": "clip_000000.wav",
    }
    [question] = read_avqa(done.file)
    assert question.audio == tmp_path / "runs" / "avqa" / name
    assert question.audio.read_bytes() == sound(0)
    source = read_json(done.file.parent / "avqa-train.source.json")
    assert (source["questions"], source["origin"]) == (1, {"folder": "in"})


def test_what_is_left_out_is_told_and_no_name_becomes_a_path(tmp_path):
    rows = [
        row(0),
        row(0),  # the same clip once more
        with_clip(1, sound(1), "../../outside.wav"),
        with_clip(2, sound(2), "clip_000000.wav"),  # the name of another clip
        with_clip(3, sound(3, format="MP3"), "/etc/clip\0\n<b>.wav"),
        with_clip(4, sound(4)[:300]),
        with_clip(5, b"no sound"),
        with_clip(6, None),
        row(8, answer="E. Five"),
        row(9, question="How many?"),
        row(10, file_name=None),
    ]
    out = tmp_path / "out"
    done = fetch_avqa("train", write(tmp_path / "in", rows), out)
    kept = [line["id"].rsplit("-", 1)[1] for line in read_log(done.file)]
    assert kept == ["0", "1", "2", "3", "4", "10"] and (done.questions, done.clips) == (6, 5)
    assert done.counts == {"missing": 1, "broken": 2, "faulty": 2}
    assert [(each.place.split()[-1], each.kind) for each in done.left_out] == [
        ("5", "broken"), ("6", "broken"), ("7", "missing"), ("8", "faulty"), ("9", "faulty"),
    ]  # fmt: skip
    assert "field answer: 'E. Five'" in done.left_out[3].reason
    assert read_log(done.list_file) == [vars(each) for each in done.left_out]
    questions = read_avqa(done.file)
    assert all(q.audio.parent == out / "audio" and len(load_audio(q.audio)) for q in questions)
    assert {q.audio.suffix for q in questions} == {".wav", ".mp3"}
    assert questions[3].audio != questions[0].audio == questions[1].audio
    assert {p.name for p in (out / "audio").iterdir()} == {q.audio.name for q in questions}
    assert {p.name for p in tmp_path.iterdir()} == {"in", "out"}


@pytest.mark.parametrize(
    ("question", "answer", "parsed"),
    [
        (ASKED, " B. One", ("How many animals are in the video?", ["3", "One", "4", "2"], 1)),
        (ASKED, " 2 ", ("How many animals are in the video?", ["3", "One", "4", "2"], 3)),
        ("Q\nand\nChoices:\nA. A. b\n\n B.b", "B.b", ("Q\nand", ["A. b", "b"], 1)),
        (None, "A. x", None),
        (ASKED, b"B. One", None),
        ("Q\nA. x\nB. y", "A. x", None),
        ("Q\nChoices:\nA. x\nC. y", "A. x", None),
        ("Q\nChoices:\nA. x\nB.", "A. x", None),
        ("Q\nChoices:\nA. up\nB. up", "up", None),
    ],
)
def test_two_texts_are_parsed_or_a_fault(question, answer, parsed):
    if parsed is None:
        with pytest.raises(Fault, match="^field (question|answer)"):
            parse_row(question, answer)
    else:
        assert parse_row(question, answer) == parsed


def test_few_rows_are_in_memory_at_a_time(tmp_path):
    size, count = 250_000, 40
    rows = [with_clip(n, np.random.default_rng(n).bytes(size)) for n in range(count)]
    path = write(tmp_path / "in", rows, group=5) / "train-00000-of-00001.parquet"
    del rows
    before = pyarrow.default_memory_pool().bytes_allocated()
    held = [
        pyarrow.default_memory_pool().bytes_allocated() - before
        for _ in download.read_parquet(path, ["audio"])
    ]
    assert len(held) == count and max(held) < 20 * size


def test_interrupted_it_goes_on_and_decodes_no_clip_again(tmp_path, monkeypatch):
    folder, out = write(tmp_path / "in", [row(n) for n in range(8)]), tmp_path / "out"
    real, decoded = download.decode_audio, []

    def broken_off(file):
        if len(decoded) == 4:
            raise KeyboardInterrupt
        decoded.append(file.getvalue())
        return real(file)

    monkeypatch.setattr(download, "decode_audio", broken_off)
    with pytest.raises(KeyboardInterrupt):
        fetch_avqa("train", folder, out)
    assert not (out / "avqa-train.jsonl").exists()
    decoded.clear()
    monkeypatch.setattr(download, "decode_audio", lambda f: decoded.append(f.getvalue()) or real(f))
    done = fetch_avqa("train", folder, out)
    assert decoded == [sound(n) for n in range(4, 8)] and done.questions == 8
    clip = next((out / "audio").iterdir())
    clip.write_bytes(b"torn")
    decoded.clear()
    assert fetch_avqa("train", folder, out) == done and clip.read_bytes() != b"torn"
    assert len(decoded) == 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: write(folder, [row(0)], "validation-0.parquet"), "holds no train"),
        (lambda folder: write(folder, [{"audio": 1}]), "lacks one of the columns"),
        (lambda folder: write(folder, [row(0, answer="x")]), "none of its 1 questions can"),
    ],
)
def test_a_folder_that_will_not_do_is_one_line(tmp_path, make, message):
    make(tmp_path / "in")
    with pytest.raises(UserError, match=message) as fault:
        fetch_avqa("train", tmp_path / "in", tmp_path / "out")
    assert "\n" not in str(fault.value)


def test_from_the_hub_come_the_files_of_the_split(tmp_path, monkeypatch):
    folder, asked = write(tmp_path / "hub", [row(0)]), []

    def fetch(repo, wanted):
        names = ["README.md", "data/train-00000-of-00001.parquet", "data/validation-0.parquet"]
        asked.append((repo, wanted(names)))
        return folder, {"hub": repo, "revision": "newest"}

    monkeypatch.setattr(avqa_hub, "fetch_from_hub", fetch)
    done = fetch_avqa()
    assert asked == [("gijs/avqa-processed", ["data/train-00000-of-00001.parquet"])]
    source = read_json(done.file.parent / "avqa-train.source.json")
    assert source["origin"] == {"hub": "gijs/avqa-processed", "revision": "newest"}


def test_the_command_prints_what_was_left_out(tmp_path):
    folder = write(tmp_path / "in", [row(0), with_clip(1, None)])
    arguments = ["data", "fetch", "avqa", "--from", str(folder), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "1 questions about 1 clips in " in result.stdout
    assert "left out: 1 (missing 1, broken 0, faulty 0), listed in" in result.stdout
    assert "  missing: train-00000-of-00001.parquet: row 1: no recording" in result.stdout
