"""Recordings as the model takes them: one channel, 16 kHz, float32.

libsndfile decodes them (WAV, FLAC, Ogg Vorbis and Opus, MP3, AIFF and others) by their content,
not by their names. For a damaged MP3, libmpg123 may print notes of its own to stderr.
"""

import io
import re
from math import gcd
from pathlib import Path

import numpy as np
import soundfile
import torch
import torchaudio
from transformers import WhisperFeatureExtractor

from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import PathLike, read_bytes, shown, write_bytes

SAMPLE_RATE = 16_000  # Hz, of every wave in this package
TOKENS_PER_SECOND = 25  # of audio in a prompt: 100 mel frames a second, halved twice

_BLOCK = 1 << 20  # frames decoded at a time
_RATES = range(1_000, 1_000_001)  # Hz; anything else is a damaged header
_MAX_KERNEL = 10_000_000  # numbers in torchaudio's table of filters
_FORMATS = {".wav": "WAV", ".flac": "FLAC", ".ogg": "OGG"}
_WITH_HEADER = (b"RIFF", b"fLaC", b"OggS", b"FORM")
_DAMAGED = "is damaged or cut off; fetch or record it again"
#: In libsndfile's log: sizes that a header promises (WAV, AIFF, AU, CAF, W64, RF64), and an Ogg
#: stream that ends within a page.
_SIZES = re.compile(r"^ *(?:data|SSND|Data Size|riff|Riff size) *: (\d+) \(should be (\d+)\)", re.M)
_OGG_IS_CUT = re.compile(r"^Ogg ?: (?:Junk after the last page|File ended unexpectedly)", re.M)


class AudioFault(Exception):
    """What is wrong with a recording and what to do, without its path."""


def load_audio(path: PathLike) -> np.ndarray:
    """Decode a file to a wave: float32, shape ``(samples,)``, mono, 16 kHz; see `decode_audio`.

    Raises:
        UserError: missing, a folder, or as `decode_audio`.
    """
    try:
        return decode_audio(read_bytes(path))
    except AudioFault as fault:
        raise UserError(f"{shown(path)}: {fault}") from None


def decode_audio(data: bytes) -> np.ndarray:
    """Decode a sound file's content to a wave: float32, shape ``(samples,)``, mono, 16 kHz.

    Channels are averaged, other rates resampled. Levels do not change.

    Raises:
        AudioFault: empty, no audio, cut off before the end that its header promises, without
            samples, or with samples that are NaN or infinite.
    """
    if not data:
        raise AudioFault("is empty; give a recording")
    wave, rate = _decode(data)
    if not len(wave):
        raise AudioFault("holds no samples; give a recording that has some")
    if not np.isfinite(wave).all():
        raise AudioFault("holds samples that are NaN or infinite; repair or remove it")
    if rate not in _RATES:
        raise AudioFault(f"has a sample rate of {rate} Hz, which no recording has; fetch it again")
    return _resample(wave, rate)


def header_seconds(path: PathLike) -> float | None:
    """How long a recording is by its header, to plan with; None where only decoding will tell."""
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
    write_bytes(path, audio_file(wave, format))


def audio_file(wave: np.ndarray, format: str) -> bytes:
    """The content of a file that holds the wave, ``(samples,)`` at 16 kHz, with 16 bits."""
    # Scaled here and not by libsndfile, whose factors for writing (2¹⁵ - 1) and reading (2¹⁵)
    # differ, so that a file that is loaded and saved would change.
    steps = np.rint(wave.astype(np.float64) * 2**15).clip(-(2**15), 2**15 - 1).astype(np.int16)
    buffer = io.BytesIO()
    soundfile.write(buffer, steps, SAMPLE_RATE, format=format)
    return buffer.getvalue()


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


def _decode(data: bytes) -> tuple[np.ndarray, int]:
    """The mean of the channels, float32 ``(samples,)``, and the rate in Hz."""
    try:
        recording = soundfile.SoundFile(io.BytesIO(data))
    except soundfile.SoundFileError:
        raise AudioFault(
            "is no audio that can be decoded; give WAV, FLAC, Ogg, Opus or MP3, and whole"
        ) from None
    with recording:
        if _is_cut(recording.extra_info):
            raise AudioFault(_DAMAGED)
        if recording.frames >= 1 << 60:  # FLAC from a pipe; soundfile cannot read to its end
            raise AudioFault("does not state its length, as it was piped; encode it to a file")
        blocks = [np.zeros(0, np.float32)]
        try:
            while len(block := recording.read(_BLOCK, dtype="float32", always_2d=True)):
                blocks.append(block.mean(axis=1))
        except soundfile.SoundFileError:
            raise AudioFault(_DAMAGED) from None
        wave = np.concatenate(blocks)
        if len(wave) < recording.frames:
            raise AudioFault(_DAMAGED)
        return wave, recording.samplerate


def _is_cut(log: str) -> bool:
    """Whether samples are missing by libsndfile's log of the header.

    Programs that write to a pipe promise about 2 or 4 GiB; that is no fault.
    """
    sizes = _SIZES.search(log)
    promised = sizes is not None and int(sizes[2]) < int(sizes[1]) < (1 << 31) - (1 << 20)
    return promised or _OGG_IS_CUT.search(log) is not None


def _resample(wave: np.ndarray, rate: int) -> np.ndarray:
    if rate == SAMPLE_RATE:
        return wave
    common = gcd(rate, SAMPLE_RATE)
    if rate // common * (SAMPLE_RATE // common) > _MAX_KERNEL:
        # torchaudio's table would take gigabytes for a rate such as 44,101 Hz.
        from scipy.signal import resample_poly

        return resample_poly(wave, SAMPLE_RATE // common, rate // common).astype(np.float32)
    return torchaudio.functional.resample(torch.from_numpy(wave), rate, SAMPLE_RATE).numpy()
