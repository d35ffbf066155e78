"""One way to show that something long is under way: tqdm, on stderr."""

import sys
from collections.abc import Iterable, Iterator
from typing import TextIO, TypeVar

from tqdm import tqdm

T = TypeVar("T")

PLAIN_INTERVAL = 10.0  # seconds between two lines where stderr is no terminal
_LINE = "{desc}: {n_fmt}, {elapsed_s:.0f} s"
_LINE_OF = (
    "{desc}: {n_fmt}/{total_fmt} ({percentage:.0f} %), {elapsed_s:.0f} s, "
    "about {remaining_s:.0f} s left"
)


class _Bar(tqdm):
    monitor_interval = 0  # no thread that looks after slow bars


class _Lines:
    """A stream for tqdm that ends each of its states with a new line."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        if text.strip():
            self._stream.write(text.strip() + "\n")

    def flush(self) -> None:
        self._stream.flush()


def track(iterable: Iterable[T], description: str, total: int | None = None) -> Iterator[T]:
    """Yield the items of ``iterable`` and show how far it is and how long it will still take.

    On a terminal: a bar on stderr. Elsewhere (logs, notebooks): a plain line every
    `PLAIN_INTERVAL` seconds, and one at the end of anything that took so long.

    Args:
        iterable: what to go through.
        description: what is being done, a few words.
        total: number of items; by default ``len(iterable)`` where it has one.
    """
    if sys.stderr.isatty():
        return iter(_Bar(iterable, description, total, file=sys.stderr, leave=None))
    if total is None and hasattr(iterable, "__len__"):
        total = len(iterable)
    return iter(
        _Bar(
            iterable,
            description,
            total,
            file=_Lines(sys.stderr),
            bar_format=_LINE_OF if total else _LINE,
            mininterval=PLAIN_INTERVAL,
            delay=PLAIN_INTERVAL,
            miniters=1,
            position=0,
        )
    )
