"""A set of questions, whatever its shape: from rows as MMAU writes them to questions."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..question import AudioQuestion
from ..rows import Fault, Recordings, kind, mmau_question
from .releases import release_by_ids

Row = tuple[str, str | None, AudioQuestion | Fault]  #: place, id, question
Clips = Callable[[], Iterator[bytes | str]]  #: recordings by row; a text says why there is none

_LETTER = re.compile(r"\(([A-Z])\)\s*")


@dataclass(frozen=True)
class Found:
    """A set of questions in a folder, whatever its shape."""

    files: tuple[Path, ...]
    rows: tuple[Row, ...]
    clips: Clips
    size: int  # bytes of the recordings, about
    version: str | None
    exact: bool


def found_set(files: tuple[Path, ...], rows: Sequence[Row], clips: Clips, size: int) -> Found:
    """A `Found`, with the release that it is; the arguments are its fields."""
    questions = [row[2] for row in rows if isinstance(row[2], AudioQuestion)]
    version, exact = release_by_ids([row[1] for row in rows], questions)
    return Found(files, tuple(rows), clips, size, version, exact)


def unlettered(choices: Any, answer: Any) -> tuple[Any, Any]:
    """Choices "(A) …", "(B) …" without their letters, and the answer as it stands among them.

    Choices that do not all have the letter of their place, and what is no list of texts, come
    back unchanged. An answer may be one of the choices, or only its letter.
    """
    if not isinstance(choices, list) or not choices or not isinstance(answer, str | None):
        return choices, answer
    letters = [_LETTER.match(c) if isinstance(c, str) else None for c in choices]
    if not all(m and m[1] == chr(ord("A") + place) for place, m in enumerate(letters)):
        return choices, answer
    plain = [c[m.end() :] for c, m in zip(choices, letters, strict=True)]
    if not all(plain):
        return choices, answer
    only = {form: plain[i] for i, m in enumerate(letters) for form in (m[1], f"({m[1]})")}
    if answer in choices:
        answer = plain[choices.index(answer)]
    elif answer is not None and answer not in plain:
        answer = only.get(answer.strip(), answer)
    return plain, answer


def read_rows(items: Iterable[tuple[str, Any]], recordings: Recordings) -> list[Row]:
    """Place, id and question of each item; what is wrong with one, as its `Fault`.

    Args:
        items: place and item, as in MMAU's JSON.
        recordings: where ``audio_id`` leads.
    """
    rows, seen = [], {}
    for place, item in items:
        identity = item.get("id") if isinstance(item, dict) else None
        identity = identity if isinstance(identity, str) else None
        try:
            question = _question(item, recordings)
            if question.id in seen:
                raise Fault(f"field id: already stands in {seen[question.id]}")
        except Fault as fault:
            rows.append((place, identity, fault))
        else:
            seen[question.id] = place
            rows.append((place, question.id, question))
    return rows


def _question(item: Any, recordings: Recordings) -> AudioQuestion:
    if isinstance(item, Fault):
        raise item
    if not isinstance(item, dict):
        raise Fault(f"holds a JSON {kind(item)}, not an object")
    try:  # what could not be written again: a date, NaN, half a surrogate pair
        json.dumps(item, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError):
        raise Fault("holds something that JSON has not") from None
    choices, answer = unlettered(item.get("choices"), item.get("answer"))
    return mmau_question(item | {"choices": choices, "answer": answer}, recordings)
