"""Progress of anything long, by tqdm, on stderr."""

import sys
from collections.abc import Generator, Iterable, Sized
from typing import Any, TypeVar

from tqdm import tqdm

from r1aqa_helpers.utils.untrusted import plain

T = TypeVar("T")

PLAIN_INTERVAL = 10.0  # seconds between two lines where stderr is no terminal
_LINE = "{desc}: {n_fmt}, {elapsed_s:.0f} s"
_FIRST_OF = "{desc}: {n_fmt}/{total_fmt} ({percentage:.0f} %), {elapsed_s:.0f} s"
_LINE_OF = _FIRST_OF + ", about {remaining_s:.0f} s left"


class _Bar(tqdm):
    monitor_interval = 0  # no thread that looks after slow bars

    @property
    def format_dict(self) -> dict[str, Any]:
        """As tqdm's; no estimate from one item, which may have waited for processes to start."""
        state = super().format_dict
        if self.bar_format == _LINE_OF and self.n < 2:
            state["bar_format"] = _FIRST_OF
        return state


class _Lines:
    """A stream for tqdm that ends each of its states with a new line."""

    def write(self, text: str) -> None:
        if text.strip():
            sys.stderr.write(text.strip() + "\n")

    def flush(self) -> None:
        sys.stderr.flush()


def track(iterable: Iterable[T], description: str, total: int | None = None) -> Generator[T]:
    """Yield the items of ``iterable`` and show the progress and the time left.

    On a terminal: a bar on stderr. Elsewhere (logs, notebooks): a plain line every
    `PLAIN_INTERVAL` seconds, and one at the end of anything that took so long.

    Args:
        iterable: the items.
        description: what is being done, a few words.
        total: number of items; by default ``len(iterable)`` where it has one.
    """
    description = plain(description)
    if sys.stderr.isatty():
        return iter(_Bar(iterable, description, total, file=sys.stderr, leave=None))
    if total is None and isinstance(iterable, Sized):
        total = len(iterable)
    every = {"mininterval": PLAIN_INTERVAL, "delay": PLAIN_INTERVAL, "miniters": 1}
    line = _LINE_OF if total else _LINE
    return iter(
        _Bar(iterable, description, total, file=_Lines(), bar_format=line, position=0, **every)
    )
