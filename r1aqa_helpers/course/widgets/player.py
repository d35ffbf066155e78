"""Players for short recordings, small enough to be stored in a notebook."""

import base64
import io
from pathlib import Path

import numpy as np
import soundfile
from IPython.display import display

from r1aqa_helpers.data.audio import SAMPLE_RATE, load_audio
from r1aqa_helpers.utils.untrusted import html, plain

#: Characters that one player may take in a stored notebook.
PLAYER_LIMIT = 30_000
#: Compression tried in turn (libsndfile's scale for MP3): good sound first.
_LEVELS = (None, 0.9)
#: Seconds played of a recording that no compression makes small enough.
_CUT = 6.0


class Player:
    """A recording to listen to, and its caption; shown by a notebook as an audio player."""

    def __init__(self, recording: np.ndarray | Path | str, caption: str) -> None:
        """Take samples (shape (n,), 16 kHz, in [-1, 1]) or any audio file.

        Raises:
            UserError: the file cannot be read as audio.
        """
        wave = recording if isinstance(recording, np.ndarray) else load_audio(recording)
        self.caption = caption
        self.seconds = len(wave) / SAMPLE_RATE
        self._mp3 = _compressed(wave)

    def __repr__(self) -> str:
        return f"Audio, {self.seconds:.1f} s: {plain(self.caption)}"

    def html(self) -> str:
        """The player as HTML: no script, nothing fetched."""
        data = base64.b64encode(self._mp3).decode("ascii")
        label = html(self.caption)
        return (
            '<figure style="margin:0.4em 0">'
            f"<figcaption>{label}</figcaption>"
            f'<audio controls preload="none" aria-label="{label}" title="{label}" '
            f'src="data:audio/mpeg;base64,{data}"></audio></figure>'
        )

    def _repr_html_(self) -> str:
        return self.html()


def player(recording: np.ndarray | Path | str, caption: str) -> None:
    """Show an audio player of at most 30 kB; arguments and errors as ``Player``'s."""
    display(Player(recording, caption))


def _compressed(wave: np.ndarray) -> bytes:
    """MP3, which every browser plays; only the start of a recording that is too large."""
    for part in (wave, wave[: int(_CUT * SAMPLE_RATE)]):
        for level in _LEVELS:
            buffer = io.BytesIO()
            # Samples beyond full scale would wrap round.
            samples = np.clip(part, -1.0, 1.0).astype(np.float32)
            soundfile.write(buffer, samples, SAMPLE_RATE, format="MP3", compression_level=level)
            data = buffer.getvalue()
            if len(data) * 4 / 3 + 400 <= PLAYER_LIMIT:
                return data
    return data
