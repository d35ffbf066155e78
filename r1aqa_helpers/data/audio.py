"""Recordings as the model takes them: one channel, 16 kHz, float32."""

import io
import warnings
from pathlib import Path

import numpy as np
import soundfile
from transformers import WhisperFeatureExtractor

from r1aqa_helpers.data.decoding import SAMPLE_RATE, AudioFault, decode_audio, stated_seconds
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import PathLike, open_file, write_bytes
from r1aqa_helpers.utils.untrusted import shown

TOKENS_PER_SECOND = 25  # of audio in a prompt: 100 mel frames a second, halved twice
#: Endings of the names of recordings, in lower case, the likeliest first.
SUFFIXES = (
    *(".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a", ".mp4", ".webm", ".aac", ".oga", ".mka"),
    *(".amr", ".3gp", ".mov", ".mkv", ".aif", ".aiff", ".au", ".caf", ".w64", ".sph", ".wma"),
)

_FORMATS = {".wav": "WAV", ".flac": "FLAC", ".ogg": "OGG"}


def load_audio(path: PathLike) -> np.ndarray:
    """Decode a file to a wave: float32, shape ``(samples,)``, mono, 16 kHz; see `decode_audio`.

    Raises:
        UserError: missing, no regular file, or as `decode_audio`.
    """
    return read_audio(path)[0]


def read_audio(path: PathLike) -> tuple[np.ndarray, list[str]]:
    """As `load_audio`, with the remarks about a recording that can be used and may yet surprise.

    Each of them is a warning, too, which names the file.
    """
    try:
        with open_file(path) as file:
            wave, remarks = decode_audio(file)
    except AudioFault as fault:
        raise UserError(f"{shown(path)}: {fault}") from None
    for remark in remarks:
        warnings.warn(f"{shown(path)}: {remark}", stacklevel=3)
    return wave, remarks


def header_seconds(path: PathLike) -> float | None:
    """How long a recording is by its header, to plan with; None where only decoding will tell."""
    try:
        with open_file(path) as file:
            return stated_seconds(file)
    except (UserError, AudioFault):
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
