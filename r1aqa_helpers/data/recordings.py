"""All recordings of a set of questions: what identifies them, and which cannot be used."""

import contextlib
import os
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
from huggingface_hub import cached_assets_path

from r1aqa_helpers.data import decoding
from r1aqa_helpers.data.audio import read_audio
from r1aqa_helpers.data.question import AudioQuestion
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import file_hash
from r1aqa_helpers.utils.progress import track

_NAMED = 5  # recordings that cannot be used, in one message
_SETTLED = 2.0  # seconds after which another writing shows in a file's times, on any file system
_DIGESTS: dict[tuple[object, ...], str] = {}  # of files, by all that tells of a change


def recording_digests(questions: Sequence[AudioQuestion]) -> dict[Path, str]:
    """The SHA-256 of each recording's file, without those that cannot be read: a warning says so.

    Raises:
        UserError: none can be read.
    """
    read = _each(questions, _hash, "reading recordings")
    digests = {audio: said for audio, said in read.items() if isinstance(said, str)}
    if len(digests) < len(read):
        told = _faults_text(read)
        if not digests:
            raise UserError(f"{told}; give --audio-dir, or repair them")
        warnings.warn(told, stacklevel=2)
    return digests


def check_recordings(
    questions: Sequence[AudioQuestion], leave_out: bool = False
) -> list[AudioQuestion]:
    """Decode every recording, in threads, so that a bad one is found before the work.

    Contents that were decoded without a fault or a remark are remembered on this machine, by
    digest, and not decoded again.

    Args:
        leave_out: leave out the questions about bad recordings, with a warning.

    Returns:
        The questions whose recordings can be used.

    Raises:
        UserError: a recording is missing or cannot be decoded; with ``leave_out``, all are so.
    """
    sound = _read_sound()
    checked = _each(questions, lambda audio: _decode(audio, sound), "checking recordings")
    _add_sound({found for found in checked.values() if isinstance(found, str)} - sound)
    kept = [q for q in questions if not isinstance(checked[q.audio], UserError)]
    if len(kept) < len(questions):
        told = _faults_text(checked)
        if not leave_out or not kept:
            raise UserError(f"{told}; repair them, or leave their questions out")
        warnings.warn(f"{told}; {len(questions) - len(kept)} questions left out", stacklevel=2)
    return kept


def _each(
    questions: Sequence[AudioQuestion], work: Callable[[Path], str | None], doing: str
) -> dict[Path, str | UserError | None]:
    """What ``work`` returns for each distinct recording, or the `UserError` that it raises."""

    def attempt(audio: Path) -> str | UserError | None:
        try:
            return work(audio)
        except UserError as fault:
            return fault

    audio = list(dict.fromkeys(question.audio for question in questions))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(audio, track(pool.map(attempt, audio), doing, len(audio)), strict=True))


def _faults_text(read: Mapping[Path, object]) -> str:
    faults = [fault for fault in read.values() if isinstance(fault, UserError)]
    named = "; ".join(map(str, faults[:_NAMED]))
    more = f"; and {len(faults) - _NAMED} more" if len(faults) > _NAMED else ""
    return f"{len(faults)} of {len(read)} recordings cannot be used: {named}{more}"


def _hash(audio: Path) -> str:
    """The file's digest; read again only where the file may have changed."""
    if not audio.is_file():
        return file_hash(audio)  # says what is wrong
    found = audio.stat()
    changed = (found.st_mtime_ns, found.st_ctime_ns)
    key = (audio, found.st_dev, found.st_ino, found.st_size, *changed)
    if key in _DIGESTS:
        return _DIGESTS[key]
    digest = file_hash(audio)
    if time.time_ns() - max(changed) > _SETTLED * 1e9:
        _DIGESTS[key] = digest
    return digest


def _decode(audio: Path, sound: set[str]) -> str | None:
    """The digest of a recording without fault and remark."""
    digest = _hash(audio)
    return digest if digest in sound or not read_audio(audio)[1] else None


def _sound_place() -> Path:
    """Digests of such recordings, a line each, as this decoder finds them."""
    decoder = f"{av.__version__}-{file_hash(decoding.__file__)[:16]}"
    return cached_assets_path("r1aqa", "recordings") / f"sound-{decoder}.txt"


def _read_sound() -> set[str]:
    with contextlib.suppress(OSError, ValueError):  # only time is lost without it
        return set(_sound_place().read_text(encoding="ascii").split())
    return set()


def _add_sound(digests: set[str]) -> None:
    with contextlib.suppress(OSError, ValueError), open(_sound_place(), "a") as lines:
        lines.write("".join(f"{digest}\n" for digest in digests))
