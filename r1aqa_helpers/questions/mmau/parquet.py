"""MMAU as parquet, the shape of the Hub: recordings in the rows, letters before the choices."""

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ...errors import UserError
from ...files import shown
from ..parquet import ROWS, open_parquet, python_rows, recording_bytes
from ..rows import Fault, Recordings, kind
from .sets import Found, found_set, read_rows

#: Names of one and the same column in the copies that are about.
_AUDIO, _QUESTION = ("context", "audio"), ("instruction", "question")


def from_parquet(files: Sequence[Path]) -> Found:
    """The questions in parquet files; the recordings are read when they are asked for.

    Raises:
        UserError: a file is no whole parquet file, or has not the columns of MMAU.
    """
    items, size = [], 0
    recordings = Recordings(Path(os.path.abspath(files[0].parent)), by_name=False)
    for path in files:
        with open_parquet(path) as table:
            names = table.schema_arrow.names
            columns = [name for name in names if name not in _AUDIO]
            if len(columns) == len(names) or not {*_QUESTION} & {*columns}:
                raise UserError(
                    f"{shown(path)}: has not the columns of MMAU ({' or '.join(_AUDIO)},"
                    f" {' or '.join(_QUESTION)}, choices, answer)"
                )
            groups = range(table.metadata.num_row_groups)
            size += sum(table.metadata.row_group(group).total_byte_size for group in groups)
            rows = (
                row for batch in table.iter_batches(columns=columns) for row in python_rows(batch)
            )
            items += [(f"{path.name}: row {n}", _item(row)) for n, row in enumerate(rows)]

    def clips() -> Iterator[bytes | str]:
        for path in files:
            with open_parquet(path) as table:
                column = next(name for name in _AUDIO if name in table.schema_arrow.names)
                for batch in table.iter_batches(batch_size=ROWS, columns=[column]):
                    for row in python_rows(batch):
                        yield recording_bytes(row[column]) or "no recording in the row"

    return found_set(tuple(files), read_rows(items, recordings), clips, size)


def _item(row: dict[str, Any]) -> Any:
    """A row of parquet as an item of MMAU's JSON; what is wrong with it, as a `Fault`."""
    try:
        packed = row.pop("other_attributes", None) or {}
        labels = json.loads(packed) if isinstance(packed, str) else packed
        choices = row.get("choices")
        if isinstance(choices, str):
            row["choices"] = json.loads(choices)
    except (ValueError, RecursionError):
        return Fault("field other_attributes or choices: is not valid JSON")
    if not isinstance(labels, dict):
        return Fault(f"field other_attributes: is a JSON {kind(labels)}, not an object")
    question = next(name for name in _QUESTION if name in row)
    # Read only for its form: the recording is in the row.
    item = labels | {"question": row.pop(question), "audio_id": "in-the-row", **row}
    return {name: value for name, value in item.items() if value is not None}
