"""Families of scenes: each draws a recipe, and writes down the facts it shows.

Eight families over three domains. A family draws only from the takes that it is given, so
that test takes never sound in training.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from r1aqa_helpers.tiny.scenes import Event, Scene
from r1aqa_helpers.tiny.sounds import INSTRUMENT_FAMILIES, NUMBERS, SYNTHS, WORDS

Rng = np.random.Generator

#: one-shot sources can be counted; sustained ones can be long or short
ONE_SHOT = [
    "beep", "knock", "water drop", "gunshot", "tom drum", "hand clap", "cowbell",
    "tambourine", "wood block", "whistle", "cymbal", "triangle",
]  # fmt: skip
SUSTAINED = [
    "siren", "wind", "rain", "engine", "clock", "alarm", "buzzer",
    "telephone", "bird", "helicopter", "applause", "waves",
]  # fmt: skip
SOURCES = ONE_SHOT + SUSTAINED
INSTRUMENTS = list(INSTRUMENT_FAMILIES)
VOICES = ["man 1", "man 2", "man 3", "woman 1", "woman 2", "woman 3"]

#: lowest MIDI note of each instrument's recorded register, 20 semitones wide
_LOWEST = {
    "piano": 55, "organ": 55, "harpsichord": 57, "violin": 60, "cello": 43, "guitar": 48,
    "flute": 64, "clarinet": 55, "bassoon": 41, "trumpet": 58, "trombone": 46, "tuba": 34,
}  # fmt: skip
#: seconds between the onsets of notes, and of spoken words
TEMPO_INTERVAL = {"slow": 0.72, "medium": 0.42, "fast": 0.22}
RATE_INTERVAL = {"slow": 1.05, "normal": 0.75, "fast": 0.48}
CONTOURS = {
    "rising": (0, 4, 7, 12),
    "falling": (12, 7, 4, 0),
    "arching": (0, 7, 12, 7, 0),
    "dipping": (12, 5, 0, 5, 12),
}


@dataclass(frozen=True)
class SplitConfig:
    """What a split may use: the bank's take numbers, and the share of each difficulty."""

    takes: tuple[int, ...]
    difficulty: tuple[float, float, float]  # easy, medium, hard


TRAINING = SplitConfig(takes=(0, 1), difficulty=(0.35, 0.45, 0.20))
TESTING = SplitConfig(takes=(2,), difficulty=(0.26, 0.50, 0.24))
#: signal-to-noise ratio in dB, and the longest reverberation in s, of each difficulty
CONDITIONS = {
    "easy": ((22.0, 32.0), 0.0),
    "medium": ((14.0, 22.0), 0.25),
    "hard": ((8.0, 14.0), 0.45),
}


def _pick(rng: Rng, items: Sequence, count: int | None = None) -> Any:
    """One item, or ``count`` different ones, as plain Python objects."""
    if count is None:
        return items[int(rng.integers(len(items)))]
    return [items[i] for i in rng.permutation(len(items))[:count]]


def _source(
    rng: Rng, config: SplitConfig, name: str, start: float, seconds: float, gain: float
) -> Event:
    synth = name in SYNTHS
    return Event(
        kind="synth" if synth else "effect",
        name=name,
        start=round(start, 3),
        seconds=round(seconds, 3) if synth or name in SUSTAINED else None,
        gain_db=round(gain, 1),
        take=0 if synth else int(_pick(rng, config.takes)),
        speed=1.0 if synth else round(rng.uniform(0.96, 1.04), 3),
        seed=int(rng.integers(2**31)) if synth else 0,
    )


def _note(
    rng: Rng,
    config: SplitConfig,
    name: str,
    pitch: int,
    start: float,
    seconds: float,
) -> Event:
    return Event(
        kind="note",
        name=name,
        start=round(start, 3),
        seconds=round(seconds, 3),
        gain_db=0.0,
        take=int(_pick(rng, config.takes)),
        pitch=int(pitch),
    )


def _word(rng: Rng, config: SplitConfig, name: str, voice: str, start: float) -> Event:
    return Event(
        kind="word",
        name=name,
        start=round(start, 3),
        gain_db=round(rng.uniform(-2, 0), 1),
        take=int(_pick(rng, config.takes)),
        speed=round(rng.uniform(0.97, 1.03), 3),
        voice=voice,
    )


def _scene(
    rng: Rng, config: SplitConfig, family: str, events: Sequence[Event], end: float, facts: dict
) -> Scene:
    """The scene of these events; its difficulty decides the noise and the reverberation."""
    difficulty = str(rng.choice(list(CONDITIONS), p=config.difficulty))
    (low, high), longest = CONDITIONS[difficulty]
    reverb = rng.uniform(0.1, longest) if longest and rng.random() < 0.6 else 0.0
    return Scene(
        family=family,
        seconds=round(float(np.clip(end + rng.uniform(0.05, 0.3), 2.0, 4.0)), 2),
        events=tuple(events),
        snr_db=round(rng.uniform(low, high), 1),
        level_db=round(rng.uniform(-18, -1), 1),
        reverb_seconds=round(reverb, 2),
        seed=int(rng.integers(2**31)),
        facts={**facts, "difficulty": difficulty},
    )


def sequence(
    rng: Rng, config: SplitConfig, contrast: str | None = None, count: int | None = None
) -> Scene:
    """One to three sources in turn.

    ``contrast`` makes two of them differ on purpose: ``"louder"`` (one 10 to 14 dB below the
    other) or ``"longer"`` (two sustained sources, one at least 2.2 times as long).
    """
    if contrast is None and count is None:
        contrast = _pick(rng, [None, None, None, "louder", "longer"])
    if contrast:
        count = 2
    count = count or int(rng.integers(1, 4))
    names = _pick(rng, SUSTAINED if contrast == "longer" else SOURCES, count)
    gains = rng.uniform(-3, 0, count)
    slots = np.full(count, {1: 1.6, 2: 1.3, 3: 1.0}[count]) * rng.uniform(0.85, 1.1, count)
    facts: dict = {"sources": names}
    if contrast == "louder":
        loud = int(rng.integers(2))
        gains[loud], gains[1 - loud] = 0.0, -rng.uniform(10, 14)
        facts["louder"] = names[loud]
    if contrast == "longer":
        long = int(rng.integers(2))
        slots[long], slots[1 - long] = rng.uniform(1.9, 2.3), rng.uniform(0.6, 0.8)
        facts["longer"] = names[long]
    events, now = [], rng.uniform(0.0, 0.3)
    for name, gain, slot in zip(names, gains, slots, strict=True):
        events.append(_source(rng, config, name, now, slot, gain))
        now += slot + rng.uniform(0.08, 0.2)
    return _scene(rng, config, "sequence", events, now, facts)


def repeats(rng: Rng, config: SplitConfig) -> Scene:
    """One one-shot source, one to five times."""
    name = _pick(rng, ONE_SHOT)
    count = int(rng.integers(1, 6))
    seconds = {"cymbal": 0.6, "triangle": 0.6, "whistle": 0.55}.get(name, 0.45)
    interval = max(seconds, rng.uniform(0.5, 0.65))
    first = rng.uniform(0.05, 0.4)
    events = []
    for i in range(count):
        start = first + i * interval + rng.uniform(-0.02, 0.02)
        events.append(_source(rng, config, name, max(start, 0), 0.2, rng.uniform(-2, 0)))
    facts = {"source": name, "count": count}
    return _scene(rng, config, "repeats", events, first + count * interval, facts)


def _root(rng: Rng, instrument: str, span: int) -> int:
    """A lowest note that leaves ``span`` semitones inside the recorded register."""
    return _LOWEST[instrument] + int(rng.integers(0, 22 - span))


def melody(rng: Rng, config: SplitConfig) -> Scene:
    """A short phrase on one instrument that rises, falls, arches or dips."""
    instrument, contour = _pick(rng, INSTRUMENTS), _pick(rng, list(CONTOURS))
    root, steps = _root(rng, instrument, 12), CONTOURS[contour]
    interval, now = rng.uniform(0.38, 0.6), rng.uniform(0.05, 0.4)
    events = []
    for step in steps:
        events.append(_note(rng, config, instrument, root + step, now, interval * 0.95))
        now += interval
    return _scene(
        rng, config, "melody", events, now, {"instruments": [instrument], "contour": contour}
    )


def pulse(rng: Rng, config: SplitConfig) -> Scene:
    """Two alternating notes, slow, medium or fast."""
    instrument, tempo = _pick(rng, INSTRUMENTS), _pick(rng, list(TEMPO_INTERVAL))
    root = _root(rng, instrument, 7)
    interval = TEMPO_INTERVAL[tempo] * rng.uniform(0.92, 1.08)
    now, end = rng.uniform(0.02, 0.3), rng.uniform(2.6, 3.7)
    events: list[Event] = []
    while now < end - 0.2:
        pitch = root + (0, 7)[len(events) % 2]
        events.append(_note(rng, config, instrument, pitch, now, min(interval * 0.9, 0.6)))
        now += interval
    facts = {"instruments": [instrument], "tempo": tempo}
    return _scene(rng, config, "pulse", events, now, facts)


def ensemble(rng: Rng, config: SplitConfig, count: int | None = None) -> Scene:
    """Three short phrases by one, two or three instruments in turn."""
    count = count or int(rng.integers(1, 4))
    names = _pick(rng, INSTRUMENTS, count)
    players = {1: [0, 0, 0], 2: _pick(rng, [[0, 0, 1], [0, 1, 1]]), 3: [0, 1, 2]}[count]
    now, events = rng.uniform(0.05, 0.3), []
    for player in players:
        root = _root(rng, names[player], 7)
        for step in (0, 7):
            events.append(_note(rng, config, names[player], root + step, now, 0.45))
            now += 0.47
        now += 0.1
    facts = {"instruments": names, "phrases": [names[player] for player in players]}
    return _scene(rng, config, "ensemble", events, now, facts)


def solo(rng: Rng, config: SplitConfig) -> Scene:
    """Music of any family by one instrument."""
    return _pick(rng, [melody, pulse])(rng, config)


def _voices_unlike(rng: Rng, count: int) -> list[str]:
    """Voices of which no two are the same; two always differ in sex, to be distinguished."""
    if count == 1:
        return [_pick(rng, VOICES)]
    first = _pick(rng, [v for v in VOICES if v.startswith("man")])
    second = _pick(rng, [v for v in VOICES if v.startswith("woman")])
    chosen = [first, second]
    if count == 3:
        chosen.append(_pick(rng, [v for v in VOICES if v not in chosen]))
    return _pick(rng, chosen, count)


def words(rng: Rng, config: SplitConfig, count: int | None = None) -> Scene:
    """One to three words by one voice, at a rate."""
    count = count or int(rng.integers(1, 4))
    spoken = _pick(rng, WORDS, count)
    voice, rate = _pick(rng, VOICES), _pick(rng, list(RATE_INTERVAL))
    interval = RATE_INTERVAL[rate] * rng.uniform(0.95, 1.05)
    now, events = rng.uniform(0.05, 0.5), []
    for word in spoken:
        events.append(_word(rng, config, word, voice, now))
        now += interval
    facts = {"words": spoken, "voices": [voice]}
    if count == 3:
        facts["rate"] = rate
    return _scene(rng, config, "words", events, now, facts)


def numbers(rng: Rng, config: SplitConfig, count: int | None = None) -> Scene:
    """One spoken number, or two whose sum is uniform over 1 to 23."""
    count = count or int(rng.integers(1, 3))
    voice = _pick(rng, VOICES)
    if count == 1:
        values = [int(rng.integers(13))]
    else:
        total = int(rng.integers(1, 24))
        first = int(rng.integers(max(0, total - 12), min(12, total) + 1))
        values = [first, total - first]
    now, events = rng.uniform(0.05, 0.5), []
    for value in values:
        events.append(_word(rng, config, NUMBERS[value], voice, now))
        now += rng.uniform(0.75, 1.1)
    facts = {"words": [NUMBERS[v] for v in values], "voices": [voice], "values": values}
    return _scene(rng, config, "numbers", events, now, facts)


def speakers(rng: Rng, config: SplitConfig, count: int | None = None) -> Scene:
    """Three words by one, two or three voices."""
    count = count or int(rng.integers(1, 4))
    voices = _voices_unlike(rng, count)
    turns = {1: [0, 0, 0], 2: _pick(rng, [[0, 0, 1], [0, 1, 0], [0, 1, 1]]), 3: [0, 1, 2]}[count]
    spoken = _pick(rng, WORDS, 3)
    now, events = rng.uniform(0.05, 0.4), []
    for turn, word in zip(turns, spoken, strict=True):
        events.append(_word(rng, config, word, voices[turn], now))
        now += rng.uniform(0.72, 1.0)
    facts = {"words": spoken, "voices": [voices[t] for t in turns]}
    return _scene(rng, config, "speakers", events, now, facts)


#: domain -> family -> how often it is drawn there
FAMILIES: dict[str, dict[Callable[..., Scene], float]] = {
    "sound": {sequence: 0.75, repeats: 0.25},
    "music": {melody: 0.25, pulse: 0.2, ensemble: 0.55},
    "speech": {words: 0.4, numbers: 0.35, speakers: 0.25},
}


def draw(rng: Rng, config: SplitConfig, domain: str | None = None) -> Scene:
    """A random scene of ``domain`` (any by default: sound, music and speech alike often)."""
    domain = domain or _pick(rng, list(FAMILIES))
    table = FAMILIES[domain]
    family = list(table)[int(rng.choice(len(table), p=list(table.values())))]
    return family(rng, config)
