"""AVQA with its sound, as ``gijs/avqa-processed`` on the Hugging Face Hub has it, made ready.

Its parquet files, named after their split, have a row a question: ``audio`` (the clip's bytes),
``file_name``, ``question`` with the choices under it ("…?\\nChoices:\\nA. 3\\nB. One…") and
``answer`` with its letter ("B. One"); so the loaders of NVIDIA's NeMo-RL and of WEST read it.
Together they are larger than most memories: one row group is read at a time, and what became of it
is written down before the next.
"""

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..errors import UserError
from ..files import (
    PathLike,
    append_jsonl,
    read_journal,
    shown,
    shown_value,
    write_json,
    write_jsonl,
)
from ..progress import track
from .avqa import Conversion, convert_row
from .clips import Broken, keep_clip
from .disk import check_space
from .parquet import ROWS, open_parquet, python_rows, recording_bytes
from .rows import Fault, Recordings, avqa_question
from .writing import relative

REPO = "gijs/avqa-processed"
SPLITS = ("train", "validation")
_COLUMNS = ("audio", "question", "answer")
_CHOICE = re.compile(r"([A-Z])\.\s*(.*)")


@dataclass(frozen=True)
class LeftOut:
    """A row that got no line."""

    place: str  #: file and row
    file_name: str | None  #: the clip's, as in the row
    kind: str  #: ``missing`` or ``broken`` (its clip), or ``faulty`` (the row)
    reason: str


def fetch_avqa(
    split: str = "train", folder: PathLike | None = None, out: PathLike | None = None
) -> Conversion:
    """Write a split's clips as files, and R1-AQA's lines about them.

    A row that has a fault, or whose clip is missing or cannot be decoded, is left out and listed
    in a file beside the lines. Interrupted, the same call goes on at the row group where it was.

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
        from .hub import download_files  # the Hub client is slow to import

        def wanted(files: list[Any]) -> list[Any]:
            return [file for file in files if split_of(Path(file.rfilename)) == split]

        folder, origin = download_files(REPO, lambda api: None, wanted, out, "AVQA")
    else:
        folder = Path(folder)
        origin = {"folder": Path(os.path.abspath(folder)).name}
    files = _files(folder, split)
    groups = _groups(files, folder)
    journal = out / f"avqa-{split}.journal.jsonl"
    known = _known(journal, {"files": [f"{name}: {size} bytes" for name, size in _sizes(files)]})
    left = [key for key in groups if key not in known]
    check_space(out, sum(groups[key] for key in left))
    for name, number in track(left, "row groups"):
        path = next(path for path in files if path.name == name)
        entry = _convert(path, number, out)
        append_jsonl(journal, {"file": name, "group": number} | entry)
        known[name, number] = entry
    return _write([known[key] for key in groups], origin, split, out)


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
    """Question, choices and the index of the right one, from a row's two texts.

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


def _files(folder: Path, split: str) -> list[Path]:
    if not folder.is_dir():
        raise UserError(f"{shown(folder)}: no such folder; give that of the parquet files")
    files = sorted(path for path in folder.rglob("*.parquet") if split_of(path) == split)
    if not files:
        others = sorted({s for p in folder.rglob("*.parquet") if (s := split_of(p))})
        there = f"only of {', '.join(others)}" if others else "none"
        raise UserError(
            f"{shown(folder)}: has {there} of AVQA's parquet files; those of {split} are named"
            f" {split}-….parquet"
        )
    twice = [name for name, n in Counter(path.name for path in files).items() if n > 1]
    if twice:
        raise UserError(f"{shown(folder)}: has {shown(twice[0])} twice; give one folder of them")
    return files


def _sizes(files: Sequence[Path]) -> Iterator[tuple[str, int]]:
    return ((path.name, path.stat().st_size) for path in files)


def _groups(files: Sequence[Path], folder: Path) -> dict[tuple[str, int], int]:
    """File and number of every row group, in order, with about the bytes of its recordings."""
    groups = {}
    for path in files:
        with open_parquet(path) as table:
            if not {*_COLUMNS} <= {*table.schema_arrow.names}:
                raise UserError(
                    f"{shown(path)}: has not the columns of {REPO} ({', '.join(_COLUMNS)})"
                )
            for number in range(table.metadata.num_row_groups):
                groups[path.name, number] = table.metadata.row_group(number).total_byte_size
    if not groups:
        raise UserError(f"{shown(folder)}: its parquet files hold no rows; fetch them anew")
    return groups


def _known(journal: Path, source: dict[str, Any]) -> dict[tuple[str, int], dict[str, Any]]:
    """What a journal tells of row groups whose clips are all still there."""
    entries = read_journal(journal)
    if not entries:
        append_jsonl(journal, source)
    elif entries[0] != source:
        raise UserError(
            f"{shown(journal.parent)}: already holds clips of other parquet files; give --out"
            f" another folder, or remove {journal.name}"
        )
    return {
        (entry["file"], entry["group"]): entry
        for entry in entries[1:]
        if all((journal.parent / line["audio_path"]).is_file() for line in entry["lines"])
    }


def _convert(path: Path, group: int, out: Path) -> dict[str, Any]:
    """The lines of a row group and what it left out; its clips are written."""
    lines: list[dict[str, Any]] = []
    left_out: list[LeftOut] = []
    with open_parquet(path) as table:
        first = sum(table.metadata.row_group(n).num_rows for n in range(group))
        columns = [*_COLUMNS, *({"file_name"} & {*table.schema_arrow.names})]
        batches = table.iter_batches(batch_size=ROWS, row_groups=[group], columns=columns)
        rows = (row for batch in batches for row in python_rows(batch))
        for number, row in enumerate(rows, first):
            name = row.get("file_name")
            name = name if isinstance(name, str) else None
            told = (f"{path.name}: row {number}", name)
            try:
                asked, choices, index = parse_row(row["question"], row["answer"])
                data = recording_bytes(row["audio"])
                if data is None:
                    left_out.append(LeftOut(*told, "missing", "no recording in the row"))
                    continue
                line = {
                    "id": f"{path.stem}-{number}",  # not the clip's name: it may have several
                    "question_text": asked,
                    "multi_choice": choices,
                    "answer": index,
                } | ({} if name is None else {"file_name": name})
                clip = keep_clip(out / "audio", data)
                line = convert_row(line, relative(out / "lines", clip))
                avqa_question(line, Recordings(out, by_name=False))
            except Broken as fault:
                left_out.append(LeftOut(*told, "broken", str(fault)))
            except Fault as fault:
                left_out.append(LeftOut(*told, "faulty", str(fault)))
            else:
                lines.append(line)
    return {"lines": lines, "left_out": [asdict(each) for each in left_out]}


def _write(
    entries: list[dict[str, Any]], origin: dict[str, str], split: str, out: Path
) -> Conversion:
    lines = [line for entry in entries for line in entry["lines"]]
    left_out = tuple(LeftOut(**each) for entry in entries for each in entry["left_out"])
    if not lines:
        first = f"; the first: {left_out[0].kind}, {left_out[0].reason}" if left_out else ""
        raise UserError(f"{shown(out)}: none of {len(left_out)} rows could be converted{first}")
    file = out / f"avqa-{split}.jsonl"
    list_file = file.with_name(file.name + ".left-out.jsonl")
    clips = len({line["audio_path"] for line in lines})
    done = Conversion(file, len(lines), clips, left_out, list_file)
    write_jsonl(list_file, map(asdict, left_out))
    write_json(
        out / f"avqa-{split}.source.json",
        {"split": split, "questions": len(lines), "clips": clips, **done.counts, "origin": origin},
    )
    write_jsonl(file, lines)
    return done
