"""The bank of short takes that the sound world is mixed from: effects, notes, words.

The bank is rendered once by :mod:`r1aqa_helpers.tiny.make_bank` and committed as FLAC,
because FLAC decodes to the same samples on every machine; this file only reads it.
Take 2 of every sound is the test take: it never occurs in a training scene.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import soundfile

from r1aqa_helpers.errors import UserError
from r1aqa_helpers.files import read_json
from r1aqa_helpers.paths import TINY

#: Instrument -> family, as questions on instrument families use it.
INSTRUMENT_FAMILIES = {
    "piano": "keyboards",
    "organ": "keyboards",
    "harpsichord": "keyboards",
    "violin": "strings",
    "cello": "strings",
    "guitar": "strings",
    "flute": "woodwinds",
    "clarinet": "woodwinds",
    "bassoon": "woodwinds",
    "trumpet": "brass",
    "trombone": "brass",
    "tuba": "brass",
}

#: The spoken words that are no numbers.
WORDS = tuple(
    "river mountain window garden yellow purple monkey tiger apple orange "
    "coffee butter morning summer winter doctor teacher kitchen market music "
    "paper pencil rocket silver thunder village water hammer candle dragon".split()
)

#: The spoken numbers; the index of a word is its value.
NUMBERS = tuple("zero one two three four five six seven eight nine ten eleven twelve".split())


@dataclass(frozen=True, eq=False)
class Take:
    """One recording of the bank.

    ``wave`` is float32 of shape (samples,), mono at 16 kHz, peak about 0.7, read-only
    (the bank is shared: copy before changing). ``voice`` is set for words only,
    ``pitch`` (a MIDI number, 69 = 440 Hz) for notes only. ``split`` is "train" or "test".
    """

    kind: str
    name: str
    take: int
    split: str
    voice: str | None
    pitch: int | None
    wave: np.ndarray


class Bank:
    """Takes of the kinds "effect", "note" and "word", looked up by name."""

    def __init__(self, takes: Iterable[Take]) -> None:
        self._by_name: dict[str, dict[str, list[Take]]] = {}
        for take in takes:
            self._by_name.setdefault(take.kind, {}).setdefault(take.name, []).append(take)

    def takes(
        self,
        kind: str,
        name: str,
        *,
        split: str | None = None,
        voice: str | None = None,
        pitch: int | None = None,
    ) -> list[Take]:
        """The takes of one sound, in the order of the index; a filter of None lets all pass.

        Raises KeyError where the bank has no such kind or name.
        """
        return [
            take
            for take in self._by_name[kind][name]
            if split in (None, take.split)
            and voice in (None, take.voice)
            and pitch in (None, take.pitch)
        ]

    def names(self, kind: str) -> list[str]:
        """The sounds of one kind, in the order of the index. Raises KeyError if unknown."""
        return list(self._by_name[kind])

    def voices(self) -> list[str]:
        """The voices that speak the words: "man 1" to "man 3", "woman 1" to "woman 3"."""
        return sorted({t.voice for takes in self._by_name["word"].values() for t in takes})


@lru_cache(maxsize=2)
def load_bank(folder: Path = TINY / "bank") -> Bank:
    """Read the bank in ``folder`` (``bank.json`` and the FLAC files that it names).

    Raises UserError where a file is missing or its SHA-256 is not the one in ``bank.json``:
    scenes rendered from other takes would not be the scenes that the tiny model was
    trained and measured on.
    """
    index = read_json(folder / "bank.json")
    waves = {
        name: _read_flac(folder / name, about["sha256"]) for name, about in index["files"].items()
    }
    return Bank(
        Take(
            kind=row["kind"],
            name=row["name"],
            take=row["take"],
            split=row["split"],
            voice=row.get("voice"),
            pitch=row.get("pitch"),
            wave=waves[row["file"]][row["start"] : row["stop"]],
        )
        for row in index["takes"]
    )


def _read_flac(path: Path, sha256: str) -> np.ndarray:
    mend = "restore data/tiny/bank with `git checkout`, or rebuild it"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); {mend}") from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise UserError(f"{path}: not the file that bank.json describes (SHA-256); {mend}")
    samples, _ = soundfile.read(io.BytesIO(content), dtype="int16")
    wave = samples.astype(np.float32) / 32768
    wave.flags.writeable = False
    return wave
