r"""AVQA with its sound, from ``gijs/avqa-processed`` on the Hugging Face Hub.

Its parquet files, named after their split, have a row per question: ``audio`` (the clip's
bytes), ``file_name``, ``question`` with the choices below it ("…?\nChoices:\nA. 3\nB. One…") and
``answer`` with its letter ("B. One"). The loaders of NVIDIA's NeMo-RL and of WEST read it too.
"""

import os
import re
from pathlib import Path
from typing import Any

from r1aqa_helpers.data.avqa import convert_row, write_conversion
from r1aqa_helpers.data.download import fetch_from_hub, keep_clip, parquet_shape, read_parquet
from r1aqa_helpers.data.parse import Fault, LeftOut, Prepared, Recordings, avqa_question
from r1aqa_helpers.data.write import relative
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import PathLike, write_json
from r1aqa_helpers.utils.progress import track
from r1aqa_helpers.utils.untrusted import shown, shown_value

REPO = "gijs/avqa-processed"
_COLUMNS = ("audio", "question", "answer")
_CHOICE = re.compile(r"([A-Z])\.\s*(.+)")


def fetch_avqa(
    split: str = "train", folder: PathLike | None = None, out: PathLike | None = None
) -> Prepared:
    """Write a split's clips as files, and R1-AQA's lines about them.

    A row that has a fault, or whose clip is missing or cannot be decoded, is left out and listed
    in a file beside the lines. An interrupted call can be repeated: clips that are there are not
    decoded again.

    Args:
        split: ``train``, which R1-AQA trains on, or ``validation``.
        folder: where the parquet files are; by default they are downloaded.
        out: folder to write to; by default ``runs/avqa``.

    Raises:
        UserError: there are no files of the split, or they lack a column; no row is usable; or
            the Hub cannot be reached.
    """
    out = Path("runs", "avqa") if out is None else Path(out)
    pattern = f"{split}*.parquet"
    if folder is None:
        folder, origin = fetch_from_hub(
            REPO, lambda names: [name for name in names if Path(name).match(pattern)]
        )
    else:
        if not os.path.isdir(folder):
            raise UserError(f"{shown(folder)}: no such folder; give that of AVQA's parquet files")
        folder, origin = Path(folder), {"folder": Path(os.path.abspath(folder)).name}
    files = sorted(folder.rglob(pattern))
    if not files:
        raise UserError(f"{shown(folder)}: holds no {pattern}; give the folder of AVQA's files")
    total = sum(parquet_shape(path, _COLUMNS)[0] for path in files)
    lines: list[dict[str, Any]] = []
    left_out: list[LeftOut] = []
    # A column that a file lacks, as file_name may be, is not in its rows.
    rows = (row for path in files for row in read_parquet(path, (*_COLUMNS, "file_name")))
    for place, row in track(rows, "clips", total):
        name = row.get("file_name") if isinstance(row.get("file_name"), str) else None
        try:
            # Several questions may ask about the same clip, so its name is no id.
            identity = place.replace(".parquet: row ", "-")
            lines.append(_line(row, name, identity, out))
        except Fault as fault:
            left_out.append(LeftOut(place, name, fault.kind, str(fault)))
    done = write_conversion(out / f"avqa-{split}.jsonl", lines, left_out, folder)
    write_json(
        out / f"avqa-{split}.source.json",
        {"split": split, "questions": done.questions, "clips": done.clips}
        | done.counts
        | {"origin": origin},
    )
    return done


def parse_row(question: Any, answer: Any) -> tuple[str, list[str], int]:
    """Question, choices and the index of the correct one, from a row's two texts.

    Raises:
        Fault: they do not have this format, or the answer is none of the choices.
    """
    if not isinstance(question, str) or not isinstance(answer, str):
        raise Fault("field question or answer: is not a text")
    asked, _, listed = question.partition("\nChoices:\n")
    lines = [line.strip() for line in listed.split("\n") if line.strip()]
    matches = [_CHOICE.fullmatch(line) for line in lines]
    choices = [m[2] for n, m in enumerate(matches) if m and m[1] == chr(65 + n)]
    if not lines or len(choices) < len(lines):
        raise Fault('field question: has no lines "Choices:", "A. …", "B. …" below it')
    given = answer.strip()
    if given in lines:
        return asked.strip(), choices, lines.index(given)
    if choices.count(given) == 1:
        return asked.strip(), choices, choices.index(given)
    raise Fault(f"field answer: {shown_value(given)} is none of the choices")


def _line(row: dict[str, Any], name: str | None, identity: str, out: Path) -> dict[str, Any]:
    asked, choices, index = parse_row(row["question"], row["answer"])
    line = {"id": identity, "question_text": asked, "multi_choice": choices, "answer": index}
    if name is not None:
        line["file_name"] = name
    line = convert_row(line, relative(out / "lines", keep_clip(out / "audio", row["audio"])))
    avqa_question(line, Recordings(out))
    return line
