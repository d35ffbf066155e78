"""MMAU made ready, in both shapes: with a list of what was rejected. No network."""

import hashlib
import io
import json
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import soundfile
from typer.testing import CliRunner

from r1aqa_helpers.cli import app
from r1aqa_helpers.data import download, read_mmau
from r1aqa_helpers.data.audio import load_audio
from r1aqa_helpers.data.mmau.convert import unlettered
from r1aqa_helpers.data.mmau.prepare import fetch_mmau
from r1aqa_helpers.data.mmau.releases import RELEASES, content_hash, read_source
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import file_hash, read_json


def sound(number: int, rate: int = 16_000, channels: int = 1, **options) -> bytes:
    time = np.arange(rate // 5) / rate
    wave = 0.3 * np.sin(2 * np.pi * 200 * (number + 1) * time)
    buffer = io.BytesIO()
    soundfile.write(buffer, np.stack([wave] * channels, 1), rate, **{"format": "WAV"} | options)
    return buffer.getvalue()


SOUNDS = [
    sound(0),
    sound(1, 48_000, 6, subtype="FLOAT"),
    sound(2, 22_050, 2, subtype="PCM_32"),
    sound(3, 44_100, format="MP3"),
]
TEXTS = [["Man", "Woman"], ["a dog", "a cat", "(a) car"], ["C", "D", "E", "F", "G"], ["up", "up"]]


def items() -> list[dict]:
    return [
        {
            "id": f"id-{n}",
            "audio_id": f"./test-mini-audios/id-{n}.wav",
            "question": f"What is sound {n}?",
            "choices": TEXTS[n],
            "answer": TEXTS[n][-1],
            "dataset": "made",
            "task": ("sound", "music", "speech")[n % 3],
            "split": "test-mini",
            "category": ["Reasoning"] if n == 2 else "Reasoning",
            "sub-category": "Counting",
            "difficulty": "easy",
        }
        for n in range(4)
    ]


def as_json(folder: Path, rows: list[dict] | None = None, name: str = "mmau-test-mini.json"):
    (folder / "test-mini-audios").mkdir(parents=True, exist_ok=True)
    for n, data in enumerate(SOUNDS):
        (folder / "test-mini-audios" / f"id-{n}.wav").write_bytes(data)
    (folder / name).write_text(json.dumps(items() if rows is None else rows))
    return folder


def parquet_row(item: dict, data: bytes | None) -> dict:
    labels = ("id", "dataset", "task", "split", "category", "sub-category", "difficulty")
    lettered = [f"({'ABCDEFGH'[n]}) {text}" for n, text in enumerate(item["choices"])]
    gold = item["choices"].index(item["answer"])
    return {
        "context": {"bytes": data, "path": "../../outside.wav"},
        "instruction": item["question"],
        "choices": lettered,
        "answer": lettered[gold],
        "other_attributes": json.dumps({name: item[name] for name in labels}),
    }


def as_parquet(folder: Path, rows: list[dict] | None = None, name: str = "test.parquet") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    if rows is None:
        rows = [parquet_row(item, data) for item, data in zip(items(), SOUNDS, strict=True)]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), folder / name, row_group_size=3)
    return folder


@pytest.fixture(autouse=True)
def releases(monkeypatch, tmp_path):
    """The made-up questions are "v1"; others with the ids of a fifth are "v05.15.25"."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "releases.json"
    known = {}
    for version, rows in (("v1", items()), ("v05.15.25", items()[:3])):
        path.write_text(json.dumps(rows))
        questions = read_mmau(path)
        ids = json.dumps(sorted(q.id for q in questions)).encode()
        known[version] = (hashlib.sha256(ids).hexdigest(), content_hash(questions))
    path.unlink()
    for version, hashes in known.items():
        monkeypatch.setitem(RELEASES, version, hashes)


@pytest.mark.parametrize("shape", [as_json, as_parquet])
def test_both_shapes_come_out_alike_and_the_origin_is_kept(shape, tmp_path):
    done = fetch_mmau("v1", shape(tmp_path / "in"), tmp_path / "out")
    assert (done.release, done.exact, done.questions, done.left_out) == ("v1", True, 4, ())
    assert done.file == tmp_path / "out" / "mmau-test-mini-v1.json"
    rows = read_json(done.file)
    digests = [hashlib.sha256(data).hexdigest()[:24] for data in SOUNDS]
    suffixes = (".wav", ".wav", ".wav", ".mp3")
    assert [row.pop("audio_id") for row in rows] == [
        f"./audio/{digest}{suffix}" for digest, suffix in zip(digests, suffixes, strict=True)
    ]
    assert rows == [{k: v for k, v in i.items() if k != "audio_id"} for i in items()]
    for question, data in zip(read_mmau(done.file), SOUNDS, strict=True):
        assert question.audio.read_bytes() == data  # as it came
        assert len(load_audio(question.audio)) == pytest.approx(3200, abs=1)
    known = read_source(tmp_path / "out")
    assert known == read_json(done.list_file)
    assert (known["sha256"], known["content_sha256"]) == (file_hash(done.file), RELEASES["v1"][1])
    assert (known["version"], known["exact"], known["n"], known["of"]) == ("v1", True, 4, 4)
    assert (known["formats"], known["origin"]) == ({"wav": 3, "mp3": 1}, {"folder": "in"})
    [source] = (p for p in (tmp_path / "in").iterdir() if p.is_file())
    assert known["files"] == [{"name": source.name, "sha256": file_hash(source)}]
    assert str(tmp_path) not in done.list_file.read_text() + done.file.read_text()
    done.file.write_text(done.file.read_text() + " ")
    with pytest.raises(UserError, match="not as it was fetched"):
        read_source(tmp_path / "out")


def test_the_same_call_goes_on(tmp_path, monkeypatch):
    folder, out = as_parquet(tmp_path / "in"), tmp_path / "out"
    write, written = download.write_bytes, []

    def broken_off(path, data):
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(path)
        write(path, data)

    monkeypatch.setattr(download, "write_bytes", broken_off)
    with pytest.raises(KeyboardInterrupt):
        fetch_mmau(None, folder, out)
    assert not (out / "source.json").exists()
    first = written.copy()
    written.clear()
    assert fetch_mmau(None, folder, out).questions == 4
    assert len(written) == 2 and not {*first} & {*written}


def test_what_cannot_be_used_is_left_out_and_listed(tmp_path):
    rows = items()
    rows[3] |= {"answer": "neither"}
    folder = as_json(tmp_path / "in", rows)
    (folder / "test-mini-audios" / "id-0.wav").unlink()
    (folder / "test-mini-audios" / "id-1.wav").write_bytes(SOUNDS[1][:3000])
    done = fetch_mmau(None, folder, tmp_path / "out")
    assert (done.release, done.exact, done.questions) == ("v1", False, 1)
    assert done.counts == {"missing": 1, "broken": 1, "faulty": 1}
    listed = read_json(done.list_file)["left_out"]
    assert [(t["name"], t["kind"]) for t in listed] == [
        ("id-0", "missing"), ("id-1", "broken"), ("id-3", "faulty")
    ]  # fmt: skip
    assert len([*(tmp_path / "out" / "audio").iterdir()]) == 1

    rows = [parquet_row(item, data) for item, data in zip(items(), SOUNDS, strict=True)]
    rows[0]["context"]["bytes"] = None
    rows[1]["other_attributes"] = "{"
    rows[2]["context"]["bytes"] = b"no sound"
    rows += [rows[3], rows[3] | {"other_attributes": "[1]"}]
    done = fetch_mmau(None, as_parquet(tmp_path / "rows", rows), tmp_path / "other")
    assert done.questions == 1
    assert [(each.place, each.kind) for each in done.left_out][:3] == [
        ("test.parquet: row 0", "missing"),
        ("test.parquet: row 1", "faulty"),
        ("test.parquet: row 2", "broken"),
    ]
    assert len(done.left_out) == 5


def test_no_name_in_the_data_leads_out_of_the_folder(tmp_path):
    (tmp_path / "secret.wav").write_bytes(SOUNDS[0])
    rows = items()
    rows[0]["audio_id"] = "../secret.wav"
    rows[1]["audio_id"] = str(tmp_path / "secret.wav")
    rows[2]["id"] = "../../id"
    rows[3]["audio_id"] = "elsewhere/id-3.wav"
    done = fetch_mmau(None, as_json(tmp_path / "in", rows), tmp_path / "out")
    assert [each.kind for each in done.left_out] == ["faulty", "missing"]
    assert [q.id for q in read_mmau(done.file)] == ["../../id", "id-3"]  # found by its name
    inside = {p.relative_to(tmp_path).parts[0] for p in tmp_path.rglob("*")}
    assert inside == {"in", "out", "secret.wav"}


def test_the_release_that_is_named_is_taken(tmp_path):
    folder = as_json(tmp_path / "in")
    with pytest.raises(UserError, match="holds v1 of MMAU's questions, not v05.15.25"):
        fetch_mmau("v05.15.25", folder, tmp_path / "out")
    as_json(folder, items()[:3], "revised.json")
    (folder / "settings.json").write_text("{}")
    with pytest.raises(UserError, match="holds 2 sets of questions"):
        fetch_mmau(None, folder, tmp_path / "a")
    assert fetch_mmau("v05.15.25", folder, tmp_path / "a").questions == 3
    assert fetch_mmau(None, folder / "mmau-test-mini.json", tmp_path / "b").release == "v1"
    (folder / "revised.json").write_text(json.dumps(items()[1:2]))  # no known release
    assert fetch_mmau(None, folder, tmp_path / "c").release == "v1"


def test_ids_and_texts_decide_on_the_release(tmp_path):
    done = fetch_mmau(None, as_parquet(tmp_path / "in"))
    assert done.file == Path("runs", "mmau-test-mini-v1", "mmau-test-mini-v1.json")
    rows = items()
    rows[0]["question"] = "What is  sound 0?"  # white space does not count
    assert fetch_mmau(None, as_json(tmp_path / "a", rows), tmp_path / "x").exact
    rows[0]["answer"] = "Man"
    assert not fetch_mmau(None, as_json(tmp_path / "b", rows), tmp_path / "y").exact
    done = fetch_mmau(None, as_json(tmp_path / "other", items()[1:2]))
    assert (done.release, done.exact, done.questions) == (None, False, 1)
    assert done.file == Path("runs", "mmau", "mmau.json")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda folder: None, "holds no questions of MMAU"),
        (lambda folder: (folder / "a.json").write_text("["), "a.json:1: not valid JSON"),
        (lambda folder: (folder / "a.parquet").write_bytes(b"PAR1"), "is not a whole parquet file"),
        (lambda folder: as_parquet(folder, [{"x": 1}]), "lacks one of the columns"),
        (lambda folder: as_json(folder, [items()[0] | {"task": ""}]), "none of its 1 questions"),
    ],
)
def test_faults_are_one_line(make, words, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    make(folder)
    with pytest.raises(UserError) as fault:
        fetch_mmau(None, folder, tmp_path / "out")
    assert words in str(fault.value) and "\n" not in str(fault.value)


@pytest.mark.parametrize(
    ("choices", "answer", "expected"),
    [
        (["(A) x", "(B) y"], "(B) y", (["x", "y"], "y")),
        (["(A) x", "(B) y"], "y", (["x", "y"], "y")),
        (["(A) x", "(B) y"], "(A)", (["x", "y"], "x")),
        (["(A) C", "(B) D", "(C) E"], "C", (["C", "D", "E"], "C")),
        (["(A) x", "(B) y"], None, (["x", "y"], None)),
        (["(A) x", "(B) x"], "(B) x", (["x", "x"], "x")),
        (["(B) x", "(A) y"], "(A) y", (["(B) x", "(A) y"], "(A) y")),
        (["(A) x", 3], "x", (["(A) x", 3], "x")),
    ],
)
def test_letters_are_taken_off(choices, answer, expected):
    assert unlettered(choices, answer) == expected


# --- the Hub ------------------------------------------------------------------------------


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A Hub of two revisions, the older of which has the other release; what was asked of it."""
    here = as_parquet(tmp_path / "hub" / "new")
    (here / "README.md").write_text("---\n")
    as_json(tmp_path / "hub" / "old", items()[:3])
    asked = SimpleNamespace(revisions=[], downloads=[], commits=[
        SimpleNamespace(commit_id="new", created_at=datetime(2025, 8, 9, tzinfo=UTC)),
        SimpleNamespace(commit_id="old", created_at=datetime(2025, 3, 25, tzinfo=UTC)),
        SimpleNamespace(commit_id="older", created_at=datetime(2025, 1, 1, tzinfo=UTC)),
    ])  # fmt: skip

    class Api:
        def list_repo_commits(self, repo, repo_type):
            return asked.commits

        def dataset_info(self, repo, revision):
            assert repo == "gamma-lab-umd/MMAU-test-mini"
            asked.revisions.append(revision)
            sha = revision or "new"
            top = tmp_path / "hub" / sha
            names = [p.relative_to(top).as_posix() for p in top.rglob("*") if p.is_file()]
            files = [SimpleNamespace(rfilename=name) for name in sorted(names)]
            return SimpleNamespace(sha=sha, siblings=files)

    def snapshot(repo, allow_patterns, repo_type, revision):
        asked.downloads += allow_patterns
        return str(tmp_path / "hub" / revision)

    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    old, new = reversed(list(RELEASES.values()))
    monkeypatch.setitem(RELEASES, "v1", old)
    monkeypatch.setitem(RELEASES, "v05.15.25", new)
    return asked


def test_the_newest_comes_as_parquet(hub, tmp_path):
    done = fetch_mmau("v05.15.25", None, tmp_path / "out")
    assert (done.release, done.exact, done.questions) == ("v05.15.25", True, 4)
    origin = {"hub": "gamma-lab-umd/MMAU-test-mini", "revision": "new"}
    assert read_json(done.list_file)["origin"] == origin
    assert hub.downloads == ["test.parquet"]


def test_v1_is_the_last_revision_from_before_it_was_replaced(hub, tmp_path):
    done = fetch_mmau("v1", None, tmp_path / "out")
    assert (done.release, done.exact, done.questions) == ("v1", True, 3)
    assert hub.revisions == ["old"] and len(hub.downloads) == 5
    hub.commits = hub.commits[:1]
    with pytest.raises(UserError, match="no revision from before 15 May 2025"):
        fetch_mmau("v1", None, tmp_path / "out")


def test_a_silent_hub_is_one_line(monkeypatch, tmp_path):
    def down(*_, **__):
        raise ConnectionError("no route\nto host")

    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", down)
    with pytest.raises(UserError) as fault:
        fetch_mmau(None, None, tmp_path / "out")
    assert "cannot be fetched (no route); run the same command again" in str(fault.value)


def test_a_recording_whose_name_is_nearly_right_is_said(tmp_path):
    folder = as_json(tmp_path / "in")
    clip = folder / "test-mini-audios" / "id-0.wav"
    clip.rename(clip.with_suffix(".WAV"))
    done = fetch_mmau(None, folder, tmp_path / "out")
    [left_out] = done.left_out
    assert left_out.kind == "missing"
    assert (
        f"no 'id-0.wav' in the folder; did you mean {clip.with_suffix('.WAV')}?" in left_out.reason
    )


def test_the_command_prints_what_was_left_out(tmp_path):
    folder = as_json(tmp_path / "in")
    (folder / "test-mini-audios" / "id-0.wav").unlink()
    arguments = ["data", "fetch", "mmau", "--from", str(folder), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "3 questions about 3 clips in " in result.stdout and "release: v1\n" in result.stdout
    assert "left out: 1 (missing 1, broken 0, faulty 0), listed in" in result.stdout
    assert "  missing: mmau-test-mini.json: item 0: no 'id-0.wav' in the folder" in result.stdout
    result = CliRunner().invoke(app, [*arguments, "--version", "v05.15.25"])
    assert result.exit_code == 1 and result.stderr.count("\n") == 1
