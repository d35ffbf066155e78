"""Files of a data set on the Hugging Face Hub: resumed, checked for space and by checksum.

They go to the Hub client's own cache, which takes up a broken download where it ended.
"""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

from huggingface_hub import HfApi, constants, hf_hub_download, snapshot_download
from huggingface_hub.errors import HTTPError

from ..errors import UserError
from ..files import shown
from ..progress import track
from .disk import check_space, sha256_of_file


def download_files(
    repo: str,
    revision: Callable[[HfApi], str | None],
    wanted: Callable[[list[Any]], list[Any]],
    out: Path,
    what: str,
) -> tuple[Path, dict[str, str]]:
    """Download files of a data set; those that the cache has are only checked.

    Args:
        repo: name on the Hub.
        revision: which one it shall be; None is the newest.
        wanted: those files that are wanted, of those with a safe name (the Hub's own records).
        out: where they will be unpacked, for the room that this takes.
        what: what they are, for messages.

    Returns:
        The folder, and where it comes from: ``hub`` (name) and ``revision`` (commit).

    Raises:
        UserError: the Hub cannot be reached, has no such revision or none of these files, the
            disk is too small, or a file has another checksum than the Hub says, twice.
    """
    try:
        api = HfApi()
        info = api.dataset_info(repo, revision=revision(api), files_metadata=True)
        files = wanted([file for file in info.siblings or [] if _is_inside(file.rfilename)])
        if not files:
            raise UserError(f"{repo}: has no files of {what} at {info.sha}")
        options: dict[str, Any] = {"repo_type": "dataset", "revision": info.sha}
        names = [file.rfilename for file in files]
        plan = snapshot_download(repo, allow_patterns=names, dry_run=True, **options)
        missing = sum(each.file_size or 0 for each in plan if each.will_download)
        _check_disks(missing, sum(file.size or 0 for file in files), out)
        folder = Path(snapshot_download(repo, allow_patterns=names, **options))
        for file in track(files, "checksums"):
            if not _is_whole(folder / file.rfilename, file):
                hf_hub_download(repo, file.rfilename, force_download=True, **options)
                if not _is_whole(folder / file.rfilename, file):
                    raise UserError(
                        f"{shown(folder / file.rfilename)}: has not the checksum that the Hub"
                        " gives; remove it and fetch again"
                    )
    # The client reports what the Hub answers in errors of several kinds.
    except (OSError, ValueError, RuntimeError, HTTPError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise UserError(
            f"{repo}: cannot be fetched ({shown(reason)}); the same command goes on,"
            f" or give --from a folder that has {what}"
        ) from error
    return folder, {"hub": repo, "revision": info.sha}


def _is_inside(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and not set(name) & set("\\*?[:")


def _check_disks(missing: int, unpacked: int, out: Path) -> None:
    cache = Path(constants.HF_HUB_CACHE)
    if _device(cache) == _device(out):
        check_space(out, missing + unpacked)
    else:
        check_space(cache, missing)
        check_space(out, unpacked)


def _device(place: Path) -> int:
    there = next(p for p in (place.absolute(), *place.absolute().parents) if p.exists())
    return os.stat(there).st_dev


def _is_whole(path: Path, file: Any) -> bool:
    """Whether a file is what the Hub says: SHA-256 of large ones, git's SHA-1 of others."""
    if not path.is_file():
        return False
    if file.lfs is not None:
        return sha256_of_file(path) == file.lfs.sha256
    data = path.read_bytes()
    if file.blob_id is None:
        return file.size is None or file.size == len(data)
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest() == file.blob_id
