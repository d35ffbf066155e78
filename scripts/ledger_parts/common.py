"""What the parts of the ledger are made with: files read, and entries of the common kinds."""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from r1aqa_helpers.ledger import Entry
from r1aqa_helpers.scoring import wilson_interval

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "data" / "results" / "tiny"
TINY = ROOT / "data" / "tiny"


def read(path: Path) -> Any:
    """The JSON in a committed file."""
    return json.loads(path.read_text(encoding="utf-8"))


def slug(text: str) -> str:
    """Words for an id."""
    return re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-.") or "none"


def origin(stored: dict[str, Any], path: Path) -> dict[str, Any]:
    """What a result file says of its own origin, as fields of an entry."""
    known = stored.get("provenance", stored)
    told = {name: known.get(name) or "" for name in ("commit", "pins", "hardware", "date")}
    return {**told, "source": str(path.relative_to(ROOT))}


def accuracy(id: str, percent: float, n: int, **fields: Any) -> Entry:
    """An own accuracy, with its interval."""
    low, high = wilson_interval(round(percent * n / 100), n)
    return Entry(id=id, value=percent, unit="%", n=n, low=low, high=high, **fields)


def difference(id: str, points: float, ends: Sequence[float] | None = None, **fields: Any) -> Entry:
    """What one accuracy is above another, with its interval where there is one."""
    low, high = (None, None) if ends is None else ends
    return Entry(id=id, value=points, unit="points", low=low, high=high, **fields)


def leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], float]]:
    """The numbers in a JSON value; of lists, only those of objects are entered."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from leaves(part, (*path, slug(str(key))))
    elif isinstance(value, list):
        for place, part in enumerate(value):
            if isinstance(part, dict):
                yield from leaves(part, (*path, str(place)))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield path, value


def recorded(kind: str, stem: str, path: Path, command: str) -> Iterator[Entry]:
    """Every number of a record, by its place in the file."""
    stored = read(path)
    fields = origin(stored, path)
    n = stored.get("n") if isinstance(stored.get("n"), int) else None
    for place, value in leaves(stored):
        yield Entry(
            id="/".join((stem, *place)), value=value, n=n, kind=kind, command=command, **fields
        )
