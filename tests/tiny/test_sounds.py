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


@pytest.fixture(scope="module")
def bank():
    return load_bank()


def all_takes(bank) -> list[Take]:
    kinds = ("effect", "note", "word")
    return [t for kind in kinds for name in bank.names(kind) for t in bank.takes(kind, name)]


def test_names_and_counts(bank):
    assert bank.names("note") == list(INSTRUMENT_FAMILIES)
    assert bank.names("word") == [*WORDS, *NUMBERS]
    assert {len(bank.takes("effect", name)) for name in bank.names("effect")} == {3}
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
    assert load_bank() is bank and not bank.takes("effect", "bird")[0].wave.flags.writeable


def test_levels_and_durations(bank):
    longest = {"effect": 1.2, "note": 0.75, "word": 0.5}
    for take in all_takes(bank):
        wave = take.wave
        assert wave.dtype == np.float32 and wave.ndim == 1
        assert np.abs(wave).max() == pytest.approx(0.7, abs=2**-9), take  # half a 10-bit step
        assert wave.std() > 0.05 and abs(wave.mean()) < 0.02, take
        assert max(abs(wave[0]), abs(wave[-1])) < 0.01, take  # faded: no click when mixed
        assert 0.15 <= len(wave) / RATE <= longest[take.kind], take


def test_altered_and_missing_files_are_refused(tmp_path):
    bank_copy = shutil.copytree(TINY / "bank", tmp_path / "bank")
    content = bytearray((bank_copy / "notes.flac").read_bytes())
    content[len(content) // 2] ^= 1
    (bank_copy / "notes.flac").write_bytes(content)
    with pytest.raises(UserError, match=r"notes\.flac: not the file .*SHA-256"):
        load_bank(bank_copy)
    (bank_copy / "notes.flac").unlink()
    with pytest.raises(UserError, match=r"notes\.flac: cannot be read"):
        load_bank(bank_copy)


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
