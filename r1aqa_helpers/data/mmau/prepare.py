"""MMAU made ready: downloaded, written out with ``source.json``, and found again."""

import os
from collections import Counter
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

from r1aqa_helpers.data.audio import SUFFIXES
from r1aqa_helpers.data.download import fetch_from_hub, keep_clip
from r1aqa_helpers.data.mmau.convert import FoundSet, find_sets
from r1aqa_helpers.data.mmau.releases import RELEASES, SOURCE, content_hash, read_source
from r1aqa_helpers.data.parse import Fault, LeftOut, Prepared, check_any
from r1aqa_helpers.data.question import AudioQuestion
from r1aqa_helpers.data.write import write_mmau
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import PathLike, file_hash, write_json
from r1aqa_helpers.utils.progress import track
from r1aqa_helpers.utils.untrusted import shown, shown_value

REPO = "gamma-lab-umd/MMAU-test-mini"
_REVISED = datetime(2025, 5, 15, tzinfo=UTC)  # when v05.15.25 replaced v1
_NAMES = "mmau-test-mini-"


def fetch_mmau(
    version: str | None = None, folder: PathLike | None = None, out: PathLike | None = None
) -> Prepared:
    """Make MMAU test-mini ready: write its questions, its recordings, and their origin.

    Recordings are written one by one, under names made from their content, so that an
    interrupted call can be repeated. A question that has a fault, or whose recording is missing
    or cannot be decoded, is left out and listed in ``source.json``.

    Args:
        version: the release that it must be; by default, whichever it is.
        folder: where MMAU already is, in either shape, or its file of questions; by default
            it is downloaded from the Hub: for v1, the last revision from before 15 May 2025.
        out: folder to write to; by default ``runs/mmau-test-mini-VERSION``.

    Raises:
        UserError: nothing is found, or more than one set of questions; it is another release;
            no question is usable; or the Hub cannot be reached.
    """
    if folder is None:
        place, origin = fetch_from_hub(REPO, _wanted, _REVISED if version == "v1" else None)
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
    if os.path.isfile(name):
        return Path(name)
    version = next((version for version in RELEASES if name == _NAMES + version), None)
    folder = runs / name if version else Path(name)
    command = "r1aqa data fetch mmau" + (f" --version {version}" if version else "")
    if not version and not os.path.isdir(folder):
        names = ", ".join(_NAMES + release for release in RELEASES)
        raise UserError(
            f"--questions {shown_value(name)}: neither a file nor a set that is known; give one of"
            f" {names}, or the path of a file of questions"
        )
    if not os.path.exists(folder / SOURCE):
        raise UserError(
            f"{shown(folder)}: has no source.json, so it was not fetched, or not to the end;"
            f" run: {command}"
        )
    source = read_source(folder)
    if version is not None and source.get("version") != version:
        raise UserError(
            f"{shown(folder)}: holds {shown_value(source.get('version'))} of MMAU, not {version};"
            f" remove the folder, and fetch it with: {command}"
        )
    return folder / source["questions"]


def _wanted(names: list[str]) -> list[str]:
    """The parquet files; where there are none, JSON and recordings."""
    parquet = [name for name in names if name.endswith(".parquet")]
    return parquet or [n for n in names if n.lower().endswith((".json", *SUFFIXES))]


def _choose(sets: list[FoundSet], version: str | None, place: Path) -> FoundSet:
    """The set of a release, or the only one whose release is known, or the only one."""
    fitting = [found for found in sets if version in (None, found.release[0])]
    fitting = [found for found in fitting if found.release[0]] or fitting
    if not fitting:
        others = ", ".join(sorted({found.release[0] or "another set" for found in sets}))
        raise UserError(
            f"{shown(place)}: holds {others} of MMAU's questions, not {version};"
            f" give --from a folder that has {version}, or leave --version away"
        )
    if len(fitting) > 1:
        names = ", ".join(shown(found.files[0].name) for found in fitting)
        raise UserError(
            f"{shown(place)}: holds {len(fitting)} sets of questions ({names});"
            " name one with --version, or give --from the file"
        )
    return fitting[0]


def _write(found: FoundSet, origin: dict[str, str], out: Path, name: str) -> Prepared:
    target, source, (version, exact) = out / f"{name}.json", out / SOURCE, found.release
    questions: list[AudioQuestion] = []
    left_out: list[LeftOut] = []
    formats: Counter[str] = Counter()
    recordings = track(found.clips(), "recordings", len(found.rows))
    for (place, identity, question), data in zip(found.rows, recordings, strict=True):
        try:
            if isinstance(question, Fault):
                raise question
            if isinstance(data, Fault):
                raise data
            audio = keep_clip(out / "audio", data)
        except Fault as fault:
            left_out.append(LeftOut(place, identity, fault.kind, str(fault)))
        else:
            formats[audio.suffix[1:]] += 1
            questions.append(replace(question, audio=Path(os.path.abspath(audio))))
    check_any(found.files[0], len(questions), left_out)
    write_mmau(target, questions)
    clips = len({question.audio for question in questions})
    done = Prepared(target, len(questions), clips, tuple(left_out), source, version, exact)
    facts = {
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
    }
    write_json(source, facts | done.counts | {"left_out": [asdict(each) for each in left_out]})
    return done
