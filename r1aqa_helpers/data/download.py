"""What comes from outside: files of the Hugging Face Hub, rows of parquet, and clips as bytes."""

import contextlib
import hashlib
import io
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from r1aqa_helpers.data.decoding import AudioFault, decode_audio
from r1aqa_helpers.data.parse import Fault
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import open_file, write_bytes
from r1aqa_helpers.utils.untrusted import first_line, shown

_ROWS = 4  # with recordings, that are in memory at a time
_SUFFIXES = {b"RIFF": ".wav", b"RF64": ".wav", b"fLaC": ".flac", b"OggS": ".ogg", b"FORM": ".aiff"}


def fetch_from_hub(
    repo: str, wanted: Callable[[list[str]], list[str]], before: datetime | None = None
) -> tuple[Path, dict[str, str]]:
    """Download files of a data set to the Hub client's cache, which resumes broken downloads.

    Args:
        repo: name on the Hub.
        wanted: chooses the files, given the names of all.
        before: take the newest revision from before this time; None: the newest.

    Returns:
        The folder, and its origin: ``hub`` (name) and ``revision`` (commit).

    Raises:
        UserError: the Hub cannot be reached, has no such revision or files, or the disk is full.
    """
    from huggingface_hub import HfApi, snapshot_download  # slow to import
    from huggingface_hub.errors import HTTPError

    try:
        api, revision = HfApi(), None
        if before is not None:
            commits = api.list_repo_commits(repo, repo_type="dataset")  # the newest first
            revision = next((c.commit_id for c in commits if c.created_at < before), None)
            if revision is None:
                raise UserError(
                    f"{repo}: has no revision from before {before:%d %B %Y}; give --from a folder"
                )
        info = api.dataset_info(repo, revision=revision)
        names = wanted([file.rfilename for file in info.siblings or []])
        if not names:
            raise UserError(f"{repo}: has no such files at {info.sha}; give --from a folder")
        folder = snapshot_download(
            repo, repo_type="dataset", revision=info.sha, allow_patterns=names
        )
    # The client reports what the Hub answers in errors of several kinds.
    except (OSError, ValueError, RuntimeError, HTTPError) as error:
        raise UserError(
            f"{repo}: cannot be fetched ({first_line(error)}); run the same command again to"
            " resume, or give --from a folder"
        ) from error
    return Path(folder), {"hub": repo, "revision": info.sha}


def parquet_shape(path: Path, needed: Sequence[str]) -> tuple[int, list[str]]:
    """The number of rows and the names of the columns of a parquet file.

    Raises:
        UserError: it is not a whole parquet file, or lacks one of the columns ``needed``, in
            which alternatives are separated by ``|``.
    """
    from pyarrow.parquet import read_metadata  # slow to import

    with _whole(path):
        metadata = read_metadata(path)
        names = metadata.schema.to_arrow_schema().names
    if not all({*each.split("|")} & {*names} for each in needed):
        raise UserError(f"{shown(path)}: lacks one of the columns {', '.join(needed)}")
    return metadata.num_rows, names


def read_parquet(path: Path, columns: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The place and the values, by column, of each row; a few rows are in memory at a time.

    Raises:
        UserError: it is not a whole parquet file, also where this shows later.
    """
    from pyarrow.parquet import ParquetFile

    with _whole(path), ParquetFile(path, pre_buffer=False, buffer_size=1 << 20) as table:
        batches = table.iter_batches(_ROWS, columns=[*columns])
        for number, row in enumerate(row for batch in batches for row in batch.to_pylist()):
            yield f"{path.name}: row {number}", row


@contextlib.contextmanager
def _whole(path: Path) -> Iterator[None]:
    from pyarrow import ArrowException

    with open_file(path):  # what is no regular file is refused here
        pass
    try:
        yield
    except (ArrowException, OSError, UnicodeDecodeError) as fault:
        raise UserError(f"{shown(path)}: is not a whole parquet file; fetch it again") from fault


def keep_clip(folder: Path, audio: Any) -> Path:
    """Write a recording that can be decoded, unless it is already there.

    Its name is made from its content: a name from the data could lead anywhere, and may have
    the suffix of another format. The same recording is kept and decoded once, over all calls.

    Args:
        folder: where the recordings go.
        audio: the bytes of a sound file, or a parquet row's dictionary with ``bytes``, whose
            ``path`` is another machine's and is not followed.

    Raises:
        Fault: there is no recording, or it cannot be decoded.
        UserError: it cannot be written.
    """
    data = audio.get("bytes") if isinstance(audio, dict) else audio
    if not isinstance(data, bytes) or not data:
        raise Fault("no recording in the row", "missing")
    mpeg = data[:3] == b"ID3" or data[:1] == b"\xff" and data[1:2] >= b"\xe0"
    suffix = ".mp3" if mpeg else _SUFFIXES.get(data[:4], ".audio")
    path = folder / f"{hashlib.sha256(data).hexdigest()[:24]}{suffix}"
    if not path.is_file() or path.stat().st_size != len(data):
        try:
            decode_audio(io.BytesIO(data))
        except AudioFault as fault:
            raise Fault(str(fault), "broken") from None
        write_bytes(path, data)
    return path
