"""Writing MMAU out: the questions, their recordings, and ``source.json``."""

import os
from collections import Counter
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePath
from typing import Any

from ...errors import UserError
from ...files import PathLike, read_json, shown, shown_value, write_json
from ...progress import track
from ..clips import Broken, keep_clip
from ..disk import check_space, sha256_of_file
from ..rows import Fault
from ..writing import write_mmau
from .releases import RELEASES, content_hash
from .sets import Found
from .shapes import SOURCE, choose, look


@dataclass(frozen=True)
class LeftOut:
    """A question that is not in the file."""

    place: str  #: where it stood
    id: str | None
    kind: str  #: ``missing`` or ``broken`` (its recording), or ``faulty`` (the row)
    reason: str


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
        counted = Counter(each.kind for each in self.left_out)
        return {kind: counted[kind] for kind in ("missing", "broken", "faulty")}


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
            it is downloaded from the Hub.
        out: folder to write to; by default ``runs/mmau-test-mini-VERSION``.

    Raises:
        UserError: nothing is found, or more than one set of questions; it is another release;
            no question is usable; the disk is too small; or the Hub cannot be reached.
    """
    if version is not None and version not in RELEASES:
        raise UserError(f"--version {shown(version)}: unknown; use {' or '.join(RELEASES)}")
    if folder is None:
        from .hub import download  # the Hub client is slow to import

        place, origin = download(version, Path("runs" if out is None else out))
    else:
        place = Path(folder)
        origin = {"folder": Path(os.path.abspath(place)).name}
    found = choose(look(place), version, place)
    name = f"mmau-test-mini-{found.version}" if found.version else "mmau"
    out = Path("runs", name) if out is None else Path(out)
    return _write(found, origin, out, name)


def read_source(folder: PathLike) -> dict[str, Any]:
    """``source.json`` of a folder that `fetch_mmau` wrote.

    Raises:
        UserError: it is not there, is no JSON, or does not fit the questions beside it.
    """
    path = Path(folder) / SOURCE
    known = read_json(path)
    name = known.get("questions") if isinstance(known, dict) else None
    if not isinstance(name, str) or PurePath(name).name != name:
        raise UserError(f"{shown(path)}: field questions: names no file beside it; fetch it anew")
    if sha256_of_file(path.with_name(name)) != known.get("sha256"):
        raise UserError(
            f"{shown(path.with_name(name))}: is not as it was fetched (field sha256 of {SOURCE});"
            " fetch it anew"
        )
    return known


def _write(found: Found, origin: dict[str, str], out: Path, name: str) -> Fetched:
    target, source = out / f"{name}.json", out / SOURCE
    _check_out(source, found.version)
    there = sum(p.stat().st_size for p in out.glob("audio/*") if p.is_file())
    check_space(out, max(0, found.size - there))
    questions, left_out, formats = [], [], Counter()
    clips = track(found.clips(), "recordings", len(found.rows))
    for (place, identity, question), data in zip(found.rows, clips, strict=True):
        if isinstance(question, Fault):
            left_out.append(LeftOut(place, identity, "faulty", str(question)))
        elif isinstance(data, str):
            left_out.append(LeftOut(place, identity, "missing", data))
        else:
            try:
                audio = keep_clip(out / "audio", data)
            except Broken as fault:
                left_out.append(LeftOut(place, identity, "broken", str(fault)))
                continue
            formats[audio.suffix[1:]] += 1
            questions.append(replace(question, audio=Path(os.path.abspath(audio))))
    if not questions:
        first = f"{left_out[0].kind}, {left_out[0].reason}" if left_out else "it has none"
        raise UserError(
            f"{shown(found.files[0])}: none of its {len(found.rows)} questions can be used;"
            f" the first: {first}"
        )
    write_mmau(target, questions)
    done = Fetched(target, source, found.version, found.exact, len(questions), tuple(left_out))
    write_json(
        source,
        {
            "version": found.version,
            "exact": found.exact,
            "questions": target.name,
            "sha256": sha256_of_file(target),
            "content_sha256": content_hash(questions),
            "n": len(questions),
            "of": len(found.rows),
            "formats": dict(formats.most_common()),
            "origin": origin,
            "files": [{"name": p.name, "sha256": sha256_of_file(p)} for p in found.files],
            **done.counts,
            "left_out": [asdict(each) for each in left_out],
        },
    )
    return done


def _check_out(source: Path, version: str | None) -> None:
    if source.is_file():
        known = read_json(source)
        other = known.get("version") if isinstance(known, dict) else None
        if other != version:
            raise UserError(
                f"{shown(source.parent)}: already holds {shown_value(other)} of MMAU, and this is"
                f" {shown_value(version)}; give --out another folder"
            )
