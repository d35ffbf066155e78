"""What runs took, and what those that are left may take."""

import statistics
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from r1aqa_helpers.errors import UserError
from r1aqa_helpers.files import read_json, shown, write_json


def ahead(left: Sequence[str], done: Iterable[Mapping[str, Any]]) -> str:
    """How many runs are left, and how long they may take, by those that are done.

    ``left``: the road of each; ``done``: records. Of a road of which none is done, the others'
    mean is taken.
    """
    took: dict[str, list[float]] = {}
    for record in done:
        seconds = record["training"]["wall_seconds"] + record["validation"]["wall_seconds"]
        took.setdefault(record["road"], []).append(seconds)
    if not took:
        return f"{len(left)} runs to do."
    every = statistics.fmean(seconds for runs in took.values() for seconds in runs)
    minutes = sum(statistics.fmean(took.get(name, [every])) for name in left) / 60
    return f"{len(left)} runs to do, about {minutes:.0f} minutes of training."


@contextmanager
def metered(path: Path) -> Iterator[None]:
    """Add the wall and CPU seconds of what is done within to those in ``path``.

    ``killed`` becomes true where a part of it was killed, whose seconds are not known.
    """
    held = read_json(path) if path.exists() else {"wall": 0.0, "cpu": 0.0, "killed": False}
    if not isinstance(held, dict) or held.keys() != {"wall", "cpu", "killed"}:
        raise UserError(f"{shown(path)}: is damaged; remove the folder that it lies in")
    write_json(path, {**held, "killed": True})
    wall, cpu = time.monotonic(), time.process_time()
    try:
        yield
    finally:
        held["wall"] += time.monotonic() - wall
        held["cpu"] += time.process_time() - cpu
        write_json(path, held)
