"""MMAU's questions and recordings in a folder, as JSON or as parquet."""

import json
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from r1aqa_helpers.data.download import parquet_shape, read_parquet
from r1aqa_helpers.data.mmau.releases import SOURCE, release_of
from r1aqa_helpers.data.parse import Fault, Recordings, kind, mmau_question
from r1aqa_helpers.data.question import AudioQuestion
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import meant, read_bytes, read_json
from r1aqa_helpers.utils.untrusted import shown, shown_value

_LETTERED = re.compile(r"\(([A-Z])\)\s*(.+)", re.DOTALL)
#: Names that copies of the parquet files have for the same column.
_AUDIO, _QUESTION = ("context", "audio"), ("instruction", "question")
_LABELS = ("id", "dataset", "task", "split", "category", "sub-category", "difficulty")

_Row = tuple[str, str | None, AudioQuestion | Fault]  # place, id, question or what is wrong


@dataclass(frozen=True)
class FoundSet:
    """A set of questions in a folder, whatever its shape.

    Attributes:
        files: of the questions.
        rows: place, id, and question or what is wrong with it.
        clips: gives the recordings by row, for `keep_clip`; a `Fault` where there is none.
    """

    files: tuple[Path, ...]
    rows: tuple[_Row, ...]
    clips: Callable[[], Iterator[Any]]

    @cached_property
    def release(self) -> tuple[str | None, bool]:
        """The release of `RELEASES`, or None; and whether all texts are those of it."""
        questions = [row[2] for row in self.rows if isinstance(row[2], AudioQuestion)]
        return release_of(questions, [row[1] for row in self.rows if row[1] is not None])


def find_sets(place: Path) -> list[FoundSet]:
    """The sets of questions in a folder, or in one file; where there is parquet, that alone.

    Raises:
        UserError: there is none, or a file is damaged.
    """
    if not os.path.exists(place):
        raise UserError(f"{shown(place)}: no such folder; give that of MMAU")
    folder = place.parent if os.path.isfile(place) else place
    files = [place] if folder != place else sorted([*place.glob("*"), *place.glob("*/*")])
    if parquet := [path for path in files if path.suffix.lower() == ".parquet"]:
        return [_from_parquet(parquet)]
    files = [path for path in files if path.suffix.lower() == ".json" and path.name != SOURCE]
    sets = [found for path in files if (found := _from_json(path, folder)) is not None]
    if not sets:
        raise UserError(
            f"{shown(place)}: holds no questions of MMAU; give a folder with mmau-test-mini.json"
            " and its recordings, unpacked, or with the parquet files of the Hub"
        )
    return sets


def unlettered(choices: Any, answer: Any) -> tuple[Any, Any]:
    """Choices "(A) …", "(B) …" without their letters, and the answer as it stands among them.

    Choices that do not all have the letter of their place, and anything but a list of texts,
    come back unchanged. An answer may be one of the choices, or only its letter.
    """
    if not isinstance(choices, list) or not choices or not isinstance(answer, str | None):
        return choices, answer
    found = [_LETTERED.fullmatch(c) if isinstance(c, str) else None for c in choices]
    matches = [m for place, m in enumerate(found) if m and m[1] == chr(ord("A") + place)]
    if len(matches) < len(choices):
        return choices, answer
    plain = [m[2] for m in matches]
    texts = {name: m[2] for m in matches for name in (f"({m[1]})", m[1])}
    texts |= dict(zip([*plain, *choices], plain * 2, strict=True))
    return plain, answer and texts.get(answer, texts.get(answer.strip(), answer))


def _rows(items: Iterable[tuple[str, Any]], recordings: Recordings) -> tuple[_Row, ...]:
    """The questions in items as MMAU's JSON has them, each with its place."""
    rows: list[_Row] = []
    seen: dict[str, str] = {}
    for place, item in items:
        question: AudioQuestion | Fault
        identity = item.get("id") if isinstance(item, dict) else None
        try:
            if isinstance(item, Fault):
                raise item
            if isinstance(item, dict):
                choices, answer = unlettered(item.get("choices"), item.get("answer"))
                item = item | {"choices": choices, "answer": answer}
            question = mmau_question(item, recordings)
            if question.id in seen:
                raise Fault(f"field id: already stands in {seen[question.id]}")
            seen[question.id] = place
        except Fault as fault:
            question = fault
        rows.append((place, identity if isinstance(identity, str) else None, question))
    return tuple(rows)


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
    for file in folder.rglob("*"):
        if file.is_file():
            named[file.name].append(file)
    places = ((f"{path.name}: item {n}", item) for n, item in enumerate(items))
    rows = _rows(places, Recordings(folder))
    clips = [_clip(question, named) for _, _, question in rows]

    def read() -> Iterator[bytes | Fault]:
        return (read_bytes(clip) if isinstance(clip, Path) else clip for clip in clips)

    return FoundSet((path,), rows, read)


def _clip(question: AudioQuestion | Fault, named: dict[str, list[Path]]) -> Path | Fault:
    """The recording that a question names, among the files in the folder alone."""
    if isinstance(question, Fault):
        return question
    same = named.get(question.audio.name, [])
    if question.audio in same or len(same) == 1:
        return question.audio if question.audio in same else same[0]
    name = shown_value(question.audio.name)
    if same:
        return Fault(f"{len(same)} files of the name {name}", "missing")
    return Fault(f"no {name} in the folder; {meant(question.audio)}", "missing")


def _from_parquet(files: Sequence[Path]) -> FoundSet:
    """The questions in parquet files, with the recordings in their rows."""
    needed = ("|".join(_AUDIO), "|".join(_QUESTION), "choices", "answer")
    columns = {path: parquet_shape(path, needed)[1] for path in files}
    texts = (*_QUESTION, "choices", "answer", "other_attributes", *_LABELS)
    items = ((place, _item(row)) for path in files for place, row in read_parquet(path, texts))

    def clips() -> Iterator[Any]:
        for path, names in columns.items():
            audio = next(name for name in _AUDIO if name in names)
            yield from (row[audio] for _, row in read_parquet(path, [audio]))

    return FoundSet(tuple(files), _rows(items, Recordings(Path("/"))), clips)


def _item(row: dict[str, Any]) -> Any:
    """A row of parquet as an item of MMAU's JSON; what is wrong with it, as a `Fault`."""
    try:
        packed = row.get("other_attributes") or {}
        labels = json.loads(packed) if isinstance(packed, str) else packed
        if isinstance(choices := row["choices"], str):
            choices = json.loads(choices)
    except (ValueError, RecursionError):
        return Fault("field other_attributes or choices: is not valid JSON")
    if not isinstance(labels, dict):
        return Fault(f"field other_attributes: is a JSON {kind(labels)}, not an object")
    question = next(row[name] for name in _QUESTION if name in row)
    # The recording is in the row; audio_id is only there to have the fields of MMAU's JSON.
    item = {"question": question, "audio_id": "in-the-row", "choices": choices}
    item |= {"answer": row["answer"]} | {n: row.get(n, labels.get(n)) for n in _LABELS}
    return {name: value for name, value in item.items() if value is not None}
