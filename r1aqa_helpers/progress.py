"""One way to show that something long is under way."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

T = TypeVar("T")

PLAIN_INTERVAL = 10.0  # seconds between two lines where stderr is no terminal


def track(iterable: Iterable[T], description: str, total: int | None = None) -> Iterator[T]:
    """Yield the items of ``iterable`` and show how far it is and how long it will still take.

    On a terminal: a bar on stderr. Elsewhere (logs, notebooks): a plain line every
    `PLAIN_INTERVAL` seconds, and one at the end of anything that took so long.

    Args:
        iterable: what to go through.
        description: what is being done, a few words.
        total: number of items; by default ``len(iterable)`` where it has one.
    """
    if total is None and hasattr(iterable, "__len__"):
        total = len(iterable)
    if sys.stderr.isatty():
        yield from _bar(iterable, description, total)
    else:
        yield from _lines(iterable, description, total)


def _bar(iterable: Iterable[T], description: str, total: int | None) -> Iterator[T]:
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        yield from progress.track(iterable, total=total, description=description)


def _lines(iterable: Iterable[T], description: str, total: int | None) -> Iterator[T]:
    start = last = time.monotonic()
    done = 0
    for item in iterable:
        yield item
        done += 1
        now = time.monotonic()
        if now - last >= PLAIN_INTERVAL and done != total:
            last = now
            _say(description, done, total, now - start)
    elapsed = time.monotonic() - start
    if elapsed >= PLAIN_INTERVAL:
        _say(description, done, total, elapsed)


def _say(description: str, done: int, total: int | None, elapsed: float) -> None:
    text = f"{description}: {done}"
    if total:
        text += f"/{total} ({100 * done / total:.0f} %)"
    text += f", {elapsed:.0f} s"
    if total and done < total:
        text += f", about {elapsed / done * (total - done):.0f} s left"
    print(text, file=sys.stderr, flush=True)
