"""What comes from outside: files of the Hugging Face Hub, rows of parquet, and clips as bytes."""

import contextlib
import hashlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from r1aqa_helpers.data.audio import AudioFault, decode_audio
from r1aqa_helpers.data.parse import Fault
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import shown, write_bytes

if TYPE_CHECKING:
    from huggingface_hub import HfApi

_ROWS = 4  # with recordings, that are in memory at a time
_STARTS = {b"RIFF": ".wav", b"RF64": ".wav", b"fLaC": ".flac", b"OggS": ".ogg", b"FORM": ".aiff"}


def fetch_from_hub(
    repo: str,
    wanted: Callable[[list[str]], list[str]],
    what: str,
    revision: "Callable[[HfApi], str | None]" = lambda api: None,
) -> tuple[Path, dict[str, str]]:
    """Download files of a data set to the Hub client's cache, which resumes broken downloads.

    Args:
        repo: name on the Hub.
        wanted: the names of those files that are wanted, of all names.
        what: what they are, for messages.
        revision: which one it shall be; None is the newest.

    Returns:
        The folder, and where it comes from: ``hub`` (name) and ``revision`` (commit).

    Raises:
        UserError: the Hub cannot be reached, or has no such revision or none of these files; or
            the disk is too small.
    """
    from huggingface_hub import HfApi, constants, snapshot_download  # slow to import
    from huggingface_hub.errors import HTTPError

    try:
        api = HfApi()
        info = api.dataset_info(repo, revision=revision(api))
        names = wanted([file.rfilename for file in info.siblings or []])
        if not names:
            raise UserError(f"{repo}: has no files of {what} at {info.sha}")
        options = {"repo_type": "dataset", "revision": info.sha, "allow_patterns": names}
        plan = snapshot_download(repo, dry_run=True, **options)
        missing = sum(file.file_size or 0 for file in plan if file.will_download)
        check_space(Path(constants.HF_HUB_CACHE), missing)
        folder = Path(snapshot_download(repo, **options))
    # The client reports what the Hub answers in errors of several kinds.
    except (OSError, ValueError, RuntimeError, HTTPError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise UserError(
            f"{repo}: cannot be fetched ({shown(reason)}); the same command goes on,"
            f" or give --from a folder that has {what}"
        ) from error
    return folder, {"hub": repo, "revision": info.sha}


def check_space(place: Path, needed: int) -> None:
    """Raise `UserError` where the disk of ``place`` has less than ``needed`` bytes free."""
    there = next(p for p in (place.absolute(), *place.absolute().parents) if p.exists())
    free = shutil.disk_usage(there).free
    if needed > free:
        raise UserError(
            f"{shown(place)}: needs {needed / 1e9:.2f} GB, and {free / 1e9:.2f} GB are free;"
            " make room, or choose another disk"
        )


def parquet_shape(path: Path) -> tuple[int, list[str]]:
    """The number of rows, and the names of the columns; raises ``UserError`` as `read_parquet`."""
    from pyarrow.parquet import read_metadata  # slow to import

    with _whole(path):
        metadata = read_metadata(path)
        return metadata.num_rows, metadata.schema.to_arrow_schema().names


def read_parquet(path: Path, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The rows, column to value; a few of them are in memory at a time.

    Raises:
        UserError: it is no whole parquet file, also where this shows later.
    """
    from pyarrow.parquet import ParquetFile

    with _whole(path), ParquetFile(path, pre_buffer=False, buffer_size=1 << 20) as table:
        for batch in table.iter_batches(batch_size=_ROWS, columns=[*columns]):
            yield from batch.to_pylist()


@contextlib.contextmanager
def _whole(path: Path) -> Iterator[None]:
    from pyarrow import ArrowException

    try:
        yield
    except (ArrowException, OSError, UnicodeDecodeError) as fault:
        raise UserError(f"{shown(path)}: is no whole parquet file; fetch it again") from fault


def recording_bytes(audio: Any) -> bytes:
    """The recording in a row. Its path is another machine's, and is not followed.

    Raises:
        Fault: there is none.
    """
    data = audio.get("bytes") if isinstance(audio, dict) else audio
    if not isinstance(data, bytes) or not data:
        raise Fault("no recording in the row", "missing")
    return data


def keep_clip(folder: Path, data: bytes) -> Path:
    """Write a recording that can be decoded, where it is not there yet.

    Its name is made from its content: a name from the data could lead anywhere, and may name
    another format. The same recording is kept once, and decoded once over all calls.

    Args:
        folder: where the recordings go.
        data: a whole sound file.

    Raises:
        Fault: it cannot be decoded.
        UserError: it cannot be written.
    """
    path = folder / f"{hashlib.sha256(data).hexdigest()[:24]}{_suffix(data)}"
    if not path.is_file() or path.stat().st_size != len(data):
        try:
            decode_audio(data)
        except AudioFault as fault:
            raise Fault(str(fault), "broken") from None
        write_bytes(path, data)
    return path


def _suffix(data: bytes) -> str:
    """By content: 46 recordings of MMAU are MP3 and are named .wav."""
    if data[:3] == b"ID3" or data[:1] == b"\xff" and data[1:2] >= b"\xe0":
        return ".mp3"
    return _STARTS.get(data[:4], ".audio")
