"""MMAU test-mini from the Hugging Face Hub: resumed, checked for space and by checksum.

The files go to the Hub client's own cache, which takes up a broken download where it ended.
"""

import hashlib
import os
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from huggingface_hub import HfApi, constants, hf_hub_download, snapshot_download
from huggingface_hub.errors import HTTPError

from ...errors import UserError
from ...files import shown
from ...progress import track
from .disk import check_space, sha256_of_file

REPO = "gamma-lab-umd/MMAU-test-mini"

#: v05.15.25 is named after the day on which it replaced v1.
_REVISED = datetime(2025, 5, 15, tzinfo=UTC)
_AUDIO = (".wav", ".mp3", ".flac", ".ogg")


def download(version: str | None, out: Path) -> tuple[Path, dict[str, str]]:
    """Download the files of a release; those that the cache has are only checked.

    Args:
        version: for v1, the last revision from before 15 May 2025 is taken; else the newest.
            What the questions themselves are is for the caller to find out.
        out: where they will be unpacked, for the room that this takes.

    Returns:
        The folder, and where it comes from: ``hub`` (name) and ``revision`` (commit).

    Raises:
        UserError: the Hub cannot be reached or has no such revision, the disk is too small, or
            a file has another checksum than the Hub says, twice.
    """
    try:
        revision = _before(_REVISED) if version == "v1" else None
        info = HfApi().dataset_info(REPO, revision=revision, files_metadata=True)
        files = _wanted(info.siblings or [])
        if not files:
            raise UserError(f"{REPO}: has neither parquet nor JSON with recordings at {info.sha}")
        options: dict[str, Any] = {"repo_type": "dataset", "revision": info.sha}
        names = [file.rfilename for file in files]
        plan = snapshot_download(REPO, allow_patterns=names, dry_run=True, **options)
        missing = sum(each.file_size or 0 for each in plan if each.will_download)
        _check_disks(missing, sum(file.size or 0 for file in files), out)
        folder = Path(snapshot_download(REPO, allow_patterns=names, **options))
        for file in track(files, "checksums"):
            if not _is_whole(folder / file.rfilename, file):
                hf_hub_download(REPO, file.rfilename, force_download=True, **options)
                if not _is_whole(folder / file.rfilename, file):
                    raise UserError(
                        f"{shown(folder / file.rfilename)}: has not the checksum that the Hub"
                        " gives; remove it and fetch again"
                    )
    # The client reports what the Hub answers in errors of several kinds.
    except (OSError, ValueError, RuntimeError, HTTPError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise UserError(
            f"{REPO}: cannot be fetched ({shown(reason)}); the same command goes on,"
            " or give --from a folder that has MMAU"
        ) from error
    return folder, {"hub": REPO, "revision": info.sha}


def _before(day: datetime) -> str:
    """The newest commit from before a day."""
    commits = HfApi().list_repo_commits(REPO, repo_type="dataset")
    earlier = [commit for commit in commits if commit.created_at < day]
    if not earlier:
        raise UserError(
            f"{REPO}: has no revision from before {day:%d %B %Y}, so not v1; give --from a folder"
            " with mmau-test-mini.json of github.com/Sakshi113/MMAU, commit 1f675a9, and its"
            " recordings"
        )
    return max(earlier, key=lambda commit: commit.created_at).commit_id


def _wanted(siblings: list[Any]) -> list[Any]:
    """The parquet files; where there are none, JSON and recordings."""
    safe = [file for file in siblings if _is_inside(file.rfilename)]
    ends = (".parquet",) if any(f.rfilename.endswith(".parquet") for f in safe) else None
    return [f for f in safe if f.rfilename.lower().endswith(ends or (".json", *_AUDIO))]


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
