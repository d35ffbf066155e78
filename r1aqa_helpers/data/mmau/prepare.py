"""MMAU made ready: downloaded, written out with ``source.json``, and found again."""

import os
from collections import Counter
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from r1aqa_helpers.data.download import check_space, fetch_from_hub, keep_clip
from r1aqa_helpers.data.mmau.convert import FoundSet, find_sets
from r1aqa_helpers.data.mmau.releases import RELEASES, SOURCE, content_hash, read_source
from r1aqa_helpers.data.parse import Fault, LeftOut, count_kinds, first_reason
from r1aqa_helpers.data.write import write_mmau
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import PathLike, file_hash, read_json, shown, shown_value, write_json
from r1aqa_helpers.utils.progress import track

if TYPE_CHECKING:
    from huggingface_hub import HfApi

REPO = "gamma-lab-umd/MMAU-test-mini"
_REVISED = datetime(2025, 5, 15, tzinfo=UTC)  # when v05.15.25 replaced v1
_NAMES = "mmau-test-mini-"


@dataclass(frozen=True)
class Fetched:
    """What has been made ready."""

    questions: Path  #: MMAU's JSON
    source: Path  #: what is known about it, as JSON
    version: str | None  #: of `RELEASES`; None for another set of ids
    exact: bool  #: whether all texts are those of that release
    n: int  #: questions written
    left_out: tuple[LeftOut, ...]

    @property
    def counts(self) -> dict[str, int]:
        """How many questions were left out as missing, broken and faulty."""
        return count_kinds(self.left_out)


def fetch_mmau(
    version: str | None = None,
    folder: PathLike | None = None,
    out: PathLike | None = None,
) -> Fetched:
    """Make MMAU test-mini ready to be asked: questions, recordings, and what they are.

    Recordings are written as they come, under names made from their content, so that the same
    call goes on where it was interrupted. A question that has a fault, or whose recording is
    missing or cannot be decoded, is left out and listed in ``source.json``.

    Args:
        version: the release that it must be; by default, whichever it is.
        folder: where MMAU already is, in either shape, or its file of questions; by default
            it is downloaded from the Hub: for v1, the last revision from before 15 May 2025.
        out: folder to write to; by default ``runs/mmau-test-mini-VERSION``.

    Raises:
        UserError: nothing is found, or more than one set of questions; it is another release;
            no question is usable; the disk is too small; or the Hub cannot be reached.
    """
    if version is not None and version not in RELEASES:
        raise UserError(f"--version {shown(version)}: unknown; use {' or '.join(RELEASES)}")
    if folder is None:
        revision = _last_v1 if version == "v1" else lambda api: None
        place, origin = fetch_from_hub(REPO, _wanted, "MMAU", revision)
    else:
        place, origin = Path(folder), {"folder": Path(os.path.abspath(folder)).name}
    found = _choose(find_sets(place), version, place)
    version = found.release[0]
    name = f"{_NAMES}{version}" if version else "mmau"
    return _write(found, origin, Path("runs", name) if out is None else Path(out), name)


def find_questions(name: str, runs: Path = Path("runs")) -> Path:
    """The file of questions that ``--questions`` names.

    Args:
        name: ``mmau-test-mini-v1`` or ``mmau-test-mini-v05.15.25``, where `fetch_mmau` puts it;
            or the path of a file of questions, or of a folder that `fetch_mmau` wrote.
        runs: where releases are fetched to.

    Raises:
        UserError: there is no such set or file; it was not fetched, not to the end, is another
            release than its name says, or was changed since.
    """
    if Path(name).is_file():
        return Path(name)
    version = next((version for version in RELEASES if name == _NAMES + version), None)
    folder = runs / name if version else Path(name)
    command = "r1aqa data fetch mmau" + (f" --version {version}" if version else "")
    if not folder.is_dir():
        names = ", ".join(_NAMES + release for release in RELEASES)
        raise UserError(
            f"{name}: is not here yet; fetch it with: {command}"
            if version
            else f"--questions {shown_value(name)}: neither a file nor a set that is known; give"
            f" one of {names}, or the path of a file of questions"
        )
    if not (folder / SOURCE).exists():
        raise UserError(
            f"{shown(folder)}: has no source.json, so was not fetched, or not to the end;"
            f" the same command goes on: {command}"
        )
    source = read_source(folder)
    if version is not None and source.get("version") != version:
        raise UserError(
            f"{shown(folder)}: holds {shown_value(source.get('version'))} of MMAU, not {version};"
            f" remove the folder, and fetch it with: {command}"
        )
    return folder / source["questions"]


def _last_v1(api: "HfApi") -> str:
    """The newest commit from before v1 was replaced."""
    commits = api.list_repo_commits(REPO, repo_type="dataset")
    earlier = [commit for commit in commits if commit.created_at < _REVISED]
    if not earlier:
        raise UserError(
            f"{REPO}: has no revision from before {_REVISED:%d %B %Y}, so not v1; give --from a"
            " folder with mmau-test-mini.json of github.com/Sakshi113/MMAU, commit 1f675a9, and"
            " its recordings"
        )
    return max(earlier, key=lambda commit: commit.created_at).commit_id


def _wanted(names: list[str]) -> list[str]:
    """The parquet files; where there are none, JSON and recordings."""
    parquet = [name for name in names if name.endswith(".parquet")]
    others = (".json", ".wav", ".mp3", ".flac", ".ogg")
    return parquet or [name for name in names if name.lower().endswith(others)]


def _choose(sets: list[FoundSet], version: str | None, place: Path) -> FoundSet:
    """The set of a release, or the only one whose release is known, or the only one."""
    versions = [found.release[0] for found in sets]
    if version is not None and version not in versions:
        others = ", ".join(sorted({other or "another set" for other in versions}))
        raise UserError(
            f"{shown(place)}: holds {others} of MMAU's questions, not {version};"
            f" give --from a folder that has {version}, or leave --version away"
        )
    wanted = {version} if version else {*versions} - {None} or {None}
    fitting = [found for found in sets if found.release[0] in wanted]
    # Where both shapes lie side by side, parquet, which comes first, has its recordings with it.
    if len(wanted) > 1 or len(fitting) > 1 and fitting[0].files[0].suffix.lower() != ".parquet":
        names = ", ".join(shown(found.files[0].name) for found in fitting)
        raise UserError(
            f"{shown(place)}: holds {len(fitting)} sets of questions ({names});"
            " name one with --version, or give --from the file"
        )
    return fitting[0]


def _write(found: FoundSet, origin: dict[str, str], out: Path, name: str) -> Fetched:
    target, source, (version, exact) = out / f"{name}.json", out / SOURCE, found.release
    if source.is_file():
        known = read_json(source)
        other = known.get("version") if isinstance(known, dict) else None
        if other != version:
            raise UserError(
                f"{shown(out)}: already holds {shown_value(other)} of MMAU, and this is"
                f" {shown_value(version)}; give --out another folder"
            )
    there = sum(clip.stat().st_size for clip in out.glob("audio/*"))
    check_space(out, found.size - there)
    questions, left_out, formats = [], [], Counter()
    clips = track(found.clips(), "recordings", len(found.rows))
    for (place, identity, question), data in zip(found.rows, clips, strict=True):
        try:
            for each in (question, data):
                if isinstance(each, Fault):
                    raise each
            audio = keep_clip(out / "audio", data)
        except Fault as fault:
            left_out.append(LeftOut(place, identity, fault.kind, str(fault)))
        else:
            formats[audio.suffix[1:]] += 1
            questions.append(replace(question, audio=Path(os.path.abspath(audio))))
    if not questions:
        raise UserError(
            f"{shown(found.files[0])}: none of its {len(found.rows)} questions can be used"
            + first_reason(left_out)
        )
    write_mmau(target, questions)
    done = Fetched(target, source, version, exact, len(questions), tuple(left_out))
    write_json(
        source,
        {
            "version": version,
            "exact": exact,
            "questions": target.name,
            "sha256": file_hash(target),
            "content_sha256": content_hash(questions),
            "n": len(questions),
            "of": len(found.rows),
            "formats": dict(formats.most_common()),
            "origin": origin,
            "files": [{"name": p.name, "sha256": file_hash(p)} for p in found.files],
            **done.counts,
            "left_out": [asdict(each) for each in left_out],
        },
    )
    return done
