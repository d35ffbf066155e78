"""Recordings that come as bytes, kept as files whose names come from what they hold."""

import hashlib
from pathlib import Path

from ..audio import load_audio
from ..errors import UserError
from ..files import shown, write_bytes

_STARTS = {b"RIFF": ".wav", b"RF64": ".wav", b"fLaC": ".flac", b"OggS": ".ogg", b"FORM": ".aiff"}


class Broken(Exception):
    """Why a recording cannot be decoded."""


def keep_clip(folder: Path, data: bytes) -> Path:
    """Write a recording, where it is not there yet, and decode it once.

    The name is ours: one from the data could lead anywhere, and lies about the format. The
    same recording gets the same name, so it is kept once.

    Args:
        folder: where the recordings go.
        data: a whole sound file.

    Raises:
        Broken: it cannot be decoded; no file is left.
        UserError: it cannot be written.
    """
    audio = folder / f"{hashlib.sha256(data).hexdigest()[:24]}{_suffix(data)}"
    if not audio.is_file() or audio.read_bytes() != data:
        write_bytes(audio, data)
    try:
        load_audio(audio)
    except UserError as fault:
        audio.unlink(missing_ok=True)
        raise Broken(str(fault).removeprefix(f"{shown(audio)}: ")) from None
    return audio


def _suffix(data: bytes) -> str:
    """By content: 46 recordings of MMAU are MP3 and are named .wav."""
    if data[:3] == b"ID3" or data[:1] == b"\xff" and data[1:2] >= b"\xe0":
        return ".mp3"
    return _STARTS.get(data[:4], ".audio")
