"""Audio: whatever comes in, the same sound at 16 kHz comes out, or one clear line."""

import io
import os
import struct
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import soundfile
from transformers import WhisperFeatureExtractor

from r1aqa_helpers.data.audio import (
    SAMPLE_RATE,
    AudioFault,
    clip_to_window,
    decode_audio,
    header_seconds,
    load_audio,
    log_mel,
    save_audio,
)
from r1aqa_helpers.utils.errors import UserError


def tone(rate: int, hertz: float = 440.0, seconds: float = 1.0, level: float = 0.5) -> np.ndarray:
    return level * np.sin(2 * np.pi * hertz * np.arange(int(rate * seconds)) / rate)


def encoded(wave: np.ndarray, rate: int = SAMPLE_RATE, kind: str = "WAV", **options) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, wave, rate, format=kind, **options)
    return buffer.getvalue()


def middle(wave: np.ndarray) -> np.ndarray:
    """Without the edges, where resampling and codecs fade."""
    return wave[len(wave) // 8 : -len(wave) // 8]


def assert_is_the_tone(wave: np.ndarray, level: float = 0.5) -> None:
    assert wave.dtype == np.float32 and wave.ndim == 1
    assert abs(len(wave) - SAMPLE_RATE) <= 1
    wave = middle(wave)
    spectrum = np.abs(np.fft.rfft(wave * np.hanning(len(wave)), n=8 * SAMPLE_RATE))
    assert np.argmax(spectrum) / 8 == pytest.approx(440, abs=1)
    assert wave.std() == pytest.approx(level / np.sqrt(2), rel=0.05)


@pytest.fixture
def file(tmp_path):
    def make(data: bytes, name: str = "clip.wav"):
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return make


# 44,101 Hz shares no factor with 16,000: a table of filters for it would take gigabytes.
@pytest.mark.parametrize("rate", [8000, 16000, 44100, 44101, 192000])
def test_a_tone_keeps_pitch_and_level_from_any_rate(file, rate):
    assert_is_the_tone(load_audio(file(encoded(tone(rate), rate))))


@pytest.mark.parametrize("rate", [44100, 44101])
def test_what_16_khz_cannot_hold_is_filtered_out_and_not_folded_down(file, rate):
    wave = load_audio(file(encoded(tone(rate, 440) + tone(rate, 12_000, level=0.45), rate)))
    assert_is_the_tone(wave)
    folded = middle(wave) * np.exp(-2j * np.pi * 4000 * np.arange(len(middle(wave))) / SAMPLE_RATE)
    assert 20 * np.log10(abs(folded.mean()) / 0.225) < -40


@pytest.mark.parametrize(
    "kind, subtype, name",
    [
        ("WAV", "PCM_24", "a.wav"),
        ("WAV", "FLOAT", "a.wav"),
        ("WAVEX", "PCM_16", "a.wav"),
        ("FLAC", "PCM_24", "a.flac"),
        ("OGG", "OPUS", "a.opus"),
        ("AIFF", "PCM_16", "a.aiff"),
        ("MP3", "MPEG_LAYER_III", "mp3 named.wav"),
        ("OGG", "VORBIS", "without suffix"),
    ],
)
def test_the_content_decides_on_the_format(file, kind, subtype, name):
    wave = load_audio(file(encoded(tone(SAMPLE_RATE), kind=kind, subtype=subtype), name))
    assert_is_the_tone(wave)


@pytest.mark.parametrize("channels", [2, 6])
def test_channels_are_averaged(file, channels):
    levels = np.linspace(0.1, 0.6, channels)
    wave = load_audio(file(encoded(np.outer(tone(48000, level=1.0), levels), 48000)))
    assert_is_the_tone(wave, level=levels.mean())


def test_a_wav_longer_than_one_block_is_read_whole_and_float_peaks_stay():
    samples = (1 << 20) + 12_345
    ramp = 2.5 * np.arange(samples) / samples
    wave = decode_audio(encoded(ramp, subtype="FLOAT"))
    np.testing.assert_array_equal(wave, ramp.astype(np.float32))


def test_a_length_left_open_by_a_pipe_is_no_fault(file):
    data = bytearray(encoded(tone(SAMPLE_RATE)))
    at = data.index(b"data") + 4
    data[4:8] = data[at : at + 4] = b"\xff" * 4
    assert_is_the_tone(load_audio(file(data)))


TONE = tone(SAMPLE_RATE) + np.random.default_rng(0).normal(0, 0.05, SAMPLE_RATE)
COMPRESSED = [("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III")]
PLAIN = [(kind, "PCM_16") for kind in ("WAV", "FLAC", "AIFF", "AU", "W64", "RF64")]


@pytest.mark.parametrize("kept", [0.01, 0.5, 0.97])
@pytest.mark.parametrize(("kind", "subtype"), COMPRESSED + PLAIN)
def test_a_truncated_file_is_an_error(kind, subtype, kept):
    data = encoded(TONE, kind=kind, subtype=subtype)
    assert len(decode_audio(data)) == len(TONE)
    with pytest.raises(AudioFault, match="cut off|and whole"):
        decode_audio(data[: int(kept * len(data))])


def flac_of_open_length() -> bytes:
    data = bytearray(encoded(TONE, kind="FLAC"))
    data[21] &= 0xF0  # 36 bits of STREAMINFO: number of samples, 0 for unknown
    data[22:26] = bytes(4)
    return bytes(data)


def wav_of_rate(rate: int) -> bytes:
    data = bytearray(encoded(TONE))
    struct.pack_into("<II", data, 24, rate, 2 * rate)
    return bytes(data)


def wav_with(value: float) -> bytes:
    wave = TONE.copy()
    wave[777] = value
    return encoded(wave, subtype="FLOAT")


BAD = {
    "empty": (b"", "is empty"),
    "text": (b"hello there\n" * 500, "no audio"),
    "an MPEG head and nothing more": (b"\xff\xfb" + b"a" * 1000, "no audio"),
    "no samples": (encoded(np.zeros(0)), "no samples"),
    "nan": (wav_with(np.nan), "NaN or infinite"),
    "inf": (wav_with(np.inf), "NaN or infinite"),
    "rate 1 Hz": (wav_of_rate(1), "sample rate of 1 Hz"),
    "open length": (flac_of_open_length(), "does not state its length"),
}


@pytest.mark.parametrize("data, expected", BAD.values(), ids=BAD)
def test_bad_content_is_one_line(file, data, expected):
    path = file(data)
    with pytest.raises(UserError, match=expected) as caught:
        load_audio(path)
    assert str(caught.value).isprintable() and str(caught.value).startswith(f"{path}: ")


def test_a_missing_file_and_a_folder(tmp_path):
    for path, expected in ((tmp_path / "absent.wav", "no such file"), (tmp_path, "is a folder")):
        with pytest.raises(UserError, match=expected):
            load_audio(path)


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_saving_keeps_every_16_bit_step(tmp_path, suffix):
    wave = (np.arange(-(2**15), 2**15) / 2**15).astype(np.float32)
    save_audio(tmp_path / "new" / f"a{suffix}", wave)
    np.testing.assert_array_equal(load_audio(tmp_path / "new" / f"a{suffix}"), wave)


def test_full_scale_is_saved_without_wrapping_around(tmp_path):
    save_audio(tmp_path / "a.wav", np.array([1.0, -1.0], np.float32))
    np.testing.assert_array_equal(load_audio(tmp_path / "a.wav"), [1 - 2**-15, -1])
    save_audio(tmp_path / "a.ogg", tone(SAMPLE_RATE).astype(np.float32))
    assert_is_the_tone(load_audio(tmp_path / "a.ogg"))


def test_what_cannot_be_kept_is_not_saved(tmp_path):
    for wave in ([], [0.0, 1.01], [np.nan], [[0.0, 0.0]]):
        with pytest.raises(ValueError):
            save_audio(tmp_path / "a.wav", np.array(wave, np.float32))
    with pytest.raises(UserError, match=r"use \.wav, \.flac, \.ogg"):
        save_audio(tmp_path / "a.xyz", tone(SAMPLE_RATE))
    assert not list(tmp_path.iterdir())


def test_clip_to_window_says_what_it_cut():
    wave = np.arange(10 * SAMPLE_RATE, dtype=np.float32)
    for window, left in ((4.0, 6.0), (10.0, 0.0), (11.0, 0.0)):
        kept, cut = clip_to_window(wave, window)
        np.testing.assert_array_equal(kept, wave[: int(window * SAMPLE_RATE)])
        assert cut == left


@pytest.fixture(scope="module")
def extractor():
    return WhisperFeatureExtractor(feature_size=128, chunk_length=4)


@pytest.mark.parametrize("samples, frames", [(16000, 100), (8080, 51), (64000, 400), (160000, 400)])
def test_log_mel_is_what_the_model_gets_without_padding(extractor, samples, frames):
    wave = tone(SAMPLE_RATE, seconds=samples / SAMPLE_RATE).astype(np.float32)
    mel = log_mel(wave, extractor)
    assert mel.shape == (128, frames) and mel.dtype == np.float32
    as_model = extractor(wave, sampling_rate=SAMPLE_RATE, return_tensors="np")["input_features"][0]
    np.testing.assert_array_equal(mel, as_model[:, :frames])
    band = extractor.mel_filters[round(440 / (SAMPLE_RATE / extractor.n_fft))].argmax()
    assert abs(int(mel.mean(axis=1).argmax()) - int(band)) <= 1  # brightest at the tone


def test_header_seconds_plans_and_never_fails(tmp_path):
    wave = np.zeros(8000, np.float32)
    for suffix in (".wav", ".flac", ".ogg"):
        save_audio(tmp_path / f"a{suffix}", wave)
        assert header_seconds(tmp_path / f"a{suffix}") == pytest.approx(0.5, abs=0.01)
    (tmp_path / "text.wav").write_text("not audio")
    (tmp_path / "head.wav").write_bytes(b"RIFF")
    for name in ("text.wav", "head.wav", "missing.wav"):
        assert header_seconds(tmp_path / name) is None


def test_loading_in_threads_leaves_stderr_alone(file):
    # libmpg123 prints notes about damaged MP3s; nobody may redirect the process's stderr for that.
    mp3 = encoded(tone(SAMPLE_RATE), kind="MP3", subtype="MPEG_LAYER_III")
    paths = [file(mp3, "a.mp3"), file(mp3[:900], "cut.mp3"), file(b"text " * 99, "text.wav")]

    def load(path):
        try:
            load_audio(path)
        except UserError as fault:
            assert str(fault).isprintable()

    before = os.fstat(2)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(load, paths * 200))
    after = os.fstat(2)
    assert (after.st_dev, after.st_ino) == (before.st_dev, before.st_ino)
