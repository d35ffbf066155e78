"""The committed bank is what its index says, and its takes are what their names say."""

import io
import itertools
import shutil

import build_tiny_bank
import numpy as np
import pytest
import soundfile

from r1aqa_helpers.tiny.sounds import INSTRUMENT_FAMILIES, NUMBERS, WORDS, Take, load_bank
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.paths import TINY

RATE = 16_000
EFFECTS = (
    "telephone,bird,helicopter,applause,gunshot,waves,tom drum,cymbal,hand clap,cowbell,"
    "tambourine,triangle,wood block,whistle"
).split(",")


@pytest.fixture(scope="module")
def bank():
    return load_bank()


def all_takes(bank) -> list[Take]:
    kinds = ("effect", "note", "word")
    return [t for kind in kinds for name in bank.names(kind) for t in bank.takes(kind, name)]


def fundamental(wave: np.ndarray, lowest: float, highest: float) -> float | None:
    """F0 in Hz by YIN (de Cheveigné and Kawahara, 2002), from the start of ``wave``."""
    wave = wave.astype(np.float64)
    longest = int(RATE / lowest)
    window = len(wave) - longest
    square = [np.sum((wave[:window] - wave[lag : lag + window]) ** 2) for lag in range(longest)]
    difference = np.array(square)
    mean = np.cumsum(difference[1:]) / np.arange(1, longest)
    dips = np.concatenate([[1.0], difference[1:] / np.maximum(mean, 1e-12)])
    for lag in range(int(RATE / highest), longest - 1):
        if dips[lag] < 0.1 and dips[lag] <= dips[lag + 1]:
            left, middle, right = dips[lag - 1 : lag + 2]
            return RATE / (lag + (left - right) / (2 * (left - 2 * middle + right)))
    return None


def test_names_and_counts(bank):
    assert bank.names("effect") == EFFECTS
    assert bank.names("note") == list(INSTRUMENT_FAMILIES)
    assert bank.names("word") == [*WORDS, *NUMBERS]
    assert len(WORDS) == 30 and len(NUMBERS) == 13
    assert bank.voices() == ["man 1", "man 2", "man 3", "woman 1", "woman 2", "woman 3"]
    assert {len(bank.takes("effect", name)) for name in EFFECTS} == {3}
    for name in INSTRUMENT_FAMILIES:
        pitches = sorted({t.pitch for t in bank.takes("note", name)})
        assert len(pitches) == 6 and set(np.diff(pitches)) == {4}
        assert {len(bank.takes("note", name, pitch=p)) for p in pitches} == {3}
    for word, voice in itertools.product(WORDS + NUMBERS, bank.voices()):
        assert len(bank.takes("word", word, voice=voice)) == 3


def test_take_two_alone_is_the_test_take(bank):
    assert all((t.split == "test") == (t.take == 2) for t in all_takes(bank))
    assert [t.take for t in bank.takes("word", "river", voice="man 2", split="test")] == [2]
    assert [t.take for t in bank.takes("effect", "bird", split="train")] == [0, 1]


def test_levels_and_durations(bank):
    longest = {"effect": 1.2, "note": 0.75, "word": 0.5}
    for take in all_takes(bank):
        wave = take.wave
        assert wave.dtype == np.float32 and wave.ndim == 1
        assert np.abs(wave).max() == pytest.approx(0.7, abs=2**-9), take  # half a 10-bit step
        assert wave.std() > 0.05 and abs(wave.mean()) < 0.02, take
        assert max(abs(wave[0]), abs(wave[-1])) < 0.01, take  # faded: no click when mixed
        assert 0.15 <= len(wave) / RATE <= longest[take.kind], take


@pytest.mark.parametrize("instrument", INSTRUMENT_FAMILIES)
def test_notes_sound_at_their_pitch(bank, instrument):
    for take in bank.takes("note", instrument):
        heard = fundamental(take.wave[3000:8500], lowest=45, highest=1500)
        off = 12 * np.log2(heard / 440) + 69 - take.pitch
        if instrument in ("organ", "bassoon"):  # their octave partials can outweigh the tone
            off = (off + 6) % 12 - 6
        assert abs(off) < 0.5, (take.name, take.pitch, take.take, off)


@pytest.fixture
def bank_copy(tmp_path):
    return shutil.copytree(TINY / "bank", tmp_path / "bank")


def test_altered_and_missing_files_are_refused(bank_copy):
    content = bytearray((bank_copy / "notes.flac").read_bytes())
    content[len(content) // 2] ^= 1
    (bank_copy / "notes.flac").write_bytes(content)
    with pytest.raises(UserError, match=r"notes\.flac: not the file .*SHA-256"):
        load_bank(bank_copy)
    (bank_copy / "notes.flac").unlink()
    with pytest.raises(UserError, match=r"notes\.flac: cannot be read"):
        load_bank(bank_copy)


def test_bank_is_shared_and_read_only(bank):
    assert load_bank() is bank
    with pytest.raises(ValueError):
        bank.takes("effect", "bird")[0].wave[0] = 1


def test_missing_program_is_named(monkeypatch):
    monkeypatch.setattr(build_tiny_bank.shutil, "which", lambda name: None)
    with pytest.raises(UserError, match="fluidsynth, espeak-ng.* not found; install"):
        build_tiny_bank.check_programs()


def test_trim_keeps_45_db():
    wave = np.array([0, 0.004, 0.006, 1.0, -0.006, 0.004, 0])  # 45 dB below 1 is 0.0056
    assert build_tiny_bank.trim(wave).tolist() == [0.006, 1.0, -0.006]


def test_finish_leaves_ten_bits():
    samples = build_tiny_bank.finish(np.sin(np.arange(4000) / 10))
    assert samples.dtype == np.int16 and np.all(samples % 64 == 0)
    assert abs(samples).max() / 32768 == pytest.approx(0.7, abs=2**-10)
    assert samples[0] == samples[-1] == 0


def test_pack_is_lossless_and_repeatable():
    waves = [build_tiny_bank.finish(np.random.default_rng(i).normal(size=500)) for i in range(2)]
    takes = [({"name": str(i)}, wave) for i, wave in enumerate(waves)]
    flac, rows = build_tiny_bank.pack("x.flac", takes)
    assert flac == build_tiny_bank.pack("x.flac", takes)[0]
    samples, rate = soundfile.read(io.BytesIO(flac), dtype="int16")
    assert rate == RATE
    assert [(r["file"], r["start"], r["stop"]) for r in rows] == [
        ("x.flac", 0, 500), ("x.flac", 500, 1000),
    ]  # fmt: skip
    for row, wave in zip(rows, waves, strict=True):
        assert np.array_equal(samples[row["start"] : row["stop"]], wave)


def test_midi_lengths_are_variable():
    # The examples of the Standard MIDI File specification.
    assert build_tiny_bank._variable_length(0x40) == b"\x40"
    assert build_tiny_bank._variable_length(0x80) == b"\x81\x00"
    assert build_tiny_bank._variable_length(0x1FFFFF) == b"\xff\xff\x7f"
