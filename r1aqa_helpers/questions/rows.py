"""From one JSON value to a question: both forms, field by field."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..files import shown_value
from .question import LABELS, AudioQuestion

_AVQA_FIELDS = {"id", "question_text", "multi_choice", "answer", "dataset_name", "audio_path"}
_MMAU_FIELDS = {"id", "audio_id", "question", "choices", "answer", "dataset"}


class Fault(Exception):
    """What is wrong with a row and what to do; the reader adds the place."""


@dataclass(frozen=True)
class Recordings:
    """Where the recordings of a file of questions are, and whether a bare name finds them."""

    folder: Path
    by_name: bool

    def find(self, row: dict, name: str) -> Path:
        """The recording that field ``name`` of ``row`` names, as an absolute path.

        Judged by the path's text: a file of questions cannot make symbolic links, so one
        that stands in the folder is the user's own way to the recordings, and is followed.
        """
        text = _text(row, name)
        if "\0" in text:
            raise Fault(f"field {name}: {shown_value(text)} holds a NUL; give a path")
        # Normalised before joining, so that no ".." is left for a link to lead elsewhere.
        plain = Path(os.path.normpath(text))
        if plain.parts[:1] == ("..",):
            raise Fault(
                f"field {name}: {shown_value(text)} climbs out of the folder of the recordings;"
                " give a path inside it, or an absolute one"
            )
        audio, top = self.folder / plain, self.folder / plain.name
        if self.by_name and not os.path.exists(audio) and os.path.exists(top):
            return top
        return audio


def avqa_question(row: dict, recordings: Recordings) -> AudioQuestion:
    """The question in one of R1-AQA's training lines; raises `Fault` where it is wrong."""
    choices = _choices(row, "multi_choice")
    index = _required(row, "answer")
    if isinstance(index, bool) or not isinstance(index, int):
        raise Fault(f"field answer: {_got(index)}; give the index of the right choice, from 0")
    if not 0 <= index < len(choices):
        raise Fault(
            f"field answer: {shown_value(index)} is no index into the {len(choices)} choices;"
            f" give 0 to {len(choices) - 1}"
        )
    return AudioQuestion(
        id=_id(row),
        audio=recordings.find(row, "audio_path"),
        question=_text(row, "question_text"),
        choices=choices,
        answer=choices[index],
        dataset=_text(row, "dataset_name"),
        **_labels(row),
        extra=_unknown(row, _AVQA_FIELDS),
    )


def mmau_question(row: dict, recordings: Recordings) -> AudioQuestion:
    """The question in one item of MMAU's JSON; raises `Fault` where it is wrong."""
    choices = _choices(row, "choices")
    answer = row.get("answer")
    if answer is not None and not isinstance(answer, str):
        raise Fault(f"field answer: {_got(answer)}; give the text of the right choice")
    answer = answer if answer and answer.strip() else None
    if answer is not None and answer not in choices:
        raise Fault(
            f"field answer: {shown_value(answer)} is none of the choices; make it equal to one"
        )
    _text(row, "task")  # scores are reported by task, so it must be there
    return AudioQuestion(
        id=_id(row),
        audio=recordings.find(row, "audio_id"),
        question=_text(row, "question"),
        choices=choices,
        answer=answer,
        dataset=_optional_text(row, "dataset"),
        **_labels(row),
        extra=_unknown(row, _MMAU_FIELDS),
    )


# --- fields -------------------------------------------------------------------------------


def _required(row: dict, name: str) -> Any:
    if name not in row:
        raise Fault(f"field {name}: is missing; add it")
    return row[name]


def _text(row: dict, name: str) -> str:
    value = _required(row, name)
    if not isinstance(value, str) or not value.strip():
        raise Fault(f"field {name}: {_got(value)}; give a text that is not blank")
    return value


def _optional_text(row: dict, name: str) -> str:
    value = row.get(name, "")
    if not isinstance(value, str):
        raise Fault(f"field {name}: {_got(value)}; give a text")
    return value


def _id(row: dict) -> str:
    """An id is text; AVQA's own are integers, read as their digits."""
    value = _required(row, "id")
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return _text(row, "id")


def _choices(row: dict, name: str) -> tuple[str, ...]:
    value = _required(row, name)
    if not isinstance(value, list):
        raise Fault(f"field {name}: {_got(value)}; give a list of two or more texts")
    for choice in value:
        if not isinstance(choice, str):
            raise Fault(f"field {name}: one choice {_got(choice)}; give texts")
    if len(value) < 2:
        raise Fault(f"field {name}: has {len(value)} choice(s); give two or more")
    return tuple(value)


def _labels(row: dict) -> dict[str, Any]:
    labels: dict[str, Any] = {}
    for name, attribute in LABELS.items():
        value = row.get(name, "")
        if name == "category" and isinstance(value, list):
            if not all(isinstance(part, str) for part in value):
                raise Fault(f"field category: {_got(value)}; give a text or a list of texts")
            labels[attribute] = tuple(value)
        else:
            labels[attribute] = _optional_text(row, name)
    return labels


def _unknown(row: dict, known: set[str]) -> dict[str, Any]:
    return {k: v for k, v in row.items() if k not in known and k not in LABELS}


# --- wording ------------------------------------------------------------------------------


def kind(value: Any) -> str:
    """What JSON calls a value of this type."""
    kinds = {dict: "object", list: "list", str: "text", bool: "boolean", type(None): "null"}
    return kinds.get(type(value), "number")


def _got(value: Any) -> str:
    return f"is {shown_value(value)} (a JSON {kind(value)})"
