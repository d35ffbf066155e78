"""Recordings as the model takes them: one channel, 16 kHz, float32.

Decoding is libsndfile's (WAV, FLAC, Ogg Vorbis and Opus, MP3, AIFF and others), which judges
a file by its content and not by its name.
"""

import contextlib
import io
import os
import re
from collections.abc import Iterator
from math import gcd
from pathlib import Path

import numpy as np
import soundfile
import torch
import torchaudio
from transformers import WhisperFeatureExtractor

from r1aqa_helpers.errors import UserError
from r1aqa_helpers.files import PathLike, read_bytes, shown, write_bytes

SAMPLE_RATE = 16_000  # Hz, of every wave in this package

_BLOCK = 1 << 20  # frames decoded at a time
_RATES = range(1_000, 1_000_001)  # Hz; anything else is a damaged header
_MAX_KERNEL = 10_000_000  # numbers in torchaudio's table of filters
_FORMATS = {".wav": "WAV", ".flac": "FLAC", ".ogg": "OGG"}
_WITH_HEADER = (b"RIFF", b"fLaC", b"OggS", b"FORM")
_DAMAGED = "is damaged or cut off; fetch or record it anew"


def load_audio(path: PathLike) -> np.ndarray:
    """Decode a file to a wave: float32, shape ``(samples,)``, mono, 16 kHz.

    Channels are averaged, other rates resampled. Levels stay as they are, also float peaks
    above 1.0.

    Raises:
        UserError: missing, a folder, empty, no audio, cut off before the end that its header
            promises, without samples, or with samples that are NaN or infinite.
    """
    data = read_bytes(path)
    try:
        if not data:
            raise _Fault("is empty; give a recording")
        if _ogg_is_cut(data):
            raise _Fault(_DAMAGED)
        with _quiet_mpeg(data):
            wave, rate = _decode(data)
        if not len(wave):
            raise _Fault("holds no samples; give a recording that has some")
        if not np.isfinite(wave).all():
            raise _Fault("holds samples that are NaN or infinite; repair or remove it")
        if rate not in _RATES:
            raise _Fault(f"has a sample rate of {rate} Hz, which no recording has; fetch it anew")
    except _Fault as fault:
        raise UserError(f"{shown(path)}: {fault}") from None
    return _resample(wave, rate)


def header_seconds(path: PathLike) -> float | None:
    """How long a recording is by its header; None where only decoding will tell.

    To plan with, before anything is decoded: what is wrong with the file, `load_audio` says.
    """
    try:
        with open(path, "rb") as file:
            if file.read(4) not in _WITH_HEADER:
                return None
            file.seek(0)
            return soundfile.info(file).duration
    except (OSError, soundfile.SoundFileError):
        return None


def save_audio(path: PathLike, wave: np.ndarray) -> None:
    """Write a wave, ``(samples,)`` at 16 kHz, with 16 bits; ``.wav``, ``.flac`` or ``.ogg``.

    `load_audio` gives it back to within half a step of 2⁻¹⁵ (Ogg is lossy).

    Raises:
        UserError: the file cannot be written, or has another suffix.
        ValueError: the wave is empty, has a second axis, or leaves [-1, 1].
    """
    format = _FORMATS.get(Path(path).suffix.lower())
    if format is None:
        raise UserError(f"{shown(path)}: unknown audio suffix; use {', '.join(_FORMATS)}")
    if wave.ndim != 1 or not wave.size or not (np.abs(wave) <= 1).all():
        raise ValueError("a wave to save has one axis, some samples, and stays within [-1, 1]")
    # Scaled here and not by libsndfile, whose factors for writing (2¹⁵ - 1) and reading (2¹⁵)
    # differ, so that a file that is loaded and saved would change.
    steps = np.rint(wave.astype(np.float64) * 2**15).clip(-(2**15), 2**15 - 1).astype(np.int16)
    buffer = io.BytesIO()
    soundfile.write(buffer, steps, SAMPLE_RATE, format=format)
    write_bytes(path, buffer.getvalue())


def clip_to_window(wave: np.ndarray, seconds: float) -> tuple[np.ndarray, float]:
    """The first ``seconds`` of a 16 kHz wave, and how many seconds were cut (0.0 for none)."""
    samples = round(seconds * SAMPLE_RATE)
    return wave[:samples], max(0, len(wave) - samples) / SAMPLE_RATE


def log_mel(wave: np.ndarray, feature_extractor: WhisperFeatureExtractor) -> np.ndarray:
    """The log-mel spectrogram that the model gets, without the frames that only pad.

    Args:
        wave: ``(samples,)`` at 16 kHz; what exceeds the extractor's window is cut, as there.
        feature_extractor: that of the model's processor.

    Returns:
        float32 ``(n_mels, frames)``, a frame every 10 ms, in Whisper's scale (log10, at most
        8 below the loudest point, then ``(x + 4) / 4``).
    """
    batch = feature_extractor(
        wave,
        sampling_rate=SAMPLE_RATE,
        padding="max_length",
        return_attention_mask=True,
        return_tensors="np",
    )
    return batch["input_features"][0][:, : int(batch["attention_mask"][0].sum())]


# --- decoding -----------------------------------------------------------------------------


class _Fault(Exception):
    """What is wrong with a file and what to do; the caller adds its path."""


def _decode(data: bytes) -> tuple[np.ndarray, int]:
    """The mean of the channels, float32 ``(samples,)``, and the rate in Hz."""
    try:
        recording = soundfile.SoundFile(io.BytesIO(data))
    except soundfile.SoundFileError:
        raise _Fault(
            "is no audio that can be decoded; give WAV, FLAC, Ogg, Opus or MP3, and whole"
        ) from None
    with recording:
        if _header_promises_more(recording.extra_info):
            raise _Fault(_DAMAGED)
        if recording.frames >= 1 << 60:  # FLAC from a pipe; soundfile cannot read to its end
            raise _Fault("does not state its length, as it was piped; encode it to a file anew")
        blocks = [np.zeros(0, np.float32)]
        try:
            while len(block := recording.read(_BLOCK, dtype="float32", always_2d=True)):
                blocks.append(block.mean(axis=1))
        except soundfile.SoundFileError:
            raise _Fault(_DAMAGED) from None
        wave = np.concatenate(blocks)
        if len(wave) < recording.frames:
            raise _Fault(_DAMAGED)
        return wave, recording.samplerate


def _header_promises_more(log: str) -> bool:
    """Whether libsndfile's log of the header (WAV, AIFF, AU, CAF, W64, RF64) misses samples.

    libsndfile itself shortens the recording without a word. Programs that write to a pipe
    do not know the length and promise about 2 or 4 GiB; that is no fault.
    """
    sizes = re.search(
        r"^ *(?:data|SSND|Data Size|riff|Riff size) *: (\d+) \(should be (\d+)\)", log, re.M
    )
    return sizes is not None and int(sizes[2]) < int(sizes[1]) < (1 << 31) - (1 << 20)


def _ogg_is_cut(data: bytes) -> bool:
    """Whether the last page of an Ogg stream (RFC 3533, section 6) is incomplete."""
    start = 0
    while data.startswith(b"OggS", start):
        segments = data[start + 26] if len(data) > start + 26 else 0
        body = start + 27 + segments
        start = body + sum(data[start + 27 : body])
        if start > len(data):
            return True
    return False


@contextlib.contextmanager
def _quiet_mpeg(data: bytes) -> Iterator[None]:
    """Silence what libmpg123, which also tries unknown content, prints past Python.

    It swallows the whole process's stderr for that moment, so not for the common formats.
    """
    if data.startswith(_WITH_HEADER):
        yield
        return
    kept, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(null)


def _resample(wave: np.ndarray, rate: int) -> np.ndarray:
    if rate == SAMPLE_RATE:
        return wave
    common = gcd(rate, SAMPLE_RATE)
    if rate // common * (SAMPLE_RATE // common) > _MAX_KERNEL:
        # torchaudio's table would take gigabytes for a rate such as 44,101 Hz.
        from scipy.signal import resample_poly

        return resample_poly(wave, SAMPLE_RATE // common, rate // common).astype(np.float32)
    return torchaudio.functional.resample(torch.from_numpy(wave), rate, SAMPLE_RATE).numpy()
