"""A learner's own recording: uploaded, recorded, named; and what is printed about it."""

import base64
import datetime
import shutil
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from r1aqa_helpers.audio import load_audio, save_audio
from r1aqa_helpers.course.widgets import own_recording as recording
from r1aqa_helpers.course.widgets.own_recording import (
    RECORD_JS,
    Recording,
    UploadWidget,
    ask,
    own_recording,
)
from r1aqa_helpers.errors import UserError
from r1aqa_helpers.models import LoadedModel, load
from r1aqa_helpers.paths import TINY


@pytest.fixture
def example(tmp_path: Path) -> Path:
    path = tmp_path / "example.wav"
    save_audio(path, np.linspace(-0.5, 0.5, 16_000, dtype=np.float32))
    return path


@pytest.fixture
def colab(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Google Colab, as far as this module sees it."""
    package = ModuleType("google.colab")
    package.__spec__ = ModuleSpec("google.colab", None)
    google = ModuleType("google")
    google.colab = package
    monkeypatch.setitem(sys.modules, "google", google)
    monkeypatch.setitem(sys.modules, "google.colab", package)
    return package


def test_the_example_and_a_path_are_taken_as_they_are(example: Path, tmp_path: Path) -> None:
    assert own_recording("example", example, tmp_path).path == example
    named = own_recording(str(example), tmp_path / "other.wav", tmp_path)
    assert repr(named) == "a recording of 1.00 s"
    with pytest.raises(UserError, match="no such file"):
        own_recording(str(tmp_path / "none.wav"), example, tmp_path)


def chosen(name: str, content: bytes) -> tuple[dict]:
    """A file as the browser hands it to the widget."""
    return (
        {
            "name": name,
            "type": "",
            "size": len(content),
            "content": memoryview(content),
            "last_modified": datetime.datetime.now(datetime.UTC),
        },
    )


def test_what_is_uploaded_is_asked_about(example: Path, tmp_path: Path) -> None:
    mine = Recording(example)
    widget = UploadWidget(mine, tmp_path)
    widget.upload.value = chosen("<b>../../mine.wav", example.read_bytes())
    assert mine.path.parent == tmp_path and mine.path != example
    assert np.array_equal(load_audio(mine.path), load_audio(example))
    assert "&lt;b&gt;" in widget.status.value and "1.00 s" in widget.status.value


def test_an_upload_that_is_no_audio_is_named_and_not_taken(example: Path, tmp_path: Path) -> None:
    mine = Recording(example)
    widget = UploadWidget(mine, tmp_path)
    widget.upload.value = chosen("text.txt", b"not a sound")
    assert mine.path == example
    assert "text.txt" in widget.status.value and "no audio" in widget.status.value
    assert list(tmp_path.glob("upload-*")) == []


def test_an_upload_may_not_be_huge(
    example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "LARGEST", 10)
    widget = UploadWidget(Recording(example), tmp_path)
    widget.upload.value = chosen("long.wav", example.read_bytes())
    assert "give its path instead" in widget.status.value


def test_colab_uploads(example: Path, tmp_path: Path, colab: ModuleType) -> None:
    colab.files = ModuleType("files")
    colab.files.upload = lambda: {"mine.wav": example.read_bytes()}
    assert own_recording("upload", example, tmp_path).path == tmp_path / "upload-0"
    colab.files.upload = dict
    with pytest.raises(UserError, match="no file was chosen"):
        own_recording("upload", example, tmp_path)


def test_colab_records_in_the_browser(example: Path, tmp_path: Path, colab: ModuleType) -> None:
    said: list[str] = []
    samples = np.array([0, 16_384, -32_768], dtype="<i2")

    def eval_js(code: str) -> str:
        said.append(code)
        return base64.b64encode(samples.tobytes()).decode()

    colab.output = ModuleType("output")
    colab.output.eval_js = eval_js
    path = own_recording("microphone", example, tmp_path).path
    assert load_audio(path).tolist() == [0.0, 0.5, -1.0]
    assert said[0].endswith("(5, 16000)")


def test_the_systems_recorder(
    example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(command: list[str], **_: object) -> subprocess.CompletedProcess:
        shutil.copy(example, command[-1])
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(shutil, "which", lambda name: name if name == "arecord" else None)
    monkeypatch.setattr(subprocess, "run", run)
    recorded = own_recording("microphone", example, tmp_path)
    assert recorded.path != example and repr(recorded) == "a recording of 1.00 s"


@pytest.mark.parametrize(
    ("installed", "message"), [(True, "arecord failed"), (False, "none of arecord, rec")]
)
def test_without_a_microphone_there_is_one_line(
    example: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    installed: bool,
    message: str,
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: name if installed else None)
    monkeypatch.setattr(
        subprocess, "run", lambda command, **_: subprocess.CompletedProcess(command, 1)
    )
    with pytest.raises(UserError, match=message):
        own_recording("microphone", example, tmp_path)


@pytest.fixture(scope="module")
def loaded() -> LoadedModel:
    return load(TINY / "model", "cpu")


def test_ask_prints_the_answer_and_what_was_cut(
    loaded: LoadedModel, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    path = tmp_path / "long.wav"
    save_audio(path, np.zeros(5 * 16_000, np.float32))
    ask(loaded, Recording(path), "How many times does it ring?", ["one", "two"])
    ask(loaded, Recording(path), "Describe the audio.")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "How many times does it ring?" and lines[1].startswith("-> ")
    assert lines[2] == "(the last 1.0 s were cut: the window is 4 s)"
    assert lines[3] == "Describe the audio." and lines[5] == lines[2]


@pytest.mark.skipif(shutil.which("chromium") is None, reason="there is no browser")
def test_a_browser_records_samples(tmp_path: Path) -> None:
    """RECORD_JS in a real browser, which makes up a microphone that beeps."""
    from playwright.sync_api import sync_playwright

    (tmp_path / "index.html").write_text("<p>microphone</p>")

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=tmp_path)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with sync_playwright() as tool:
            browser = tool.chromium.launch(
                executable_path=shutil.which("chromium"),
                args=[
                    "--no-sandbox",
                    "--use-fake-device-for-media-stream",
                    "--use-fake-ui-for-media-stream",
                    "--autoplay-policy=no-user-gesture-required",
                ],
            )
            page = browser.new_page()
            page.goto(f"http://127.0.0.1:{server.server_port}/")  # secure, as it is this machine
            sent = page.evaluate(f"{RECORD_JS}(2, 16000)")
            browser.close()
        server.shutdown()
    samples = np.frombuffer(base64.b64decode(sent), "<i2")
    assert len(samples) == 32_000 and np.abs(samples).max() > 10_000
