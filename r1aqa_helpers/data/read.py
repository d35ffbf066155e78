"""Reading both forms, whole and exactly: a `UserError` says where a file is wrong."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from r1aqa_helpers.data.parse import Fault, Recordings, avqa_question, kind, mmau_question
from r1aqa_helpers.data.question import AudioQuestion
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import PathLike, read_json, read_jsonl
from r1aqa_helpers.utils.untrusted import shown, shown_value


def read_questions(path: PathLike, audio_dir: PathLike | None = None) -> list[AudioQuestion]:
    """Read ``.jsonl`` as AVQA lines, ``.json`` as MMAU JSON.

    Raises:
        UserError: another suffix, or as `read_avqa` and `read_mmau`.
    """
    readers = {".jsonl": read_avqa, ".json": read_mmau}
    read = readers.get(Path(path).suffix.lower())
    if read is None:
        raise UserError(
            f"{shown(path)}: unknown kind of question file; name it .jsonl (AVQA lines) or .json"
            " (MMAU)"
        )
    return read(path, audio_dir)


def read_avqa(path: PathLike, audio_dir: PathLike | None = None) -> list[AudioQuestion]:
    """Read R1-AQA's training lines.

    Args:
        path: the file.
        audio_dir: folder of the recordings; by default the folder of the file. A relative
            ``audio_path`` must stay inside; an absolute one, as in R1-AQA's lists, is kept. A
            missing file is replaced by one of the same name at the top of this folder.

    Raises:
        UserError: with file, line and field: not UTF-8, not JSON, a field that is missing or
            of a wrong type, a repeated id, an index outside the choices, a single choice,
            a path that climbs out.
    """
    rows = [(f":{number}", f"line {number}", row) for number, row in read_jsonl(path)]
    return _read_rows(path, audio_dir, rows, avqa_question)


def read_mmau(path: PathLike, audio_dir: PathLike | None = None) -> list[AudioQuestion]:
    """Read MMAU's JSON; ``audio_dir`` as for `read_avqa`, for ``audio_id``.

    An ``answer`` that is absent, null or blank (the test split hides its labels) becomes None.

    Raises:
        UserError: with file, item (from 0) and id: as `read_avqa`, or an answer that is no choice.
    """
    items = read_json(path)
    if not isinstance(items, list):
        raise UserError(
            f"{shown(path)}: holds a JSON {kind(items)}; MMAU's format is a list of questions"
        )
    rows = []
    for number, item in enumerate(items):
        known = (
            f" (id {shown_value(item['id'])})" if isinstance(item, dict) and "id" in item else ""
        )
        rows.append((f": item {number}{known}", f"item {number}", item))
    return _read_rows(path, audio_dir, rows, mmau_question)


def _read_rows(
    path: PathLike,
    audio_dir: PathLike | None,
    rows: list[tuple[str, str, Any]],
    parse: Callable[[Any, Recordings], AudioQuestion],
) -> list[AudioQuestion]:
    """Parse rows of (place after the path, place for cross-reference, JSON value)."""
    if not rows:
        raise UserError(f"{shown(path)}: holds no questions; give a file that does")
    folder = os.path.abspath(Path(path).parent if audio_dir is None else audio_dir)
    recordings = Recordings(Path(folder), by_name=audio_dir is not None)
    questions: list[AudioQuestion] = []
    seen: dict[str, str] = {}
    for place, short, row in rows:
        try:
            question = parse(row, recordings)
            if question.id in seen:
                raise Fault(
                    f"field id: {shown_value(question.id)} already stands in {seen[question.id]};"
                    " give each question its own id"
                )
        except Fault as fault:
            raise UserError(f"{shown(path)}{place}: {fault}") from None
        seen[question.id] = short
        questions.append(question)
    return questions
