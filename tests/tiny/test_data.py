"""Clips are rendered when they are missing, and never other than their recipes say."""

import json
import multiprocessing.dummy
import shutil
from pathlib import Path

import numpy as np
import pytest

from r1aqa_helpers.data import read_questions
from r1aqa_helpers.data.audio import load_audio
from r1aqa_helpers.tiny import data
from r1aqa_helpers.tiny.data import prepare
from r1aqa_helpers.tiny.scenes import render
from r1aqa_helpers.tiny.sounds import load_bank
from r1aqa_helpers.tiny.splits import SPLITS
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import file_hash, read_json, write_json
from r1aqa_helpers.utils.paths import TINY

EACH = 2  # questions per split


def seal(folder: Path) -> None:
    """Write the checksums of the files as they are now."""
    names = [f for s in SPLITS for f in (s.questions_file, s.recipes_file)]
    write_json(folder / "checksums.json", {name: file_hash(folder / name) for name in names})


def clips(folder: Path) -> list[Path]:
    return sorted(folder.glob("audio/*/*.flac"))


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A small tiny track, rendered; read only."""
    folder = tmp_path_factory.mktemp("tiny track") / "data"
    (folder / "recipes").mkdir(parents=True)
    for split in SPLITS:
        for name in (split.questions_file, split.recipes_file):
            if name.endswith(".json"):
                write_json(folder / name, read_json(TINY / name)[:EACH])
            else:
                lines = (TINY / name).read_text(encoding="utf-8").splitlines()[:EACH]
                (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    seal(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data.multiprocessing, "get_context", lambda _: multiprocessing.dummy)
        prepare(folder=folder)
    return folder


@pytest.fixture
def folder(finished, tmp_path, monkeypatch) -> Path:
    """A copy to spoil; rendering starts threads and no processes."""
    monkeypatch.setattr(data.multiprocessing, "get_context", lambda _: multiprocessing.dummy)
    return Path(shutil.copytree(finished, tmp_path / "data"))


@pytest.fixture
def no_rendering(monkeypatch) -> None:
    def refuse(*_, **__):
        raise AssertionError("clips are rendered")

    monkeypatch.setattr(data, "_render_all", refuse)


def test_every_question_has_its_clip(finished):
    assert len(clips(finished)) == EACH * len(SPLITS)
    for split in SPLITS:
        scenes = data.recipes(split.name, finished)
        for question in read_questions(finished / split.questions_file):
            heard = load_audio(question.audio)
            meant = render(scenes[question.id], load_bank())
            assert np.abs(heard - meant).max() <= 2**-16 + 1e-7  # half a step of 16 bits


def test_second_call_does_nothing(folder, no_rendering):
    before = {p: p.stat().st_mtime_ns for p in folder.rglob("*")}
    assert prepare(folder=folder).test == folder / "tiny-mmau.json"
    assert {p: p.stat().st_mtime_ns for p in folder.rglob("*")} == before


def test_interrupted_rendering_goes_on(folder):
    """As an interruption leaves it: some clips, no stamp that all are there."""
    kept, lost = clips(folder)[::2], clips(folder)[1::2]
    contents = {p: p.read_bytes() for p in lost}
    (folder / "audio" / "rendered.json").unlink()
    for clip in lost:
        clip.unlink()
    before = {p: p.stat().st_mtime_ns for p in kept}
    prepare(folder=folder)
    assert {p: p.stat().st_mtime_ns for p in kept} == before
    assert {p: p.read_bytes() for p in lost} == contents
    assert (folder / "audio" / "rendered.json").exists()


@pytest.mark.parametrize("name", ["tiny-mmau.json", "recipes/train.jsonl"])
def test_changed_file_is_refused(folder, no_rendering, name):
    with (folder / name).open("a", encoding="utf-8") as file:
        file.write(" \n")
    with pytest.raises(UserError, match=r"differs from checksums\.json; restore") as error:
        prepare(folder=folder)
    assert str(error.value).startswith(str(folder / name)) and "\n" not in str(error.value)
    (folder / name).unlink()
    with pytest.raises(UserError, match="missing; restore"):
        prepare(folder=folder)


def test_clip_unlike_its_recipe_is_reported(folder):
    """Two recipes claim levels 3 dB off: they are named, and their clips are not kept."""
    path = folder / "recipes" / "validation.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for row in rows:
        row["levels"][4] += 3
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    seal(folder)
    shutil.rmtree(folder / "audio")
    with pytest.raises(UserError, match="2 clips differ from their recipes") as error:
        prepare(folder=folder)
    assert "tiny-avqa-validation-000" in str(error.value) and "\n" not in str(error.value)
    assert not list((folder / "audio" / "validation").iterdir())
    assert not (folder / "audio" / "rendered.json").exists()
