"""Audio files: loaded by name, saved, measured, and shown as the model gets them."""

import os
import struct
import unicodedata
import warnings

import numpy as np
import pytest
import soundfile
from transformers import WhisperFeatureExtractor

from r1aqa_helpers.data.audio import (
    SAMPLE_RATE,
    clip_to_window,
    header_seconds,
    load_audio,
    log_mel,
    save_audio,
)
from r1aqa_helpers.utils.errors import UserError


def tone(seconds: float) -> np.ndarray:
    steps = np.arange(int(SAMPLE_RATE * seconds))
    return (0.5 * np.sin(2 * np.pi * 440 * steps / SAMPLE_RATE)).astype(np.float32)


@pytest.fixture
def clip(tmp_path):
    path = tmp_path / "Klang \u00e4" / "Clip.WAV"
    save_audio(path, tone(0.2))
    return path


def test_a_fault_names_the_file_in_one_line(tmp_path):
    path = tmp_path / "clip.wav"
    path.write_bytes(b"no sound")
    with pytest.raises(UserError) as caught:
        load_audio(path)
    assert str(caught.value).startswith(f"{path}: is no audio that can be decoded; give WAV, FLAC")
    assert str(caught.value).isprintable()


def test_a_folder_and_a_pipe_are_no_recordings(tmp_path):
    with pytest.raises(UserError, match="is a folder"):
        load_audio(tmp_path)
    os.mkfifo(tmp_path / "pipe.wav")
    for path in (tmp_path / "pipe.wav", "/dev/zero"):
        with pytest.raises(UserError, match="is no regular file"):
            load_audio(path)
        assert header_seconds(path) is None


@pytest.mark.parametrize(
    "wrong",
    [
        lambda path: path.with_name("clip.wav"),
        lambda path: path.parents[1] / "KLANG \u00c4" / path.name,
        lambda path: str(path.parent) + "\\" + path.name,
        lambda path: unicodedata.normalize("NFD", str(path)),
    ],
    ids=["case", "case of the folder", "backslash", "accents"],
)
def test_a_name_that_is_nearly_right_is_said(clip, wrong):
    with pytest.raises(UserError) as caught:
        load_audio(wrong(clip))
    asked = f"no such file; did you mean {clip}? Case, slashes and the Unicode form of accents"
    assert asked in str(caught.value)


@pytest.mark.parametrize("name", ["other.wav", "no folder/Clip.WAV", "Clip.WAV/x.wav", "x" * 300])
def test_of_a_name_that_is_not_nearly_right_the_path_is_to_be_checked(clip, name):
    with pytest.raises(UserError, match="check the path"):
        load_audio(clip.parent / name)


def test_what_may_surprise_is_a_warning_that_names_the_file(tmp_path):
    save_audio(tmp_path / "still.wav", np.zeros(8000, np.float32))
    with pytest.warns(UserWarning) as caught:
        assert len(load_audio(tmp_path / "still.wav")) == 8000
    [said] = caught
    assert str(said.message).startswith(f"{tmp_path / 'still.wav'}: is silent; record")
    save_audio(tmp_path / "tone.wav", tone(0.5))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_audio(tmp_path / "tone.wav")


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_saving_keeps_every_16_bit_step(tmp_path, suffix):
    wave = (np.arange(-(2**15), 2**15) / 2**15).astype(np.float32)
    save_audio(tmp_path / "new" / f"a{suffix}", wave)
    np.testing.assert_array_equal(load_audio(tmp_path / "new" / f"a{suffix}"), wave)


def test_full_scale_is_saved_without_wrapping_around(tmp_path):
    save_audio(tmp_path / "a.wav", np.array([1.0, -1.0, *np.zeros(500)], np.float32))
    np.testing.assert_array_equal(load_audio(tmp_path / "a.wav")[:3], [1 - 2**-15, -1, 0])
    save_audio(tmp_path / "a.ogg", tone(1.0))
    assert load_audio(tmp_path / "a.ogg").max() == pytest.approx(0.5, abs=0.02)


def test_what_cannot_be_kept_is_not_saved(tmp_path):
    for wave in ([], [0.0, 1.01], [np.nan], [[0.0, 0.0]]):
        with pytest.raises(ValueError):
            save_audio(tmp_path / "a.wav", np.array(wave, np.float32))
    with pytest.raises(UserError, match=r"use \.wav, \.flac, \.ogg"):
        save_audio(tmp_path / "a.xyz", tone(1.0))
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
    wave = tone(samples / SAMPLE_RATE)
    mel = log_mel(wave, extractor)
    assert mel.shape == (128, frames) and mel.dtype == np.float32
    as_model = extractor(wave, sampling_rate=SAMPLE_RATE, return_tensors="np")["input_features"][0]
    np.testing.assert_array_equal(mel, as_model[:, :frames])
    band = extractor.mel_filters[round(440 / (SAMPLE_RATE / extractor.n_fft))].argmax()
    assert abs(int(mel.mean(axis=1).argmax()) - int(band)) <= 1  # brightest at the tone


def test_header_seconds_plans_and_never_fails(tmp_path):
    for suffix in (".wav", ".flac", ".ogg"):
        save_audio(tmp_path / f"a{suffix}", np.zeros(8000, np.float32))
        assert header_seconds(tmp_path / f"a{suffix}") == pytest.approx(0.5, abs=0.01)
    (tmp_path / "text.wav").write_text("not audio")
    (tmp_path / "head.wav").write_bytes(b"RIFF")
    for name in ("text.wav", "head.wav", "missing.wav"):
        assert header_seconds(tmp_path / name) is None


def test_header_seconds_does_not_guess_and_does_not_believe(tmp_path):
    soundfile.write(tmp_path / "a.mp3", tone(0.5), SAMPLE_RATE)
    save_audio(tmp_path / "a.wav", tone(0.5))
    data = bytearray((tmp_path / "a.wav").read_bytes())
    for size, expected in ((0, 0.5), (16_016, 0.5), (1 << 31, 0.5), ((1 << 32) - 1, 0.5)):
        data[40:44] = struct.pack("<I", size)
        (tmp_path / "b.wav").write_bytes(data)
        assert header_seconds(tmp_path / "b.wav") == pytest.approx(expected, abs=0.01)
    save_audio(tmp_path / "a.flac", tone(0.5))
    data = bytearray((tmp_path / "a.flac").read_bytes())
    data[22:26] = b"\xff" * 4  # samples: 74 hours
    (tmp_path / "b.flac").write_bytes(data)
    assert header_seconds(tmp_path / "a.mp3") is header_seconds(tmp_path / "b.flac") is None
