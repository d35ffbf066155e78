"""Finding MMAU in a folder: as JSON beside its recordings, or as parquet."""

import os
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...errors import UserError
from ...files import read_bytes, read_json, shown, shown_value
from ..question import AudioQuestion
from ..rows import Fault, Recordings
from .parquet import from_parquet
from .sets import Found, found_set, read_rows

SOURCE = "source.json"  #: what `fetch` writes beside the questions, and is none of them


def look(place: Path) -> list[Found]:
    """All sets of questions in a folder, or in one file.

    Raises:
        UserError: there is none; where one has a fault, the first.
    """
    if place.is_file():
        files, folder = [place], place.parent
    elif place.is_dir():
        found = [*place.glob("*"), *place.glob("*/*")]
        files, folder = sorted(p for p in found if p.is_file() and p.name != SOURCE), place
    else:
        raise UserError(f"{shown(place)}: no such folder; give that of MMAU")
    parquet = [path for path in files if path.suffix.lower() == ".parquet"]
    sets, faults = [], []
    if parquet:
        try:
            sets.append(from_parquet(parquet))
        except UserError as fault:
            faults.append(fault)
    for path in files:
        if path.suffix.lower() == ".json":
            try:
                items = read_json(path)
            except UserError as fault:
                faults.append(fault)
                continue
            if isinstance(items, list) and any(map(_is_item, items)):
                sets.append(_from_json(path, items, folder))
    if not sets and faults:
        raise faults[0]
    if not sets:
        raise UserError(
            f"{shown(place)}: holds no questions of MMAU; give a folder with mmau-test-mini.json"
            " and its recordings, unpacked, or with the parquet files of the Hub"
        )
    return sets


def choose(sets: list[Found], version: str | None, place: Path) -> Found:
    """The set of a release, or the only one whose release is known, or the only one.

    Raises:
        UserError: there is no such set in ``place``, or more than one.
    """
    known = [found for found in sets if found.version]
    if version is not None:
        right = [found for found in known if found.version == version]
        if not right:
            others = ", ".join(sorted({f.version or "another set" for f in sets}))
            raise UserError(
                f"{shown(place)}: holds {others} of MMAU's questions, not {version};"
                f" give --from a folder that has {version}, or leave --version away"
            )
    else:
        right = known or sets
    # Where both shapes lie side by side, parquet has its recordings with it.
    if len(right) > 1 and not (_is_parquet(right[0]) and len({f.version for f in right}) == 1):
        names = ", ".join(shown(f.files[0].name) for f in right)
        raise UserError(
            f"{shown(place)}: holds {len(right)} sets of questions ({names});"
            " name one with --version, or give --from the file"
        )
    return right[0]


def _is_parquet(found: Found) -> bool:
    return found.files[0].suffix.lower() == ".parquet"


def _is_item(item: Any) -> bool:
    return isinstance(item, dict) and {"id", "audio_id", "question", "choices"} <= item.keys()


def _from_json(path: Path, items: list[Any], folder: Path) -> Found:
    folder = Path(os.path.abspath(folder))
    recordings = Recordings(folder, by_name=False)
    rows = read_rows(((f"{path.name}: item {n}", item) for n, item in enumerate(items)), recordings)
    named = defaultdict(list)
    for where, _, names in os.walk(folder):
        for name in names:
            named[name].append(Path(where, name))
    paths = [_clip(row[2], folder, named) for row in rows]

    def clips() -> Iterator[bytes | str]:
        for clip in paths:
            try:
                yield clip if isinstance(clip, str) else read_bytes(clip)
            except UserError as fault:
                yield str(fault)

    size = sum(clip.stat().st_size for clip in paths if isinstance(clip, Path))
    return found_set((path,), rows, clips, size)


def _clip(question: AudioQuestion | Fault, folder: Path, named: dict[str, list[Path]]) -> Any:
    """The recording that a question names, inside the folder only, or why there is none."""
    if isinstance(question, Fault):
        return "the question has a fault"
    audio = question.audio
    if audio.is_relative_to(folder) and audio.is_file():
        return audio
    same = [path for path in named.get(audio.name, []) if path.is_file()]
    if len(same) == 1:
        return same[0]
    name = shown_value(audio.name)
    return f"{len(same)} files of the name {name}" if same else f"no {name} in the folder"
