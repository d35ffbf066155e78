"""All recordings of a set of questions: what identifies them, and which cannot be used."""

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

from r1aqa_helpers.data.audio import load_audio
from r1aqa_helpers.data.question import AudioQuestion
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import file_hash
from r1aqa_helpers.utils.progress import track

_NAMED = 5  # recordings that cannot be used, in one message


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

    Args:
        leave_out: leave out the questions about bad recordings, with a warning.

    Returns:
        The questions whose recordings can be used.

    Raises:
        UserError: a recording is missing or cannot be decoded; with ``leave_out``, all are so.
    """
    checked = _each(questions, _decode, "checking recordings")
    kept = [q for q in questions if checked[q.audio] is None]
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
    return _hash_once(audio, _changed(audio))


def _decode(audio: Path) -> None:
    _decode_once(audio, _changed(audio))


def _changed(audio: Path) -> tuple[int, int] | None:
    if not audio.is_file():
        return None
    found = audio.stat()
    return found.st_mtime_ns, found.st_size


# Several runs of one process may be about a recording. A fault is not remembered.


@cache
def _hash_once(audio: Path, changed: tuple[int, int] | None) -> str:
    return file_hash(audio)


@cache
def _decode_once(audio: Path, changed: tuple[int, int] | None) -> None:
    load_audio(audio)
