"""MMAU's questions and recordings as they lie in a folder: as JSON, or as parquet."""

import json
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from r1aqa_helpers.data.download import parquet_shape, read_parquet, recording_bytes
from r1aqa_helpers.data.mmau.releases import SOURCE, release_of
from r1aqa_helpers.data.parse import Fault, Recordings, kind, mmau_question
from r1aqa_helpers.data.question import AudioQuestion
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import read_bytes, read_json, shown, shown_value

_LETTER = re.compile(r"\(([A-Z])\)\s*(.+)", re.DOTALL)
#: Names of one and the same column in the copies that are about.
_AUDIO, _QUESTION = ("context", "audio"), ("instruction", "question")

_Row = tuple[str, str | None, AudioQuestion | Fault]  # place, id, question or what is wrong


@dataclass(frozen=True)
class FoundSet:
    """A set of questions in a folder, whatever its shape.

    Attributes:
        files: of the questions.
        rows: place, id, and question or what is wrong with it.
        clips: the recordings by row, read when asked for; a `Fault` says why there is none.
        size: of the recordings, about, in bytes.
    """

    files: tuple[Path, ...]
    rows: tuple[_Row, ...]
    clips: Callable[[], Iterator[bytes | Fault]]
    size: int

    @cached_property
    def release(self) -> tuple[str | None, bool]:
        """The release of `RELEASES`, or None; and whether all texts are those of it."""
        questions = [row[2] for row in self.rows if isinstance(row[2], AudioQuestion)]
        return release_of(questions, [row[1] for row in self.rows if row[1] is not None])


def find_sets(place: Path) -> list[FoundSet]:
    """All sets of questions in a folder, or in one file; parquet first.

    Raises:
        UserError: there is none; where one has a fault, the first.
    """
    if not place.exists():
        raise UserError(f"{shown(place)}: no such folder; give that of MMAU")
    folder = place.parent if place.is_file() else place
    found = [place] if place.is_file() else [*place.glob("*"), *place.glob("*/*")]
    files = sorted(path for path in found if path.is_file() and path.name != SOURCE)
    parquet = [path for path in files if path.suffix.lower() == ".parquet"]
    sets, faults = [], []
    for path in parquet[:1] + [path for path in files if path.suffix.lower() == ".json"]:
        try:
            sets.append(_from_parquet(parquet) if path in parquet else _from_json(path, folder))
        except UserError as fault:
            faults.append(fault)
    sets = [found for found in sets if found is not None]
    if not sets:
        raise faults[0] if faults else UserError(
            f"{shown(place)}: holds no questions of MMAU; give a folder with mmau-test-mini.json"
            " and its recordings, unpacked, or with the parquet files of the Hub"
        )  # fmt: skip
    return sets


def unlettered(choices: Any, answer: Any) -> tuple[Any, Any]:
    """Choices "(A) …", "(B) …" without their letters, and the answer as it stands among them.

    Choices that do not all have the letter of their place, and what is no list of texts, come
    back unchanged. An answer may be one of the choices, or only its letter.
    """
    if not isinstance(choices, list) or not choices or not isinstance(answer, str | None):
        return choices, answer
    letters = [_LETTER.fullmatch(c) if isinstance(c, str) else None for c in choices]
    if not all(m and m[1] == chr(ord("A") + place) for place, m in enumerate(letters)):
        return choices, answer
    plain = [m[2] for m in letters]
    if answer is None or answer in plain and answer not in choices:
        return plain, answer
    named = {form: m[2] for m in letters for form in (f"({m[1]})", m[1])}
    named |= dict(zip(reversed(choices), reversed(plain), strict=True))
    return plain, named.get(answer, named.get(answer.strip(), answer))


def _rows(items: Iterable[tuple[str, Any]], recordings: Recordings) -> tuple[_Row, ...]:
    """The questions in items as MMAU's JSON has them, each with its place."""
    rows, seen = [], {}
    for place, item in items:
        identity = item.get("id") if isinstance(item, dict) else None
        try:
            question = _question(item, recordings)
            if question.id in seen:
                raise Fault(f"field id: already stands in {seen[question.id]}")
            seen[question.id] = place
        except Fault as fault:
            question = fault
        rows.append((place, identity if isinstance(identity, str) else None, question))
    return tuple(rows)


def _question(item: Any, recordings: Recordings) -> AudioQuestion:
    if isinstance(item, Fault):
        raise item
    try:  # what could not be written again: a date, NaN, half a surrogate pair
        json.dumps(item, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError):
        raise Fault("holds something that JSON has not") from None
    if isinstance(item, dict):
        choices, answer = unlettered(item.get("choices"), item.get("answer"))
        item = item | {"choices": choices, "answer": answer}
    return mmau_question(item, recordings)


def _from_json(path: Path, folder: Path) -> FoundSet | None:
    """The questions in a JSON file, if it has any, with the recordings in the folder."""
    needed = {"id", "audio_id", "question", "choices"}
    items = read_json(path)
    if not isinstance(items, list) or not any(
        isinstance(item, dict) and needed <= item.keys() for item in items
    ):
        return None
    folder = Path(os.path.abspath(folder))
    named = defaultdict(list)
    for where, _, names in os.walk(folder):
        for name in names:
            named[name].append(Path(where, name))
    rows = _rows(((f"{path.name}: item {n}", item) for n, item in enumerate(items)),
                 Recordings(folder))  # fmt: skip
    clips = [_clip(question, named) for _, _, question in rows]
    size = sum(clip.stat().st_size for clip in clips if isinstance(clip, Path))

    def read() -> Iterator[bytes | Fault]:
        return (read_bytes(clip) if isinstance(clip, Path) else clip for clip in clips)

    return FoundSet((path,), rows, read, size)


def _clip(question: AudioQuestion | Fault, named: dict[str, list[Path]]) -> Path | Fault:
    """The recording that a question names, among the files in the folder."""
    if isinstance(question, Fault):
        return question
    same = named.get(question.audio.name, [])
    path = question.audio if question.audio in same else same[0] if len(same) == 1 else None
    if path is not None and path.is_file():
        return path
    name = shown_value(question.audio.name)
    told = f"{len(same)} files of the name {name}" if same else f"no {name} in the folder"
    return Fault(told, "missing")


def _from_parquet(files: Sequence[Path]) -> FoundSet:
    """The questions in parquet files, with the recordings in their rows."""
    audio, items = {}, []
    for path in files:
        names = parquet_shape(path)[1]
        audio[path] = next((name for name in _AUDIO if name in names), None)
        if audio[path] is None or not {*_QUESTION} & {*names}:
            raise UserError(
                f"{shown(path)}: has not the columns of MMAU ({' or '.join(_AUDIO)},"
                f" {' or '.join(_QUESTION)}, choices, answer)"
            )
        rows = read_parquet(path, [name for name in names if name not in _AUDIO])
        items += [(f"{path.name}: row {n}", _item(row)) for n, row in enumerate(rows)]

    def clips() -> Iterator[bytes | Fault]:
        for path, column in audio.items():
            for row in read_parquet(path, [column]):
                try:
                    yield recording_bytes(row[column])
                except Fault as fault:
                    yield fault

    size = sum(path.stat().st_size for path in files)
    return FoundSet(tuple(files), _rows(items, Recordings(Path("/"))), clips, size)


def _item(row: dict[str, Any]) -> Any:
    """A row of parquet as an item of MMAU's JSON; what is wrong with it, as a `Fault`."""
    try:
        packed = row.pop("other_attributes", None) or {}
        labels = json.loads(packed) if isinstance(packed, str) else packed
        if isinstance(row.get("choices"), str):
            row["choices"] = json.loads(row["choices"])
    except (ValueError, RecursionError):
        return Fault("field other_attributes or choices: is not valid JSON")
    if not isinstance(labels, dict):
        return Fault(f"field other_attributes: is a JSON {kind(labels)}, not an object")
    question = next(name for name in _QUESTION if name in row)
    # Read only for its form: the recording is in the row.
    item = labels | {"question": row.pop(question), "audio_id": "in-the-row", **row}
    return {name: value for name, value in item.items() if value is not None}
