"""A learner's own recording: uploaded or named; and what is printed about it."""

import datetime
from pathlib import Path

import ipywidgets
import numpy as np
import pytest

from r1aqa_helpers.course.widgets.own_recording import Recording, UploadWidget, ask, own_recording
from r1aqa_helpers.data.audio import load_audio, save_audio
from r1aqa_helpers.models import load
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.paths import TINY


@pytest.fixture
def example(tmp_path: Path) -> Path:
    path = tmp_path / "example.wav"
    save_audio(path, np.linspace(-0.5, 0.5, 16_000, dtype=np.float32))
    return path


def test_the_example_and_a_path_are_taken_as_they_are(example, tmp_path):
    assert own_recording("example", example, tmp_path).path == example
    assert repr(own_recording(str(example), tmp_path / "x", tmp_path)) == "a recording of 1.00 s"
    with pytest.raises(UserError, match="no such file"):
        own_recording(str(tmp_path / "none.wav"), example, tmp_path)


@pytest.mark.parametrize("audio", [True, False])
def test_what_is_uploaded_is_asked_about_if_it_is_audio(audio, example, tmp_path):
    mine = Recording(example)
    content = example.read_bytes() if audio else b"not a sound"
    now = datetime.datetime.now(datetime.UTC)
    file = {"name": "<b>../../mine.wav", "type": "", "size": len(content), "last_modified": now}
    widget = UploadWidget(mine, tmp_path)
    if ipywidgets.__version__.startswith("7."):
        widget.upload.set_trait("value", {file["name"]: {"metadata": file, "content": content}})
    else:
        widget.upload.value = ({**file, "content": memoryview(content)},)
    assert "&lt;b&gt;" in widget.status.value
    assert ("1.00 s" if audio else "no audio") in widget.status.value
    assert (mine.path != example and mine.path.parent == tmp_path) is audio
    assert np.array_equal(load_audio(mine.path), load_audio(example))
    assert len(list(tmp_path.glob("upload-*"))) == audio


def test_ask_prints_the_answer_and_what_was_cut(tmp_path, capsys):
    loaded = load(TINY / "model", "cpu")
    path = tmp_path / "long.wav"
    save_audio(path, np.zeros(5 * 16_000, np.float32))
    ask(loaded, Recording(path), "How many times does it ring?", ["one", "two"])
    ask(loaded, Recording(path), "Describe the audio.")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "How many times does it ring?" and lines[1].startswith("-> ")
    assert lines[2] == "(the last 1.0 s were cut: the window is 4 s)"
    assert lines[3] == "Describe the audio." and lines[5] == lines[2]
