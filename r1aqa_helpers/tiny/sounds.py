"""The sounds that scenes are mixed from: a bank of short takes, and sources that are code.

The bank (effects, notes, words) is rendered once by ``scripts/build_tiny_bank.py`` and committed
as FLAC. Take 2 of every sound is the test take, which never occurs in a training scene.

A source that is code takes ``(rng, seconds)`` and returns float64 samples at 16 kHz, about full
scale; loudness is set when a scene is mixed. The one-shot sources (beep, knock, water drop) have
a length of their own, whatever ``seconds`` is.
"""

import hashlib
import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from pathlib import Path

import numpy as np
import soundfile

from r1aqa_helpers.data.audio import SAMPLE_RATE
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import read_json
from r1aqa_helpers.utils.paths import TINY

Synth = Callable[[np.random.Generator, float], np.ndarray]

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

    def takes(self, kind: str, name: str, **wanted: str | int | None) -> list[Take]:
        """The takes of one sound, in the order of the index.

        ``wanted`` (take, split, voice, pitch) filters by attributes; None lets all pass. Raises
        KeyError where the bank has no such kind or name.
        """
        return [
            take
            for take in self._by_name[kind][name]
            if all(value in (None, getattr(take, key)) for key, value in wanted.items())
        ]

    def names(self, kind: str) -> list[str]:
        """The sounds of one kind, in the order of the index. Raises KeyError if unknown."""
        return list(self._by_name[kind])

    def voices(self) -> list[str]:
        """The voices that speak the words: "man 1" to "man 3", "woman 1" to "woman 3"."""
        takes = chain.from_iterable(self._by_name["word"].values())
        return sorted({take.voice for take in takes if take.voice is not None})


@lru_cache(maxsize=2)
def load_bank(folder: Path = TINY / "bank") -> Bank:
    """Read the bank in ``folder``: ``bank.json`` and the FLAC files that it names.

    Raises UserError where a file is missing or has another SHA-256: scenes from other takes
    would not be those that the tiny model was trained and measured on.
    """
    index = read_json(folder / "bank.json")
    waves = {
        name: _read_flac(folder / name, about["sha256"]) for name, about in index["files"].items()
    }
    rows = ({"voice": None, "pitch": None} | row for row in index["takes"])
    return Bank(
        Take(
            **{key: row[key] for key in ("kind", "name", "take", "split", "voice", "pitch")},
            wave=waves[row["file"]][row["start"] : row["stop"]],
        )
        for row in rows
    )


def _read_flac(path: Path, sha256: str) -> np.ndarray:
    fix = "restore data/tiny/bank with `git checkout`, or rebuild it"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); {fix}") from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise UserError(f"{path}: not the file that bank.json describes (SHA-256); {fix}")
    samples, _ = soundfile.read(io.BytesIO(content), dtype="int16")
    wave = samples.astype(np.float32) / 32768
    wave.flags.writeable = False
    return wave


# --- sources that are code ------------------------------------------------------------------


def _time(seconds: float) -> np.ndarray:
    return np.arange(max(1, int(seconds * SAMPLE_RATE))) / SAMPLE_RATE


def _fade(wave: np.ndarray, attack: float = 0.01, release: float = 0.04) -> np.ndarray:
    wave = wave.copy()
    rise, fall = (min(int(s * SAMPLE_RATE), len(wave) // 2) for s in (attack, release))
    if rise:
        wave[:rise] *= np.linspace(0, 1, rise)
    if fall:
        wave[-fall:] *= np.linspace(1, 0, fall)
    return wave


def _band_noise(rng: np.random.Generator, samples: int, low: float, high: float) -> np.ndarray:
    """White noise whose spectrum is zero outside ``low..high`` Hz, peak 1."""
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    frequency = np.fft.rfftfreq(samples, 1 / SAMPLE_RATE)
    spectrum[(frequency < low) | (frequency > high)] = 0
    wave = np.fft.irfft(spectrum, samples)
    return wave / (np.abs(wave).max() + 1e-9)


def siren(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """A wailing tone, gliding up and down two to three times a second."""
    t = _time(seconds)
    sweep = np.sin(2 * np.pi * rng.uniform(1.5, 3) * t + rng.uniform(0, 6))
    pitch = rng.uniform(650, 850) + 260 * sweep
    phase = 2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE
    return _fade(np.sin(phase) + 0.3 * np.sin(2 * phase))


def wind(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Low noise that swells and falls."""
    t = _time(seconds)
    swell = 0.6 + 0.4 * np.sin(2 * np.pi * rng.uniform(0.5, 1) * t + rng.uniform(0, 6))
    return _fade(_band_noise(rng, len(t), 80, 500) * swell, 0.05, 0.05)


def rain(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Steady high noise with drops in it."""
    t = _time(seconds)
    drops = (rng.random(len(t)) < 60 / SAMPLE_RATE) * rng.uniform(0.3, 1, len(t))
    patter = np.convolve(drops, np.exp(-np.arange(200) / 30) * rng.standard_normal(200), "same")
    return _fade(_band_noise(rng, len(t), 1500, 7500) + 0.8 * patter, 0.05, 0.05)


def engine(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """A motor: many harmonics of 35 to 60 Hz, and some breath."""
    t = _time(seconds)
    base = rng.uniform(35, 60)
    hum = sum(np.sin(2 * np.pi * base * k * t + rng.uniform(0, 6)) / k for k in range(1, 12))
    return _fade(np.tanh(3 * hum) * 0.5 + 0.03 * rng.standard_normal(len(t)))


def clock(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Ticks, four to five a second."""
    wave = np.zeros(len(_time(seconds)))
    period = int(SAMPLE_RATE * rng.uniform(0.2, 0.25))
    for start in range(int(rng.integers(0, 800)), len(wave) - 500, period):
        tick = _band_noise(rng, 400, 2000, 6000) * np.exp(-np.arange(400) / 60)
        wave[start : start + 400] += tick
    return wave


def alarm(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Two tones in turn, six changes a second."""
    t = _time(seconds)
    low = rng.uniform(1000, 1200)
    pitch = np.where((t * rng.uniform(5, 7)).astype(int) % 2 == 0, low, low * 1.5)
    phase = 2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE
    return _fade(np.sign(np.sin(phase)) * 0.5 + 0.5 * np.sin(phase))


def buzzer(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """A flat, rough tone: a square wave of 110 to 160 Hz."""
    t = _time(seconds)
    return _fade(np.sign(np.sin(2 * np.pi * rng.uniform(110, 160) * t)))


def beep(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """One pure tone of 0.12 to 0.18 s, 900 to 1500 Hz."""
    t = _time(min(seconds, rng.uniform(0.12, 0.18)))
    return _fade(np.sin(2 * np.pi * rng.uniform(900, 1500) * t))


def knock(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """One dull rap on wood."""
    t = _time(0.12)
    body = np.sin(2 * np.pi * rng.uniform(130, 190) * t) * np.exp(-t * 45)
    return _fade(body + _band_noise(rng, len(t), 200, 900) * np.exp(-t * 80) * 0.6, 0.001)


def water_drop(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """One drop: a short chirp upwards."""
    t = _time(0.09)
    pitch = rng.uniform(700, 1000) * (1 + 8 * t)
    return _fade(np.sin(2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE) * np.exp(-t * 30), 0.002)


#: name in questions -> its function
SYNTHS: dict[str, Synth] = {
    synth.__name__.replace("_", " "): synth
    for synth in (siren, wind, rain, engine, clock, alarm, buzzer, beep, knock, water_drop)
}
