r"""AVQA with its sound, as ``gijs/avqa-processed`` on the Hugging Face Hub has it, made ready.

Its parquet files, named after their split, have a row a question: ``audio`` (the clip's bytes),
``file_name``, ``question`` with the choices under it ("…?\nChoices:\nA. 3\nB. One…") and
``answer`` with its letter ("B. One"); so the loaders of NVIDIA's NeMo-RL and of WEST read it.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from r1aqa_helpers.data.avqa import Conversion, convert_row, write_conversion
from r1aqa_helpers.data.download import (
    check_space,
    fetch_from_hub,
    keep_clip,
    parquet_shape,
    read_parquet,
    recording_bytes,
)
from r1aqa_helpers.data.parse import Fault, LeftOut, Recordings, avqa_question
from r1aqa_helpers.data.write import relative
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import PathLike, shown, shown_value, write_json
from r1aqa_helpers.utils.progress import track

REPO = "gijs/avqa-processed"
SPLITS = ("train", "validation")
_COLUMNS = ["audio", "question", "answer"]
_CHOICE = re.compile(r"([A-Z])\.\s*(.*)")


def fetch_avqa(
    split: str = "train", folder: PathLike | None = None, out: PathLike | None = None
) -> Conversion:
    """Write a split's clips as files, and R1-AQA's lines about them.

    A row that has a fault, or whose clip is missing or cannot be decoded, is left out and listed
    in a file beside the lines. The same call goes on where it was interrupted: clips that are
    there are not decoded again.

    Args:
        split: one of `SPLITS`; R1-AQA trains on ``train``.
        folder: where the parquet files already are; by default they are downloaded.
        out: folder to write to; by default ``runs/avqa``.

    Raises:
        UserError: there are no files of the split, or they are not of this shape; no row is
            usable; the disk is too small; or the Hub cannot be reached.
    """
    out = Path("runs", "avqa") if out is None else Path(out)
    if folder is None:
        folder, origin = fetch_from_hub(
            REPO, lambda names: [n for n in names if split_of(Path(n)) == split], "AVQA"
        )
    else:
        folder, origin = Path(folder), {"folder": Path(os.path.abspath(folder)).name}
    files = _files(folder, split)
    shapes = {path: parquet_shape(path) for path in files}
    for path, (_, columns) in shapes.items():
        if not {*_COLUMNS} <= {*columns}:
            raise UserError(f"{shown(path)}: has not the columns of {REPO} ({', '.join(_COLUMNS)})")
    there = sum(clip.stat().st_size for clip in out.glob("audio/*"))
    check_space(out, sum(path.stat().st_size for path in files) - there)
    lines: list[dict[str, Any]] = []
    left_out: list[LeftOut] = []
    for path, number, row in track(
        _rows(shapes), "clips", sum(rows for rows, _ in shapes.values())
    ):
        name = row.get("file_name") if isinstance(row.get("file_name"), str) else None
        try:
            # Its id is not the clip's name, about which several questions may ask.
            lines.append(_line(row, name, f"{path.stem}-{number}", out))
        except Fault as fault:
            place = f"{path.name}: row {number}"
            left_out.append(LeftOut(place, name, fault.kind, str(fault)))
    done = write_conversion(out / f"avqa-{split}.jsonl", lines, left_out, folder)
    write_json(
        out / f"avqa-{split}.source.json",
        {"split": split, "questions": done.questions, "clips": done.clips}
        | done.counts
        | {"origin": origin},
    )
    return done


def split_of(path: Path) -> str | None:
    """The split that a parquet file's name tells, or else that of the folder it is in.

    ``train-00000-of-00012.parquet`` on the Hub's main branch, ``train/0000.parquet`` on the
    branch that it converts by itself.
    """
    if path.suffix.lower() != ".parquet":
        return None
    named = re.split(r"[-_.]", path.name)[0]
    return next((name for name in (named, path.parent.name) if name in SPLITS), None)


def parse_row(question: Any, answer: Any) -> tuple[str, list[str], int]:
    """Question, choices and the index of the correct one, from a row's two texts.

    Raises:
        Fault: they are not in this form, or the answer is none of the choices.
    """
    for name, text in (("question", question), ("answer", answer)):
        if not isinstance(text, str) or not text.strip():
            raise Fault(f"field {name}: is {shown_value(text)}, not a text")
    asked, mark, listed = question.partition("\nChoices:\n")
    lines = [line.strip() for line in listed.split("\n") if line.strip()]
    matches = [_CHOICE.fullmatch(line) for line in lines]
    if not mark or any(m is None or m[1] != chr(65 + n) for n, m in enumerate(matches)):
        raise Fault('field question: has no lines "Choices:", "A. …", "B. …" below it')
    choices = [match[2] for match in matches]
    if "" in choices:
        raise Fault(f"field question: choice {chr(65 + choices.index(''))} is blank")
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
    clip = keep_clip(out / "audio", recording_bytes(row["audio"]))
    line = convert_row(line, relative(out / "lines", clip))
    avqa_question(line, Recordings(out))
    return line


def _files(folder: Path, split: str) -> list[Path]:
    if not folder.is_dir():
        raise UserError(f"{shown(folder)}: no such folder; give that of the parquet files")
    splits = {path: split_of(path) for path in sorted(folder.rglob("*.parquet"))}
    files = [path for path, name in splits.items() if name == split]
    if not files:
        others = ", ".join(sorted({name for name in splits.values() if name}))
        raise UserError(
            f"{shown(folder)}: has {f'only of {others}' if others else 'none'} of AVQA's parquet"
            f" files; those of {split} are named {split}-….parquet"
        )
    names = [path.name for path in files]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise UserError(f"{shown(folder)}: has {shown(twice)} twice; give one folder of them")
    return files


def _rows(
    shapes: dict[Path, tuple[int, list[str]]],
) -> Iterator[tuple[Path, int, dict[str, Any]]]:
    for path, (_, columns) in shapes.items():
        wanted = [*_COLUMNS, *({"file_name"} & {*columns})]
        for number, row in enumerate(read_parquet(path, wanted)):
            yield path, number, row
