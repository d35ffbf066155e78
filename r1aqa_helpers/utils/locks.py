"""One writer at a time: locks that the system holds, and releases also after a kill."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import told
from r1aqa_helpers.utils.untrusted import shown


@contextmanager
def lock(path: Path) -> Iterator[bool]:
    """Hold the lock file ``path`` within; gives False where somebody else holds it.

    The file stays: to remove it could give two processes a lock each.

    Raises:
        UserError: the file cannot be made.
    """
    held = FileLock(path)
    with told(path, "written", "choose another place"):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            held.acquire(blocking=False)
        except Timeout:
            pass
    try:
        yield held.is_locked
    finally:
        held.release()


@contextmanager
def only_writer(place: Path) -> Iterator[None]:
    """Be the only one who writes to the file or folder ``place``.

    Raises:
        UserError: another process is.
    """
    with lock(place.with_name(f".{place.name}.lock")) as held:
        if not held:
            raise UserError(
                f"{shown(place)}: another process is writing to it; wait for its end, or choose"
                " another --out"
            )
        yield
