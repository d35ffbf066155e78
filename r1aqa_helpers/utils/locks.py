"""Locks by which several processes share out work in one folder."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from r1aqa_helpers.utils.io import write_text

#: Seconds after which an empty lock is one whose maker was killed before writing.
_WRITTEN = 60


@contextmanager
def lock(path: Path) -> Iterator[bool]:
    """Hold the lock file ``path`` within; gives False where another process holds it.

    The file is made with O_EXCL and says who holds it. That of a process that is dead is taken
    over; on Windows, where no process can be asked for safely, it has to be removed by hand.
    """
    held = _made(path) or _taken_over(path)
    try:
        yield held
    finally:
        if held:
            path.unlink(missing_ok=True)


def holder(path: Path) -> int | None:
    """The process that holds a lock; None where nobody does, or who did is dead."""
    text = _content(path)
    number = text.partition(" ")[0]
    if not number.isdecimal():  # in the act of being written, or there is none
        return None
    return int(number) if _identity(int(number)) == text else None


def _made(path: Path) -> bool:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    except FileExistsError:
        return False
    with open(descriptor, "w", encoding="utf-8") as stream:
        stream.write(_identity(os.getpid()) or "")
    return True


def _taken_over(path: Path) -> bool:
    """Replace a dead process's lock by this one's.

    Of several that want to, one makes the heir's file, and looks again: the lock may have gone to
    another since.
    """
    dead = _content(path)
    if holder(path) is not None or not (dead or _is_old(path)):
        return False
    heir = path.with_name(f"{path.name}.after-{dead.replace(' ', '-')}")
    if not _made(heir):
        return False
    try:
        if _content(path) != dead:
            return False
        write_text(path, _identity(os.getpid()) or "")
        return True
    finally:
        heir.unlink(missing_ok=True)


def _is_old(path: Path) -> bool:
    """Whether it is there, and whoever made it would have written to it since."""
    try:
        return time.time() - path.stat().st_mtime > _WRITTEN
    except FileNotFoundError:
        return False


def _content(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


def _identity(pid: int) -> str | None:
    """The process's number and, where the system tells, when it began; None: it has ended.

    A number is used again, above all after the machine was started anew.
    """
    if os.name == "nt":  # os.kill would end the process
        return f"{pid} "
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    try:
        state, *rest = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    except OSError:  # not Linux
        return f"{pid} "
    return None if state in "ZX" else f"{pid} {rest[18]}"
