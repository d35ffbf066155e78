"""Questions about recordings: one form in memory, two on disk.

*AVQA lines* (``.jsonl``), the training form of R1-AQA: ``id, question_text, multi_choice,
answer`` (an index), ``dataset_name, audio_path``. *MMAU JSON* (``.json``), the test form:
a list of ``id, audio_id, question, choices, answer`` (the text), ``dataset, task, split,
category, sub-category, difficulty``. Fields that neither form knows are kept in ``extra``
and written back. No row is dropped: a file is read whole, or a `UserError` says where it
is wrong. Whether the recordings exist is found out when they are loaded.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from r1aqa_helpers.errors import UserError
from r1aqa_helpers.files import (
    PathLike,
    read_json,
    read_jsonl,
    shown,
    shown_value,
    write_json,
    write_jsonl,
)

_AVQA_FIELDS = {"id", "question_text", "multi_choice", "answer", "dataset_name", "audio_path"}
_MMAU_FIELDS = {"id", "audio_id", "question", "choices", "answer", "dataset"}
# Optional, with the same names in either form: name on disk -> attribute.
_LABELS = {
    "task": "task",
    "split": "split",
    "category": "category",
    "sub-category": "sub_category",
    "difficulty": "difficulty",
}


@dataclass(frozen=True)
class AudioQuestion:
    """A multiple-choice question about one recording.

    Attributes:
        id: unique within its file.
        audio: absolute path of the recording.
        question: the question as written in the file.
        choices: two or more; MMAU's own files repeat some.
        answer: the *text* of the right choice; None where the labels are hidden.
        task: ``sound``, ``music`` or ``speech``; empty where the file has none.
        category: as in MMAU; 13 questions of its test-mini have a list, read as a tuple.
        extra: fields of the file that have no attribute, as JSON values.
    """

    id: str
    audio: Path
    question: str
    choices: tuple[str, ...]
    answer: str | None
    task: str = ""
    category: str | tuple[str, ...] = ""
    sub_category: str = ""
    difficulty: str = ""
    dataset: str = ""
    split: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict, hash=False)


def read_questions(path: PathLike, audio_dir: PathLike | None = None) -> list[AudioQuestion]:
    """Read ``.jsonl`` as AVQA lines, ``.json`` as MMAU JSON.

    Raises:
        UserError: another suffix, or as `read_avqa` and `read_mmau`.
    """
    suffix = Path(path).suffix.lower()
    if suffix == ".jsonl":
        return read_avqa(path, audio_dir)
    if suffix == ".json":
        return read_mmau(path, audio_dir)
    raise UserError(
        f"{shown(path)}: unknown kind of question file; name it .jsonl (AVQA lines) or .json (MMAU)"
    )


def read_avqa(path: PathLike, audio_dir: PathLike | None = None) -> list[AudioQuestion]:
    """Read R1-AQA's training lines.

    Args:
        path: the file.
        audio_dir: folder of the recordings; by default the folder of the file. A relative
            ``audio_path`` must stay inside; absolute ones are taken as they are, for the
            lists of R1-AQA have them. Where a folder is given that holds no such file, but
            one of the same name at its top, that is taken.

    Raises:
        UserError: with file, line and field: not UTF-8, not JSON, a field that is missing or
            of a wrong type, a repeated id, an index outside the choices, a single choice,
            a path that climbs out.
    """
    rows = [(f":{number}", f"line {number}", row) for number, row in read_jsonl(path)]
    return _read_rows(path, audio_dir, rows, _avqa_question)


def read_mmau(path: PathLike, audio_dir: PathLike | None = None) -> list[AudioQuestion]:
    """Read MMAU's JSON.

    Args:
        path: the file.
        audio_dir: folder of the recordings, for ``audio_id`` as for `read_avqa`.

    Returns:
        The questions. An ``answer`` that is absent, null or blank (the test split hides its
        labels) becomes None.

    Raises:
        UserError: with file, item (from 0) and id: not UTF-8, not JSON, a field that is missing
            or of a wrong type, a repeated id, an answer that is no choice, a single choice,
            a path that climbs out.
    """
    items = read_json(path)
    if not isinstance(items, list):
        raise UserError(
            f"{shown(path)}: holds a JSON {_kind(items)}; MMAU's form is a list of questions"
        )
    rows = [
        (f": item {number}{_id_note(item)}", f"item {number}", item)
        for number, item in enumerate(items)
    ]
    return _read_rows(path, audio_dir, rows, _mmau_question)


def write_avqa(path: PathLike, questions: Iterable[AudioQuestion]) -> None:
    """Write AVQA lines; recordings inside the file's folder get relative paths.

    `read_avqa` gives equal questions back.

    Raises:
        UserError: a question without an answer, or a file that cannot be written.
    """
    write_jsonl(path, [_avqa_row(path, question) for question in questions])


def write_mmau(path: PathLike, questions: Iterable[AudioQuestion]) -> None:
    """Write MMAU's JSON; `read_mmau` gives equal questions back.

    Raises:
        UserError: the file cannot be written.
    """
    write_json(path, [mmau_row(path, question) for question in questions])


# --- one row ------------------------------------------------------------------------------


class _Fault(Exception):
    """What is wrong with a row and what to do; the reader adds the place."""


def _read_rows(
    path: PathLike,
    audio_dir: PathLike | None,
    rows: list[tuple[str, str, Any]],
    parse: Callable[[dict, "_Recordings"], AudioQuestion],
) -> list[AudioQuestion]:
    """Parse rows of (place after the path, place for cross-reference, JSON value)."""
    if not rows:
        raise UserError(f"{shown(path)}: holds no questions; give a file that does")
    folder = os.path.abspath(Path(path).parent if audio_dir is None else audio_dir)
    recordings = _Recordings(Path(folder), by_name=audio_dir is not None)
    questions: list[AudioQuestion] = []
    seen: dict[str, str] = {}
    for place, short, row in rows:
        try:
            if not isinstance(row, dict):
                raise _Fault(f"holds a JSON {_kind(row)}; give one JSON object per question")
            question = parse(row, recordings)
            if question.id in seen:
                raise _Fault(
                    f"field id: {shown_value(question.id)} already stands in {seen[question.id]};"
                    " give each question its own id"
                )
        except _Fault as fault:
            raise UserError(f"{shown(path)}{place}: {fault}") from None
        seen[question.id] = short
        questions.append(question)
    return questions


def _avqa_question(row: dict, recordings: "_Recordings") -> AudioQuestion:
    choices = _choices(row, "multi_choice")
    index = _required(row, "answer")
    if isinstance(index, bool) or not isinstance(index, int):
        raise _Fault(f"field answer: {_got(index)}; give the index of the right choice, from 0")
    if not 0 <= index < len(choices):
        raise _Fault(
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


def _mmau_question(row: dict, recordings: "_Recordings") -> AudioQuestion:
    choices = _choices(row, "choices")
    answer = row.get("answer")
    if answer is not None and not isinstance(answer, str):
        raise _Fault(f"field answer: {_got(answer)}; give the text of the right choice")
    answer = answer if answer and answer.strip() else None
    if answer is not None and answer not in choices:
        raise _Fault(
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


def _avqa_row(path: PathLike, question: AudioQuestion) -> dict[str, Any]:
    if question.answer not in question.choices:
        raise UserError(
            f"{shown(path)}: question {shown_value(question.id)} has no answer among its choices,"
            " and AVQA lines need its index; leave it out or label it"
        )
    return _with_extra(
        {
            "id": question.id,
            "question_text": question.question,
            "multi_choice": list(question.choices),
            "answer": question.choices.index(question.answer),
            "dataset_name": question.dataset,
            "audio_path": _relative(path, question.audio),
            **{name: value for name, value in _label_fields(question).items() if value},
        },
        question,
    )


def mmau_row(path: PathLike, question: AudioQuestion) -> dict[str, Any]:
    """The question as an item of MMAU's JSON, for a file that will stand at ``path``."""
    audio = _relative(path, question.audio)
    row = {
        "id": question.id,
        "audio_id": audio if os.path.isabs(audio) else f"./{audio}",
        "question": question.question,
        "choices": list(question.choices),
        "answer": question.answer,
        "dataset": question.dataset,
        **_label_fields(question),
    }
    if question.answer is None:
        del row["answer"]
    return _with_extra(row, question)


# --- fields -------------------------------------------------------------------------------


def _required(row: dict, name: str) -> Any:
    if name not in row:
        raise _Fault(f"field {name}: is missing; add it")
    return row[name]


def _text(row: dict, name: str) -> str:
    value = _required(row, name)
    if not isinstance(value, str) or not value.strip():
        raise _Fault(f"field {name}: {_got(value)}; give a text that is not blank")
    return value


def _optional_text(row: dict, name: str) -> str:
    value = row.get(name, "")
    if not isinstance(value, str):
        raise _Fault(f"field {name}: {_got(value)}; give a text")
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
        raise _Fault(f"field {name}: {_got(value)}; give a list of two or more texts")
    for choice in value:
        if not isinstance(choice, str):
            raise _Fault(f"field {name}: one choice {_got(choice)}; give texts")
    if len(value) < 2:
        raise _Fault(f"field {name}: has {len(value)} choice(s); give two or more")
    return tuple(value)


def _labels(row: dict) -> dict[str, Any]:
    labels: dict[str, Any] = {}
    for name, attribute in _LABELS.items():
        value = row.get(name, "")
        if name == "category" and isinstance(value, list):
            if not all(isinstance(part, str) for part in value):
                raise _Fault(f"field category: {_got(value)}; give a text or a list of texts")
            labels[attribute] = tuple(value)
        else:
            labels[attribute] = _optional_text(row, name)
    return labels


def _label_fields(question: AudioQuestion) -> dict[str, Any]:
    values = {name: getattr(question, attribute) for name, attribute in _LABELS.items()}
    return {name: list(v) if isinstance(v, tuple) else v for name, v in values.items()}


def _unknown(row: dict, known: set[str]) -> dict[str, Any]:
    return {k: v for k, v in row.items() if k not in known and k not in _LABELS}


def _with_extra(row: dict[str, Any], question: AudioQuestion) -> dict[str, Any]:
    return row | {name: value for name, value in question.extra.items() if name not in row}


@dataclass(frozen=True)
class _Recordings:
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
            raise _Fault(f"field {name}: {shown_value(text)} holds a NUL; give a path")
        # Normalised before joining, so that no ".." is left for a link to lead elsewhere.
        plain = Path(os.path.normpath(text))
        if plain.parts[:1] == ("..",):
            raise _Fault(
                f"field {name}: {shown_value(text)} climbs out of the folder of the recordings;"
                " give a path inside it, or an absolute one"
            )
        audio, top = self.folder / plain, self.folder / plain.name
        if self.by_name and not os.path.exists(audio) and os.path.exists(top):
            return top
        return audio


def _relative(path: PathLike, audio: Path) -> str:
    audio, folder = Path(os.path.abspath(audio)), Path(os.path.abspath(path)).parent
    return audio.relative_to(folder).as_posix() if audio.is_relative_to(folder) else str(audio)


# --- wording ------------------------------------------------------------------------------


def _kind(value: Any) -> str:
    kinds = {dict: "object", list: "list", str: "text", bool: "boolean", type(None): "null"}
    return kinds.get(type(value), "number")


def _got(value: Any) -> str:
    return f"is {shown_value(value)} (a JSON {_kind(value)})"


def _id_note(item: Any) -> str:
    return f" (id {shown_value(item['id'])})" if isinstance(item, dict) and "id" in item else ""
