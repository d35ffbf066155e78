"""AVQA from parquet with its clips: streamed, resumed, and nothing dropped without being told."""

import io
import json
import tracemalloc
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import soundfile
from typer.testing import CliRunner

from r1aqa_helpers.audio import load_audio
from r1aqa_helpers.cli import app
from r1aqa_helpers.errors import UserError
from r1aqa_helpers.questions import avqa_processed, read_avqa
from r1aqa_helpers.questions import hub as questions_hub
from r1aqa_helpers.questions.avqa_processed import fetch_avqa, parse_row, split_of
from r1aqa_helpers.questions.rows import Fault

ASKED = "How many animals are in the video?\nChoices:\nA. 3\nB. One\nC. 4\nD. 2"


def sound(number: int, **form) -> bytes:
    wave = 0.3 * np.sin(2 * np.pi * 100 * (number + 1) * np.arange(1600) / 16_000)
    buffer = io.BytesIO()
    soundfile.write(buffer, wave, 16_000, **{"format": "WAV"} | form)
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


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_a_line_is_r1_aqas_and_its_clip_is_a_file(tmp_path):
    done = fetch_avqa("train", write(tmp_path / "in", [row(0)]))
    assert done.file == Path("runs/avqa/avqa-train.jsonl")
    assert (done.questions, done.clips, done.left_out) == (1, 1, ())
    [line] = lines(done.file)
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
    source = json.loads((done.file.parent / "avqa-train.source.json").read_text())
    assert source == {"split": "train", "questions": 1, "clips": 1, "missing": 0, "broken": 0,
                      "faulty": 0, "origin": {"folder": "in"}}  # fmt: skip


def test_what_is_left_out_is_told_and_no_name_becomes_a_path(tmp_path):
    rows = [
        row(0),
        row(0),  # the same clip once more
        with_clip(1, sound(1), "../../outside.wav"),
        with_clip(2, sound(2), "clip_000000.wav"),  # another clip of a name that there is
        with_clip(3, sound(3, format="MP3"), "/etc/clip\0\n<b>.wav"),
        with_clip(4, sound(4)[:300]),
        with_clip(5, b"no sound"),
        with_clip(6, None),
        with_clip(7, b""),
        row(8, answer="E. Five"),
        row(9, question="How many?"),
        row(10, file_name=None),
    ]
    out = tmp_path / "out"
    done = fetch_avqa("train", write(tmp_path / "in", rows), out)
    assert [line["id"].rsplit("-", 1)[1] for line in lines(done.file)] == ["0", "1", "2", "3", "4",
                                                                          "11"]  # fmt: skip
    assert (done.questions, done.clips) == (6, 5)
    assert done.counts == {"missing": 2, "broken": 2, "faulty": 2}
    told = [(each.place.split()[-1], each.kind) for each in done.left_out]
    assert told == [("5", "broken"), ("6", "broken"), ("7", "missing"), ("8", "missing"),
                    ("9", "faulty"), ("10", "faulty")]  # fmt: skip
    assert "field answer: 'E. Five' is none of the choices" in done.left_out[4].reason
    assert lines(done.list_file)[0] == {
        "place": "train-00000-of-00001.parquet: row 5",
        "file_name": "x.wav",
        "kind": "broken",
        "reason": done.left_out[0].reason,
    }
    questions = read_avqa(done.file)
    assert all(q.audio.parent == out / "audio" and len(load_audio(q.audio)) for q in questions)
    assert {q.audio.suffix for q in questions} == {".wav", ".mp3"}
    assert questions[3].audio != questions[0].audio == questions[1].audio
    assert sorted(p.name for p in (out / "audio").iterdir()) == sorted(
        {q.audio.name for q in questions}
    )
    assert (
        not (tmp_path / "outside.wav").exists() and not (tmp_path.parent / "outside.wav").exists()
    )


@pytest.mark.parametrize(
    ("question", "answer", "parsed"),
    [
        (ASKED, "B. One", ("How many animals are in the video?", ["3", "One", "4", "2"], 1)),
        (ASKED, " 2 ", ("How many animals are in the video?", ["3", "One", "4", "2"], 3)),
        ("Q\nChoices:\nA. up\nB. up\n", "B. up", ("Q", ["up", "up"], 1)),
        ("Q\nand\nChoices:\nA. A. b\n\n B.c", "A. A. b", ("Q\nand", ["A. b", "c"], 0)),
    ],
)
def test_two_texts_are_taken_apart(question, answer, parsed):
    assert parse_row(question, answer) == parsed


@pytest.mark.parametrize(
    ("question", "answer", "reason"),
    [
        (None, "A. x", "field question: is None"),
        (ASKED, "", "field answer: is ''"),
        (ASKED, b"B. One", "field answer: is b'B. One'"),
        ("Q\nA. x\nB. y", "A. x", 'has no lines "Choices:"'),
        ("Q\nChoices:\nA. x\nC. y", "A. x", 'has no lines "Choices:"'),
        ("Q\nChoices:\nA. x\nB.", "A. x", "choice B is blank"),
        ("Q\nChoices:\nA. up\nB. up", "up", "'up' is none of the choices"),
        (ASKED, "A. One", "'A. One' is none of the choices"),
    ],
)
def test_what_has_another_form_is_a_fault(question, answer, reason):
    with pytest.raises(Fault, match=None) as fault:
        parse_row(question, answer)
    assert reason in str(fault.value)


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("data/train-00000-of-00012.parquet", "train"),
        ("validation.parquet", "validation"),
        ("default/train/0000.parquet", "train"),
        ("default/train/validation-0.parquet", "validation"),
        ("train-0.json", None),
        ("trained-0.parquet", None),
    ],
)
def test_a_split_is_told_by_the_name(name, split):
    assert split_of(Path(name)) == split


def test_row_groups_are_read_one_at_a_time_and_few_rows_of_them(tmp_path, monkeypatch):
    folder = write(tmp_path / "in", [row(n) for n in range(7)])
    write(folder, [row(n) for n in range(7, 9)], "train-00001-of-00002.parquet")
    asked, seen = [], []
    real = pyarrow.parquet.ParquetFile.iter_batches

    def iter_batches(self, batch_size, row_groups, columns):
        asked.append(row_groups)
        for batch in real(self, batch_size=batch_size, row_groups=row_groups, columns=columns):
            seen.append(batch.num_rows)
            yield batch

    def whole(*_, **__):
        raise AssertionError("a file was read whole")

    monkeypatch.setattr(pyarrow.parquet.ParquetFile, "iter_batches", iter_batches)
    monkeypatch.setattr(pyarrow.parquet.ParquetFile, "read", whole)
    monkeypatch.setattr(pyarrow.parquet.ParquetFile, "read_row_group", whole)
    assert fetch_avqa("train", folder).questions == 9
    assert asked == [[0], [1], [2], [0]]
    assert max(seen) <= avqa_processed.ROWS and sum(seen) == 9


def test_memory_does_not_grow_with_the_file(tmp_path):
    """Arrow's share stays at a few row groups of 5 clips, Python's too; the file has 100."""
    clip = 250_000
    rng = np.random.default_rng(0)
    buffers = []
    for _ in range(100):
        buffer = io.BytesIO()
        soundfile.write(buffer, rng.uniform(-0.5, 0.5, clip // 2), 16_000, format="WAV")
        buffers.append(buffer.getvalue())
    rows = [with_clip(n, data) for n, data in enumerate(buffers)]
    folder = write(tmp_path / "in", rows, group=5)
    del rows, buffers
    pool = pyarrow.default_memory_pool()
    before = pool.bytes_allocated()
    peaks = []
    real = avqa_processed.keep_clip

    def keep_clip(out, data):
        peaks.append(pool.bytes_allocated() - before)
        return real(out, data)

    tracemalloc.start()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(avqa_processed, "keep_clip", keep_clip)
            assert fetch_avqa("train", folder).questions == 100
        _, python = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(peaks) == 100 and max(peaks) < 25 * clip, max(peaks)
    assert python < 25 * clip, python  # decoding a clip takes several copies of it, as float32


def test_interrupted_it_goes_on_at_the_row_group(tmp_path, monkeypatch):
    folder, out = write(tmp_path / "in", [row(n) for n in range(8)]), tmp_path / "out"
    real, kept = avqa_processed.keep_clip, []

    def broken_off(where, data):
        if len(kept) == 4:
            raise KeyboardInterrupt
        kept.append(data)
        return real(where, data)

    monkeypatch.setattr(avqa_processed, "keep_clip", broken_off)
    with pytest.raises(KeyboardInterrupt):
        fetch_avqa("train", folder, out)
    assert not (out / "avqa-train.jsonl").exists()
    kept.clear()
    monkeypatch.setattr(avqa_processed, "keep_clip", lambda w, d: kept.append(d) or real(w, d))
    done = fetch_avqa("train", folder, out)
    assert kept == [sound(n) for n in range(3, 8)]  # not the first row group, of three rows
    assert [line["file_name"][8:11] for line in lines(done.file)] == [f"{n:03}" for n in range(8)]
    before = {p: p.stat().st_mtime_ns for p in (out / "audio").iterdir()}
    kept.clear()
    assert fetch_avqa("train", folder, out) == done and kept == []
    next(iter(before)).unlink()
    assert fetch_avqa("train", folder, out) == done and 1 <= len(kept) <= 3
    assert {p.name for p in (out / "audio").iterdir()} == {p.name for p in before}


def test_other_files_do_not_go_on_in_the_same_folder(tmp_path):
    fetch_avqa("train", write(tmp_path / "in", [row(0)]), tmp_path / "out")
    other = write(tmp_path / "other", [row(0), row(1)])
    with pytest.raises(UserError, match="already holds clips of other parquet files; give --out"):
        fetch_avqa("train", other, tmp_path / "out")
    write(tmp_path / "in", [row(2)], "validation-0.parquet")
    done = fetch_avqa("validation", tmp_path / "in", tmp_path / "out")
    assert done.file.name == "avqa-validation.jsonl" and done.questions == 1


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda folder: None, "no such folder; give that of the parquet files"),
        (lambda folder: folder.mkdir(), "has none of AVQA's parquet files; those of train"),
        (lambda folder: write(folder, [row(0)], "validation-0.parquet"), "only of validation"),
        (
            lambda folder: write(folder, [{"audio": 1}]),
            "has not the columns of gijs/avqa-processed",
        ),
        (
            lambda folder: write(folder, [row(0)][:0] or [row(0, answer="x")]),
            "none of 1 rows could",
        ),
        (
            lambda folder: (write(folder / "a", [row(0)]), write(folder / "b", [row(0)])),
            "has train-00000-of-00001.parquet twice",
        ),
        (
            lambda folder: (folder.mkdir(), (folder / "train-0.parquet").write_bytes(b"PAR1")),
            "is no whole parquet file",
        ),
    ],
)
def test_a_folder_that_will_not_do_is_one_line(tmp_path, make, told):
    make(tmp_path / "in")
    with pytest.raises(UserError, match=told) as fault:
        fetch_avqa("train", tmp_path / "in", tmp_path / "out")
    assert "\n" not in str(fault.value)


def test_from_the_hub_come_the_files_of_the_split(tmp_path, monkeypatch):
    folder = write(tmp_path / "hub" / "data", [row(0)]).parent
    write(folder / "data", [row(1)], "validation-00000-of-00001.parquet")
    asked = []

    class Api:
        def dataset_info(self, repo, revision, files_metadata):
            assert (repo, revision, files_metadata) == ("gijs/avqa-processed", None, True)
            names = ("README.md", *(f"data/{p.name}" for p in sorted((folder / "data").iterdir())))
            files = [SimpleNamespace(rfilename=n, size=10, blob_id=None, lfs=None) for n in names]
            return SimpleNamespace(sha="newest", siblings=files)

    def snapshot(repo, allow_patterns, dry_run=False, **_):
        asked.append(allow_patterns)
        return [] if dry_run else str(folder)

    monkeypatch.setattr(questions_hub, "HfApi", Api)
    monkeypatch.setattr(questions_hub, "snapshot_download", snapshot)
    monkeypatch.setattr(questions_hub, "_is_whole", lambda path, file: True)
    done = fetch_avqa()
    assert asked == [["data/train-00000-of-00001.parquet"]] * 2
    assert done.questions == 1
    source = json.loads((done.file.parent / "avqa-train.source.json").read_text())
    assert source["origin"] == {"hub": "gijs/avqa-processed", "revision": "newest"}


def test_the_command_prints_what_was_left_out(tmp_path):
    folder = write(tmp_path / "in", [row(0), with_clip(1, None)])
    arguments = ["data", "fetch", "avqa", "--from", str(folder), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "1 questions about 1 clips in " in result.stdout
    assert "left out: 1 (missing 1, broken 0, faulty 0), listed in" in result.stdout
    assert "  missing: train-00000-of-00001.parquet: row 1: no recording" in result.stdout
    result = CliRunner().invoke(app, [*arguments, "--split", "validation"])
    assert result.exit_code == 1 and "error: " in result.stderr and "only of train" in result.stderr
    assert CliRunner().invoke(app, [*arguments, "--split", "test"]).exit_code == 2
