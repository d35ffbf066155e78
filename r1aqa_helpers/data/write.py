"""Writing both forms, so that reading gives equal questions back."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from r1aqa_helpers.data.question import AudioQuestion
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import PathLike, write_json, write_jsonl
from r1aqa_helpers.utils.untrusted import shown, shown_value


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


def _avqa_row(path: PathLike, question: AudioQuestion) -> dict[str, Any]:
    if question.answer not in question.choices:
        raise UserError(
            f"{shown(path)}: question {shown_value(question.id)} has no answer among its choices,"
            " and AVQA lines need its index; leave it out or label it"
        )
    row = {
        "id": question.id,
        "question_text": question.question,
        "multi_choice": list(question.choices),
        "answer": question.choices.index(question.answer),
        "dataset_name": question.dataset,
        "audio_path": relative(path, question.audio),
    }
    row |= {name: value for name, value in _labels(question).items() if value}
    return row | {**question.extra} | row  # its own fields first, and never replaced


def mmau_row(path: PathLike, question: AudioQuestion) -> dict[str, Any]:
    """The question as an item of MMAU's JSON, for a file that will stand at ``path``."""
    audio = relative(path, question.audio)
    row = {
        "id": question.id,
        "audio_id": audio if os.path.isabs(audio) else f"./{audio}",
        "question": question.question,
        "choices": list(question.choices),
        "answer": question.answer,
        "dataset": question.dataset,
    }
    if question.answer is None:
        del row["answer"]
    row |= _labels(question)
    return row | {**question.extra} | row  # its own fields first, and never replaced


def _labels(question: AudioQuestion) -> dict[str, Any]:
    category = question.category
    return {
        "task": question.task,
        "split": question.split,
        "category": category if isinstance(category, str) else list(category),
        "sub-category": question.sub_category,
        "difficulty": question.difficulty,
    }


def relative(path: PathLike, audio: Path) -> str:
    """How a file at ``path`` names a recording: relative where it is inside its folder."""
    audio, folder = Path(os.path.abspath(audio)), Path(os.path.abspath(path)).parent
    return audio.relative_to(folder).as_posix() if audio.is_relative_to(folder) else str(audio)
