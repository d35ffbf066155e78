"""The ledger: one row per number that this project shows, with where it comes from.

`LEDGER` is a CSV file, written by ``scripts/ledger.py`` from the committed result files; README's
tables, the report and the notebooks show its numbers and no others, which tests hold.
"""

import csv
import io
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from r1aqa_helpers.errors import UserError
from r1aqa_helpers.files import read_bytes, shown, shown_value, write_text
from r1aqa_helpers.paths import DATA

LEDGER = DATA / "results" / "ledger.csv"
KINDS = ("published", "own", "floor", "human", "benchmark", "notebook")


@dataclass(frozen=True)
class Entry:
    """One number. Empty strings and None: not known, or of no meaning for it."""

    id: str  #: unique; its parts, from the widest, are divided by slashes
    value: float
    unit: str = ""  #: %, s, points, …
    n: int | None = None  #: questions, or repetitions of a measurement in time
    low: float | None = None  #: of the 95 % interval
    high: float | None = None
    kind: str = "own"  #: one of `KINDS`
    model: str = ""
    method: str = ""
    data: str = ""  #: the questions and their version
    command: str = ""  #: that makes the number again
    seed: int | None = None
    commit: str = ""
    pins: str = ""  #: `provenance.pins`
    hardware: str = ""
    date: str = ""
    source: str = ""  #: URL of a published figure, or the committed file of an own one
    note: str = ""


_NUMBERS = {"value": float, "low": float, "high": float, "n": int, "seed": int}


def read_ledger(path: Path = LEDGER) -> dict[str, Entry]:
    """All entries by id.

    Raises:
        UserError: no such file, a column or a value that cannot be, an id that stands twice.
    """
    text = read_bytes(path).decode("utf-8", errors="replace")
    reader = csv.DictReader(io.StringIO(text, newline=""))
    names = [field.name for field in fields(Entry)]
    if reader.fieldnames != names:
        raise UserError(f"{shown(path)}:1: the columns must be {','.join(names)}")
    entries: dict[str, Entry] = {}
    for row in reader:
        entry = _entry(path, reader.line_num, row)
        if entry.id in entries:
            raise UserError(f"{shown(path)}:{reader.line_num}: id {entry.id} stands twice")
        entries[entry.id] = entry
    return entries


def _entry(path: Path, line: int, row: dict[str, str]) -> Entry:
    where = f"{shown(path)}:{line}"
    if None in row or None in row.values():
        raise UserError(f"{where}: has too few or too many columns")
    values: dict[str, object] = dict(row)
    for name, kind in _NUMBERS.items():
        try:
            values[name] = kind(row[name]) if row[name] else None
        except ValueError:
            raise UserError(
                f"{where}: field {name}: {shown_value(row[name])} is no number"
            ) from None
    if values["value"] is None or not row["id"]:
        raise UserError(f"{where}: field {'id' if not row['id'] else 'value'}: is empty")
    if row["kind"] not in KINDS:
        raise UserError(f"{where}: field kind: {shown_value(row['kind'])}, not of {KINDS}")
    return Entry(**values)  # type: ignore[arg-type]


def write_ledger(path: Path, entries: Iterable[Entry]) -> None:
    """Write the entries in the order of their ids.

    Raises:
        ValueError: an id stands twice.
    """
    write_text(path, ledger_text(entries))


def ledger_text(entries: Iterable[Entry]) -> str:
    """The file's text; see `write_ledger`."""
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, [field.name for field in fields(Entry)], lineterminator="\n")
    writer.writeheader()
    last = None
    for entry in sorted(entries, key=lambda entry: entry.id):
        if entry.id == last:
            raise ValueError(f"{entry.id} stands twice in the ledger")
        last = entry.id
        writer.writerow({k: "" if v is None else _plain(v) for k, v in asdict(entry).items()})
    return stream.getvalue()


def _plain(value: object) -> object:
    # Ten digits are more than any measurement has, and the same on every machine.
    return f"{value:.10g}" if isinstance(value, float) else value
