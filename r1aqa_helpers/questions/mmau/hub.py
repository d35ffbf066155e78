"""MMAU test-mini from the Hugging Face Hub: which revision, and which of its files."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi

from ...errors import UserError
from ..hub import download_files

REPO = "gamma-lab-umd/MMAU-test-mini"

#: v05.15.25 is named after the day on which it replaced v1.
_REVISED = datetime(2025, 5, 15, tzinfo=UTC)
_AUDIO = (".wav", ".mp3", ".flac", ".ogg")


def download(version: str | None, out: Path) -> tuple[Path, dict[str, str]]:
    """Download the files of a release; see `download_files`.

    Args:
        version: for v1, the last revision from before 15 May 2025 is taken; else the newest.
            What the questions themselves are is for the caller to find out.
        out: where they will be unpacked, for the room that this takes.
    """

    def revision(api: HfApi) -> str | None:
        return _before(_REVISED, api) if version == "v1" else None

    return download_files(REPO, revision, _wanted, out, "MMAU")


def _before(day: datetime, api: HfApi) -> str:
    """The newest commit from before a day."""
    commits = api.list_repo_commits(REPO, repo_type="dataset")
    earlier = [commit for commit in commits if commit.created_at < day]
    if not earlier:
        raise UserError(
            f"{REPO}: has no revision from before {day:%d %B %Y}, so not v1; give --from a folder"
            " with mmau-test-mini.json of github.com/Sakshi113/MMAU, commit 1f675a9, and its"
            " recordings"
        )
    return max(earlier, key=lambda commit: commit.created_at).commit_id


def _wanted(files: list[Any]) -> list[Any]:
    """The parquet files; where there are none, JSON and recordings."""
    ends = (".parquet",) if any(f.rfilename.endswith(".parquet") for f in files) else None
    return [f for f in files if f.rfilename.lower().endswith(ends or (".json", *_AUDIO))]
