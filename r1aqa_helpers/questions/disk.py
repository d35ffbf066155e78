"""Room on the disk, and checksums of files."""

import hashlib
import shutil
from pathlib import Path

from ..errors import UserError
from ..files import PathLike, shown

_SPARE = 1.05  # a file system needs a little more than the files


def check_space(place: Path, needed: float) -> None:
    """Raise `UserError` where the disk of ``place`` has less than ``needed`` bytes free."""
    there = next(p for p in (place.absolute(), *place.absolute().parents) if p.exists())
    free = shutil.disk_usage(there).free
    if needed * _SPARE > free:
        raise UserError(
            f"{shown(place)}: needs {needed * _SPARE / 1e9:.2f} GB, and {free / 1e9:.2f} GB are"
            " free; make room, or choose another disk"
        )


def sha256_of_file(path: PathLike) -> str:
    """SHA-256 of a file, as hexadecimal digits.

    Raises:
        UserError: it cannot be read.
    """
    try:
        with open(path, "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as fault:
        raise UserError(f"{shown(path)}: cannot be read ({fault.strerror})") from fault
