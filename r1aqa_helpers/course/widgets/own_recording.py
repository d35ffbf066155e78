"""A learner's own recording, uploaded, recorded or named, and questions to the model about it."""

import base64
import html
import importlib.util
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import ipywidgets
import numpy as np

from r1aqa_helpers.answering import answer_one
from r1aqa_helpers.audio import SAMPLE_RATE, clip_to_window, load_audio, save_audio
from r1aqa_helpers.course.widgets import column, note, say, show
from r1aqa_helpers.errors import UserError
from r1aqa_helpers.files import write_bytes
from r1aqa_helpers.models import LoadedModel, chat_text, encode, generate, greedy_config

#: How long the microphone listens.
SECONDS = 5
#: Bytes that an upload may have; a widget's message travels in memory.
LARGEST = 50_000_000
_MAX_NEW_TOKENS = 64

#: Command lines of programs that record one channel at 16 kHz to a WAV file.
_RECORDERS: dict[str, Callable[[Path], list[str]]] = {
    "arecord": lambda path: [
        "arecord", "-q", "-f", "S16_LE", "-c", "1", "-r", str(SAMPLE_RATE),
        "-d", str(SECONDS), str(path),
    ],
    "rec": lambda path: [
        "rec", "-q", "-c", "1", "-r", str(SAMPLE_RATE), "-b", "16", str(path),
        "trim", "0", str(SECONDS),
    ],
}  # fmt: skip

#: Asks the browser for its microphone; resolves to 16-bit samples at 16 kHz in base64.
#: Samples and not a compressed stream, for what browsers compress to libsndfile cannot read.
RECORD_JS = """
(async (seconds, rate) => {
  const stream = await navigator.mediaDevices.getUserMedia({audio: true});
  const context = new AudioContext({sampleRate: rate});
  await context.resume();
  const source = context.createMediaStreamSource(stream);
  const tap = context.createScriptProcessor(4096, 1, 1);
  const wanted = seconds * rate;
  const samples = new Int16Array(wanted);
  let count = 0;
  await new Promise((done) => {
    tap.onaudioprocess = (event) => {
      for (const x of event.inputBuffer.getChannelData(0)) {
        if (count < wanted) samples[count++] = Math.max(-1, Math.min(1, x)) * 32767;
      }
      if (count >= wanted) done();
    };
    source.connect(tap);
    tap.connect(context.destination);
  });
  stream.getTracks().forEach((track) => track.stop());
  await context.close();
  let text = "";
  for (const byte of new Uint8Array(samples.buffer)) text += String.fromCharCode(byte);
  return btoa(text);
})"""


@dataclass
class Recording:
    """The recording that is asked about; an upload widget replaces its path."""

    path: Path

    def __repr__(self) -> str:
        seconds = len(load_audio(self.path)) / SAMPLE_RATE
        return f"a recording of {seconds:.2f} s"


def own_recording(source: str, example: Path, folder: Path) -> Recording:
    """A recording to ask about.

    Args:
        source: "example"; "upload", a file chosen in the browser; "microphone", a few seconds
            from the browser's on Colab, elsewhere by the system's recorder; or a file's path.
        example: what "example" means, and what is asked about until something is uploaded.
        folder: where uploads and recordings are written.

    Raises:
        UserError: the file, or what was uploaded, cannot be read as audio; there is no recorder,
            or it failed.
    """
    if source == "example":
        return Recording(Path(example))
    if source == "upload":
        if _on_colab():
            return Recording(_uploaded_on_colab(folder))
        recording = Recording(Path(example))
        upload = UploadWidget(recording, folder)
        text = "Upload: run this cell in a live notebook to choose a file."
        show(upload.widget, f"<p>{text}</p>", text)
        return recording
    if source == "microphone":
        return Recording(_recorded(folder))
    load_audio(source)
    return Recording(Path(source))


class UploadWidget:
    """A button that opens the browser's choice of files; the chosen one becomes the recording."""

    def __init__(self, recording: Recording, folder: Path) -> None:
        self._recording, self._folder = recording, folder
        self.upload = ipywidgets.FileUpload(
            accept="audio/*", multiple=False, description="Choose a recording"
        )
        self.upload.layout.width = "auto"
        self.upload.observe(lambda change: self._take(change["new"]), names="value")
        self.status = note()
        self.widget = column([self.upload, self.status])

    def _take(self, files: Sequence[Mapping] | Mapping[str, Mapping]) -> None:
        if isinstance(files, Mapping):  # ipywidgets 7, which hosted notebooks have
            files = [{"name": name, **file} for name, file in files.items()]
        for file in files:
            name = html.escape(str(file["name"]))
            try:
                self._recording.path = _kept(bytes(file["content"]), self._folder)
            except UserError as error:
                reason = html.escape(str(error).partition(": ")[2])
                say(self.status, f"<b>{name}</b> {reason}")
            else:
                say(self.status, f"<b>{name}</b>: {html.escape(repr(self._recording))}. "
                    "Run the next cells.")  # fmt: skip


def ask(
    loaded: LoadedModel,
    recording: Recording,
    question: str,
    choices: Sequence[str] | None = None,
) -> None:
    """Print what the model says about the recording, decoded greedily, and what was cut of it.

    Args:
        choices: to choose from, by prompt <2>; without them the question goes to the model as it
            stands.

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
    print(f"{question}\n-> {response}")
    if cut:
        print(f"(the last {cut:.1f} s were cut: the window is {loaded.window_seconds} s)")


def _kept(data: bytes, folder: Path) -> Path:
    """Where an upload was written, under a name of our own.

    Raises:
        UserError: it is too large, or no audio.
    """
    if len(data) > LARGEST:
        raise UserError(f"upload: has over {LARGEST // 10**6} MB; give its path instead")
    taken = sum(1 for _ in folder.glob("upload-*"))
    path = folder / f"upload-{taken}"
    write_bytes(path, data)
    try:
        load_audio(path)
    except UserError:
        path.unlink()
        raise
    return path


def _on_colab() -> bool:
    try:
        return importlib.util.find_spec("google.colab") is not None
    except ModuleNotFoundError:  # not even a package named google
        return False


def _uploaded_on_colab(folder: Path) -> Path:
    from google.colab import files

    chosen = files.upload()
    if not chosen:
        raise UserError("upload: no file was chosen; run the cell again")
    return _kept(next(iter(chosen.values())), folder)


def _recorded(folder: Path) -> Path:
    path = folder / f"microphone-{sum(1 for _ in folder.glob('microphone-*'))}.wav"
    print(f"recording for {SECONDS} s …")
    if _on_colab():
        from google.colab import output

        samples = np.frombuffer(
            base64.b64decode(output.eval_js(f"{RECORD_JS}({SECONDS}, {SAMPLE_RATE})")), "<i2"
        )
        save_audio(path, samples.astype(np.float32) / 2**15)
        return path
    for program, command in _RECORDERS.items():
        if shutil.which(program):
            done = subprocess.run(command(path), capture_output=True, timeout=SECONDS + 15)
            if done.returncode:
                raise UserError(
                    f"microphone: {program} failed; record with any other program, "
                    'and use "upload" or the path of the file'
                )
            load_audio(path)
            return path
    raise UserError(
        f"microphone: none of {', '.join(_RECORDERS)} is installed; record with any program, "
        'and use "upload" or the path of the file'
    )
