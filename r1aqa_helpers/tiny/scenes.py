"""Scenes: what sounds when, how loud, with which noise; and their rendering.

A :class:`Scene` is a recipe, plain data that fits one JSON line. :func:`render` turns it into
samples, and nothing but the recipe and the bank decides what comes out.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, cast

import numpy as np
from scipy.signal import fftconvolve

from r1aqa_helpers.data.audio import SAMPLE_RATE
from r1aqa_helpers.tiny.sounds import SYNTHS, Bank

#: RMS (full scale = 1) that every event has at a gain of 0 dB, before mixing.
EVENT_RMS = 0.1


@dataclass(frozen=True)
class Event:
    """One thing that sounds.

    ``start`` and ``seconds`` are in seconds; ``seconds`` is None for a take played whole.
    ``speed`` is the ratio by which a take is read faster (1.02: 2 % shorter and higher).
    ``pitch`` is a MIDI note; ``seed`` drives a synthesised source.
    """

    kind: str
    name: str
    start: float
    seconds: float | None = None
    gain_db: float = 0.0
    take: int = 0
    speed: float = 1.0
    pitch: int | None = None
    voice: str | None = None
    seed: int = 0


@dataclass(frozen=True)
class Scene:
    """A recipe: events, and the reverberation, noise and level around them.

    ``snr_db`` is the ratio of the mix to white-ish noise, ``level_db`` the peak (dBFS),
    ``reverb_seconds`` the time in which the reverberation falls by 60 dB (0: none).
    ``facts`` say what the scene shows, for captions and questions.
    """

    family: str
    seconds: float
    events: tuple[Event, ...]
    snr_db: float
    level_db: float
    reverb_seconds: float
    seed: int
    facts: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The recipe as JSON would hold it, default values of events left out."""
        record = asdict(self)
        bare = asdict(Event("", "", 0.0))
        record["events"] = [
            {k: v for k, v in event.items() if k in ("kind", "name", "start") or v != bare[k]}
            for event in record["events"]
        ]
        return record

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> "Scene":
        """The inverse of :meth:`as_dict`."""
        events = tuple(Event(**event) for event in record["events"])
        return cls(**{**record, "events": events})


def _resample(wave: np.ndarray, speed: float) -> np.ndarray:
    """Read ``wave`` ``speed`` times as fast (linear interpolation: pitch moves along)."""
    if speed == 1.0:
        return wave
    positions = np.arange(0, len(wave) - 1, speed)
    return np.interp(positions, np.arange(len(wave)), wave)


def _fit(wave: np.ndarray, samples: int) -> np.ndarray:
    """Loop or cut to ``samples``, seams and ends faded over 10 ms."""
    fade = min(160, len(wave) // 4)
    ramp = np.linspace(0, 1, fade)
    piece = wave.copy()
    piece[:fade] *= ramp
    piece[-fade:] *= ramp[::-1]
    step = len(piece) - fade
    out = np.zeros(samples + len(piece))
    for start in range(0, samples, step):
        out[start : start + len(piece)] += piece
    out = out[:samples]
    out[-fade:] *= ramp[::-1]
    return out


def event_wave(event: Event, bank: Bank) -> np.ndarray:
    """The event alone: float64 samples at 16 kHz, at ``EVENT_RMS`` times its gain."""
    if event.kind == "synth":
        wave = SYNTHS[event.name](np.random.default_rng(event.seed), event.seconds or 1.0)
    elif event.kind == "note":
        # The recorded note that is nearest in pitch, at the speed that gives the wanted pitch.
        takes = bank.takes("note", event.name, take=event.take)
        at = {cast(int, take.pitch): take for take in reversed(takes)}
        wanted = cast(int, event.pitch)
        pitch = min(at, key=lambda one: (abs(one - wanted), one))
        take, speed = at[pitch], 2 ** ((wanted - pitch) / 12)
        wave = _resample(take.wave.astype(np.float64), speed * event.speed)
        if event.seconds is not None:
            wave = wave[: int(event.seconds * SAMPLE_RATE)].copy()
            fall = min(400, len(wave) // 2)
            wave[-fall:] *= np.linspace(1, 0, fall)
    else:
        take = bank.takes(event.kind, event.name, voice=event.voice, take=event.take)[0]
        wave = _resample(take.wave.astype(np.float64), event.speed)
        if event.seconds is not None:
            wave = _fit(wave, int(event.seconds * SAMPLE_RATE))
    loud = wave[np.abs(wave) > 0.05 * np.abs(wave).max()]
    rms = np.sqrt(np.mean(loud**2)) if len(loud) else 1.0
    return wave * (EVENT_RMS / rms * 10 ** (event.gain_db / 20))


def _echo(wave: np.ndarray, seconds: float, rng: np.random.Generator) -> np.ndarray:
    """The wave with reverberation: an impulse response of exponentially falling noise."""
    t = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    tail = rng.standard_normal(len(t)) * 10 ** (-3 * t / seconds)
    tail[: int(0.003 * SAMPLE_RATE)] = 0
    tail *= 0.4 / (np.sqrt(np.sum(tail**2)) + 1e-9)
    return wave + fftconvolve(wave, tail)[: len(wave)]


def render(scene: Scene, bank: Bank) -> np.ndarray:
    """The clip: float32 samples (seconds x 16,000,) in -1..1, the same for the same recipe."""
    rng = np.random.default_rng(scene.seed)
    mix = np.zeros(int(round(scene.seconds * SAMPLE_RATE)))
    for event in scene.events:
        start = int(event.start * SAMPLE_RATE)
        wave = event_wave(event, bank)[: max(0, len(mix) - start)]
        mix[start : start + len(wave)] += wave
    if scene.reverb_seconds:
        mix = _echo(mix, scene.reverb_seconds, rng)
    noise = rng.standard_normal(len(mix))
    noise *= EVENT_RMS / 10 ** (scene.snr_db / 20)
    mix = mix + noise
    peak = np.abs(mix).max() + 1e-9
    return (mix / peak * 10 ** (scene.level_db / 20)).astype(np.float32)
