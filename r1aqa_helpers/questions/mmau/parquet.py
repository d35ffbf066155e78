"""MMAU as parquet, the shape of the Hub: recordings in the rows, letters before the choices."""

import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from ...errors import UserError
from ...files import shown
from ..rows import Fault, Recordings, kind
from .sets import Found, found_set, read_rows

_ROWS = 4  # of a parquet file that are in memory at a time
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
        with _parquet(path) as table:
            names = table.schema_arrow.names
            columns = [name for name in names if name not in _AUDIO]
            if len(columns) == len(names) or not {*_QUESTION} & {*columns}:
                raise UserError(
                    f"{shown(path)}: has not the columns of MMAU ({' or '.join(_AUDIO)},"
                    f" {' or '.join(_QUESTION)}, choices, answer)"
                )
            groups = range(table.metadata.num_row_groups)
            size += sum(table.metadata.row_group(group).total_byte_size for group in groups)
            rows = (row for batch in table.iter_batches(columns=columns) for row in _python(batch))
            items += [(f"{path.name}: row {n}", _item(row)) for n, row in enumerate(rows)]

    def clips() -> Iterator[bytes | str]:
        for path in files:
            with _parquet(path) as table:
                column = next(name for name in _AUDIO if name in table.schema_arrow.names)
                for batch in table.iter_batches(batch_size=_ROWS, columns=[column]):
                    for row in _python(batch):
                        yield _bytes(row[column])

    return found_set(tuple(files), read_rows(items, recordings), clips, size)


@contextlib.contextmanager
def _parquet(path: Path) -> Iterator[pyarrow.parquet.ParquetFile]:
    """A parquet file that is open, to be read in pieces; its faults as `UserError`."""
    try:
        # A buffer, so that the recordings are not all read at once.
        options = {"pre_buffer": False, "buffer_size": 1 << 20}
        with pyarrow.parquet.ParquetFile(path, **options) as table:
            yield table
    except (pyarrow.ArrowException, OSError) as fault:
        raise UserError(f"{shown(path)}: is no whole parquet file; fetch it anew") from fault


def _python(batch: pyarrow.RecordBatch) -> list[dict[str, Any]]:
    try:
        return batch.to_pylist()
    except UnicodeDecodeError as fault:  # what a column of texts holds, parquet does not check
        raise pyarrow.ArrowInvalid(str(fault)) from fault


def _bytes(audio: Any) -> bytes | str:
    """The recording in a row. Its path is another machine's, and is not followed."""
    data = audio.get("bytes") if isinstance(audio, dict) else audio
    return data if isinstance(data, bytes) and data else "no recording in the row"


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
