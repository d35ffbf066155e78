"""Parquet files with recordings in their rows, read in pieces."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from ..errors import UserError
from ..files import shown

ROWS = 4  # with recordings, that are in memory at a time


@contextlib.contextmanager
def open_parquet(path: Path) -> Iterator[pyarrow.parquet.ParquetFile]:
    """A parquet file that is open, to be read in pieces.

    Raises:
        UserError: it is no whole parquet file, also where that comes out in the reading.
    """
    try:
        # A buffer, so that the recordings are not all read at once.
        options = {"pre_buffer": False, "buffer_size": 1 << 20}
        with pyarrow.parquet.ParquetFile(path, **options) as table:
            yield table
    except (pyarrow.ArrowException, OSError) as fault:
        raise UserError(f"{shown(path)}: is no whole parquet file; fetch it anew") from fault


def python_rows(batch: pyarrow.RecordBatch) -> list[dict[str, Any]]:
    """The rows of a piece, column to value.

    Raises:
        pyarrow.ArrowInvalid: a text in it is not UTF-8, which parquet does not check.
    """
    try:
        return batch.to_pylist()
    except UnicodeDecodeError as fault:
        raise pyarrow.ArrowInvalid(str(fault)) from fault


def recording_bytes(audio: Any) -> bytes | None:
    """The recording in a row, if any. Its path is another machine's, and is not followed."""
    data = audio.get("bytes") if isinstance(audio, dict) else audio
    return data if isinstance(data, bytes) and data else None
