"""A learner's own recording, uploaded or named, and questions to the model about it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import ipywidgets

from r1aqa_helpers.course.widgets import column, note, say, show
from r1aqa_helpers.data.audio import SAMPLE_RATE, clip_to_window, load_audio
from r1aqa_helpers.evaluation.local import answer_one
from r1aqa_helpers.models import LoadedModel, chat_text, encode, generate, greedy_config
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import write_bytes
from r1aqa_helpers.utils.untrusted import html, plain_lines

_MAX_NEW_TOKENS = 64


@dataclass
class Recording:
    """The recording that is asked about; an upload replaces its path."""

    path: Path

    def __repr__(self) -> str:
        return f"a recording of {len(load_audio(self.path)) / SAMPLE_RATE:.2f} s"


def own_recording(source: str, example: Path, folder: Path) -> Recording:
    """A recording to ask about.

    Args:
        source: "example"; "upload", a file chosen in the browser; or a file's path.
        example: the example's path, used until something is uploaded.
        folder: where uploads are written.

    Raises:
        UserError: the file cannot be read as audio.
    """
    recording = Recording(Path(example if source in ("example", "upload") else source))
    load_audio(recording.path)
    if source == "upload":
        text = "Upload: run this cell in a live notebook to choose a file."
        show(UploadWidget(recording, folder).widget, f"<p>{text}</p>", text)
    return recording


class UploadWidget:
    """A button to upload a file, which becomes the recording."""

    def __init__(self, recording: Recording, folder: Path) -> None:
        self._recording, self._folder = recording, folder
        self.upload = ipywidgets.FileUpload(accept="audio/*", description="Choose a recording")
        self.upload.layout.width = "auto"
        self.upload.observe(lambda change: self._take(change["new"]), names="value")
        self.status = note()
        self.widget = column([self.upload, self.status])

    def _take(self, files: Sequence[Mapping] | Mapping[str, Mapping]) -> None:
        if isinstance(files, Mapping):  # ipywidgets 7, which hosted notebooks have
            files = [{"name": name, **file} for name, file in files.items()]
        for file in files:
            # Not the browser's name, which is untrusted.
            path = self._folder / f"upload-{len(list(self._folder.glob('upload-*')))}"
            try:
                write_bytes(path, bytes(file["content"]))
                told = f"{Recording(path)!r}. Run the next cells."
                self._recording.path = path
            except UserError as error:
                path.unlink(missing_ok=True)
                told = str(error).partition(": ")[2]
            say(self.status, f"<b>{html(file['name'])}</b>: {html(told)}")


def ask(
    loaded: LoadedModel,
    recording: Recording,
    question: str,
    choices: Sequence[str] | None = None,
) -> None:
    """Print the model's greedy answer about the recording, and how much of it was cut.

    Args:
        choices: asked with prompt <2>; without them the question goes to the model unchanged.

    Raises:
        UserError: the recording cannot be read, or the question holds a special token.
    """
    if choices is None:
        wave, cut = clip_to_window(load_audio(recording.path), loaded.window_seconds)
        inputs = encode(loaded, [chat_text(loaded, question)], [wave])
        (response,) = generate(loaded, inputs, greedy_config(loaded, _MAX_NEW_TOKENS))
    else:
        prediction, cut = answer_one(
            loaded, recording.path, question, choices, max_new_tokens=_MAX_NEW_TOKENS
        )
        response = prediction.response
    print(plain_lines(f"{question}\n-> {response}"))
    if cut:
        print(f"(the last {cut:.1f} s were cut: the window is {loaded.window_seconds} s)")
