"""Render the bank of takes: ``python scripts/build_tiny_bank.py``.

Effects and notes are played by FluidSynth from the FluidR3 GM soundfont, words are spoken
by espeak-ng. Only this script needs those programs; the result is committed. Two runs with
the same versions of the programs give the same bytes. Origins and licences are in
``data/tiny/bank/LICENSES.md``.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import struct
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from scipy.signal import resample_poly

from r1aqa_helpers.tiny.sounds import NUMBERS, WORDS
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import write_bytes, write_text
from r1aqa_helpers.utils.paths import TINY

SOUNDFONT = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")
SAMPLE_RATE = 16_000
RENDER_RATE = 48_000  # FluidSynth does not filter before it decimates; we do, from 48 kHz
TRIM = 10 ** (-45 / 20)  # of the take's peak
PEAK = 0.7
BITS = 10  # kept of each sample, for a bank under 6 MB
SPLITS = ("train", "train", "test")  # of takes 0, 1, 2

MELODIC, DRUMS = 0, 9  # MIDI channels, counted from 0
GAP_MS = 500  # left in the rendered file for slow onsets, after the longest take


@dataclass(frozen=True)
class Strike:
    """One MIDI note, and the part of its sound that becomes a take (times in seconds)."""

    channel: int
    program: int
    key: int
    velocity: int
    cents: int = 0  # pitch bend, -200 to 200
    hold: float = 0.6
    skip: float = 0.0  # left out after the onset
    length: float = 0.7  # at most


def _sustained(program: int, *takes: tuple[int, int, float]) -> list[Strike]:
    """Takes (key, velocity, skip) of 1.2 s from inside a held sound."""
    return [
        Strike(MELODIC, program, key, velocity, hold=skip + 1.2, skip=skip, length=1.2)
        for key, velocity, skip in takes
    ]


def _drum(*takes: tuple[int, int, int, int], length: float = 0.7) -> list[Strike]:
    """Takes (kit, key, velocity, cents) of a percussion sound."""
    return [
        Strike(DRUMS, kit, key, velocity, cents, hold=0.6, length=length)
        for kit, key, velocity, cents in takes
    ]


# Kits of FluidR3: 0 standard, 8 room, 16 power, 24 electronic, 25 TR-808, 32 jazz, 48 orchestra.
EFFECTS: dict[str, list[Strike]] = {
    "telephone": _sustained(124, (60, 80, 0.0), (61, 110, 0.5), (59, 96, 0.25)),
    "bird": _sustained(123, (60, 80, 0.0), (63, 110, 0.0), (58, 96, 0.1)),
    "helicopter": _sustained(125, (60, 80, 0.3), (62, 110, 0.9), (58, 96, 0.6)),
    "applause": _sustained(126, (60, 80, 0.3), (61, 110, 1.6), (59, 96, 2.8)),
    "gunshot": [
        Strike(MELODIC, 127, key, velocity, cents, hold=0.7, length=0.7)
        for key, velocity, cents in ((60, 80, 0), (62, 110, 0), (58, 96, 0))
    ],
    "waves": _sustained(122, (60, 80, 0.8), (62, 110, 1.6), (58, 96, 2.4)),
    "tom drum": _drum((0, 45, 80, 0), (8, 48, 112, 0), (0, 47, 98, 20)),
    "cymbal": _drum((0, 49, 80, 0), (0, 57, 112, 0), (0, 49, 100, 60), length=0.9),
    "hand clap": _drum((0, 39, 80, 0), (25, 39, 112, 60), (0, 39, 98, -60)),
    "cowbell": _drum((0, 56, 80, 0), (0, 56, 112, 60), (0, 56, 98, -60)),
    "tambourine": _drum((0, 54, 80, 0), (0, 54, 112, 60), (0, 54, 98, -60)),
    "triangle": _drum((0, 81, 80, 0), (0, 81, 112, 60), (0, 81, 98, -60)),
    "wood block": _drum((0, 76, 80, 0), (0, 77, 112, 0), (0, 76, 98, -80)),
    "whistle": _drum((0, 72, 80, 0), (0, 71, 112, 0), (0, 72, 98, -60)),
}

#: Instrument -> (General MIDI program counted from 0, lowest of its six pitches).
INSTRUMENTS = {
    "piano": (0, 55),
    "organ": (19, 55),
    "harpsichord": (6, 57),
    "violin": (40, 60),
    "cello": (42, 43),
    "guitar": (24, 48),
    "flute": (73, 64),
    "clarinet": (71, 55),
    "bassoon": (70, 41),
    "trumpet": (56, 58),
    "trombone": (57, 46),
    "tuba": (58, 34),
}
PITCHES, PITCH_STEP = 6, 4  # pitches per instrument, semitones between them

# Velocity alone leaves many instruments of the soundfont one and the same recording, so a take
# is also detuned by a few cents, and played from a neighbouring key bent back to its pitch.
NOTE_TAKES = ((70, 0, -5), (92, -1, 4), (114, 1, 8))  # velocity, key offset, cents

#: Voice -> (espeak-ng voice, its pitch setting of take 0). Where espeak-ng does not know a
#: variant of a language ("en-gb+f3"), it speaks in the default voice, silently.
VOICES = {
    "man 1": ("en-us+m1", 52),
    "man 2": ("en-gb-x-rp+m3", 72),
    "man 3": ("en-us+m7", 84),
    "woman 1": ("en-us+f2", 58),
    "woman 2": ("en-gb-x-rp+f3", 88),
    "woman 3": ("en-us+f4", 76),
}
WORD_TAKES = ((165, 0), (180, 6), (172, 3))  # words per minute, added to the pitch setting
WORD_LENGTH = 0.5  # seconds; a longer word is spoken again, faster


def note_strikes() -> dict[tuple[str, int], list[Strike]]:
    """The three strikes of every (instrument, MIDI pitch)."""
    return {
        (name, pitch): [
            Strike(MELODIC, program, pitch + up, velocity, cents - 100 * up, length=0.75)
            for velocity, up, cents in NOTE_TAKES
        ]
        for name, (program, lowest) in INSTRUMENTS.items()
        for pitch in range(lowest, lowest + PITCHES * PITCH_STEP, PITCH_STEP)
    }


def midi_file(strikes: list[Strike], slot_ms: int) -> bytes:
    """A Standard MIDI File with one strike in each slot of ``slot_ms``; one tick is 1 ms."""
    events: list[tuple[int, bytes]] = [(0, bytes((0xFF, 0x51, 3)) + (1_000_000).to_bytes(3, "big"))]
    for slot, strike in enumerate(strikes):
        start, channel = slot * slot_ms, strike.channel
        bend = 8192 + round(strike.cents / 200 * 8191)
        events += [
            (start, bytes((0xC0 | channel, strike.program))),
            (start, bytes((0xE0 | channel, bend & 127, bend >> 7))),
            (start + 10, bytes((0x90 | channel, strike.key, strike.velocity))),
            (start + 10 + round(1000 * strike.hold), bytes((0x80 | channel, strike.key, 0))),
            (start + slot_ms - 50, bytes((0xB0 | channel, 120, 0))),  # all sound off
        ]
    events.append((len(strikes) * slot_ms, b"\xff\x2f\x00"))  # end of track
    track, now = bytearray(), 0
    for time, message in events:
        track += _variable_length(time - now) + message
        now = time
    header = b"MThd" + struct.pack(">IHHH", 6, 0, 1, 1000)
    return header + b"MTrk" + struct.pack(">I", len(track)) + bytes(track)


def _variable_length(value: int) -> bytes:
    """MIDI's variable-length quantity: 7 bits a byte, the high bit set on all but the last."""
    parts = [value & 127]
    while value := value >> 7:
        parts.append(value & 127 | 128)
    return bytes(reversed(parts))


def play(strikes: list[Strike]) -> list[np.ndarray]:
    """Each strike as a float wave (samples,) at 16 kHz, mono, neither trimmed nor scaled."""
    slot_ms = round(1000 * max(s.skip + s.length for s in strikes)) + GAP_MS
    with tempfile.TemporaryDirectory() as folder:
        midi, wav = Path(folder) / "bank.mid", Path(folder) / "bank.wav"
        midi.write_bytes(midi_file(strikes, slot_ms))
        options = f"-ni -q -R 0 -C 0 -g 0.5 -r {RENDER_RATE} -T wav -O float".split()
        _run("fluidsynth", *options, "-F", str(wav), str(SOUNDFONT), str(midi))
        stereo, rate = soundfile.read(wav, dtype="float32")
    wave = resample_poly(stereo.mean(axis=1), SAMPLE_RATE, rate)
    slot = slot_ms * SAMPLE_RATE // 1000
    return [wave[i * slot : (i + 1) * slot] for i in range(len(strikes))]


def speak(word: str, voice: str, speed: int, pitch: int) -> np.ndarray:
    """One spoken word as a float wave (samples,) at 16 kHz, trimmed, at most 0.5 s."""
    with tempfile.TemporaryDirectory() as folder:
        wav = Path(folder) / "word.wav"
        options = f"-v {voice} -s {speed} -p {pitch} -w {wav}".split()
        _run("espeak-ng", *options, word)
        wave, rate = soundfile.read(wav)
    wave = trim(resample_poly(wave, SAMPLE_RATE, rate))
    if len(wave) > WORD_LENGTH * SAMPLE_RATE:
        return speak(word, voice, speed + 10, pitch)
    return wave


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise UserError(f"{command[0]}: failed ({done.stderr.strip() or done.returncode})")


def trim(wave: np.ndarray) -> np.ndarray:
    """Cut what lies before the first and after the last sample within 45 dB of the peak."""
    loud = np.flatnonzero(np.abs(wave) >= TRIM * np.abs(wave).max())
    return wave[loud[0] : loud[-1] + 1]


def cut(wave: np.ndarray, strike: Strike) -> np.ndarray:
    """The part of a rendered strike that becomes a take, trimmed."""
    begin = trim(wave)[round(strike.skip * SAMPLE_RATE) :]
    return trim(begin[: round(strike.length * SAMPLE_RATE)])


def finish(wave: np.ndarray) -> np.ndarray:
    """Fade in 3 ms and out 10 ms, scale the peak to 0.7, keep BITS bits; int16 (samples,).

    The low bits that are cleared cost FLAC nothing ("wasted bits"); the rounding noise
    of 10 bits is about 60 dB below the peak.
    """
    rise, fall = 3 * SAMPLE_RATE // 1000, 10 * SAMPLE_RATE // 1000
    wave = wave.copy()
    wave[:rise] *= np.linspace(0, 1, rise)
    wave[-fall:] *= np.linspace(1, 0, fall)
    wave *= PEAK / np.abs(wave).max()
    return (np.round(wave * 2 ** (BITS - 1)) * 2 ** (16 - BITS)).astype(np.int16)


def pack(name: str, takes: list[tuple[dict, np.ndarray]]) -> tuple[bytes, list[dict]]:
    """Takes (description, int16 wave) end to end as one FLAC, and their index rows."""
    rows, at = [], 0
    for about, wave in takes:
        rows.append({**about, "file": name, "start": at, "stop": at + len(wave)})
        at += len(wave)
    flac = io.BytesIO()
    joined = np.concatenate([wave for _, wave in takes])
    soundfile.write(flac, joined, SAMPLE_RATE, "PCM_16", format="FLAC", compression_level=1.0)
    return flac.getvalue(), rows


def render() -> dict[str, list[tuple[dict, np.ndarray]]]:
    """All takes by file name: (index row without its place in the file, int16 wave)."""
    effects = [(name, number, s) for name, ss in EFFECTS.items() for number, s in enumerate(ss)]
    notes = [(*key, number, s) for key, ss in note_strikes().items() for number, s in enumerate(ss)]
    return {
        "effects.flac": [
            (_about("effect", name, number), finish(cut(wave, strike)))
            for (name, number, strike), wave in zip(
                effects, play([strike for *_, strike in effects]), strict=True
            )
        ],
        "notes.flac": [
            (_about("note", name, number, pitch=pitch), finish(cut(wave, strike)))
            for (name, pitch, number, strike), wave in zip(
                notes, play([strike for *_, strike in notes]), strict=True
            )
        ],
        "words.flac": [
            (
                _about("word", word, number, voice=voice),
                finish(speak(word, espeak, speed, pitch + higher)),
            )
            for word in WORDS + NUMBERS
            for voice, (espeak, pitch) in VOICES.items()
            for number, (speed, higher) in enumerate(WORD_TAKES)
        ],
    }


def _about(kind: str, name: str, number: int, **more: str | int) -> dict:
    return {"kind": kind, "name": name, "take": number, "split": SPLITS[number], **more}


def check_programs() -> None:
    """Raise UserError unless FluidSynth, its soundfont and espeak-ng are installed."""
    missing = [name for name in ("fluidsynth", "espeak-ng") if shutil.which(name) is None]
    if not SOUNDFONT.exists():
        missing.append(str(SOUNDFONT))
    if missing:
        raise UserError(
            f"build_tiny_bank: {', '.join(missing)} not found; "
            "install the Debian packages fluidsynth, fluid-soundfont-gm and espeak-ng"
        )


def build_bank(folder: Path = TINY / "bank") -> None:
    """Render the bank into ``folder``: three FLAC files and ``bank.json``.

    Raises UserError where a program or the soundfont is missing.
    """
    check_programs()
    packed = {name: pack(name, takes) for name, takes in render().items()}
    files = {name: {"sha256": hashlib.sha256(c).hexdigest()} for name, (c, _) in packed.items()}
    rows = [json.dumps(row) for _, rows in packed.values() for row in rows]
    for name, (content, takes) in packed.items():
        write_bytes(folder / name, content)
        print(f"{folder / name}: {len(takes)} takes, {len(content) / 1e6:.2f} MB")
    # One take a line, so that a changed bank shows in a diff what changed.
    head = f'{{"sample_rate": {SAMPLE_RATE},\n"files": {json.dumps(files)},\n"takes": [\n'
    write_text(folder / "bank.json", head + ",\n".join(rows) + "\n]}\n")


if __name__ == "__main__":
    try:
        build_bank()
    except UserError as error:
        raise SystemExit(f"error: {error}") from None
