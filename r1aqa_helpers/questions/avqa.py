"""AVQA's own annotations to R1-AQA's training lines.

AVQA (https://mn.cs.tsinghua.edu.cn/avqa/) asks about videos of ten seconds; its
``train_qa.json`` is a list of ``id, video_name, video_id, question_text, multi_choice, answer,
question_relation, question_type``. R1-AQA plays only their sound and adds ``dataset_name`` and
``audio_path`` (README of https://github.com/xiaomi-research/r1-aqa, "Data Preparation").
"""

import os
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..audio import load_audio
from ..errors import UserError
from ..files import PathLike, read_json, shown, shown_value, write_jsonl
from ..progress import track
from .rows import Fault, Recordings, avqa_question, kind
from .writing import relative

_SUFFIXES = (".wav", ".flac", ".mp3", ".ogg")
_STARTED = re.compile(r"(.+)_(\d+)", re.DOTALL)


@dataclass(frozen=True)
class LeftOut:
    """A question that got no line."""

    id: Any  #: as annotated
    video_name: Any  #: as annotated
    kind: str  #: ``missing`` (no clip), ``broken`` (clip cannot be decoded) or ``faulty`` (row)
    reason: str


@dataclass(frozen=True)
class Conversion:
    """What became of annotations, or of a split; what was left out knows its ``kind``."""

    file: Path  #: R1-AQA's lines
    questions: int
    clips: int  #: distinct recordings that they ask about
    left_out: tuple[Any, ...]
    list_file: Path  #: JSON lines of what was left out

    @property
    def counts(self) -> dict[str, int]:
        """How many questions were left out as missing, broken and faulty."""
        counted = Counter(each.kind for each in self.left_out)
        return {kind: counted[kind] for kind in ("missing", "broken", "faulty")}


def clip_names(video_name: str) -> tuple[str, ...]:
    """File names under which the sound of a video is looked for, the likeliest first.

    AVQA pads the second at which the clip starts to six digits; R1-AQA does not:
    ``-HG3Omg_89c_000030`` is ``-HG3Omg_89c_30.wav`` there.
    """
    started = _STARTED.fullmatch(video_name)
    plain = f"{started[1]}_{int(started[2])}" if started else video_name
    stems = dict.fromkeys((plain, video_name))
    return tuple(stem + suffix for suffix in _SUFFIXES for stem in stems)


def convert_row(row: dict[str, Any], audio_path: str) -> dict[str, Any]:
    """One annotation as R1-AQA's line: all its fields, ``dataset_name`` and ``audio_path``.

    There is no video to look at, so the question says "audio" where it said "video".
    """
    text = row["question_text"].replace("video", "audio")
    return row | {"question_text": text, "dataset_name": "AVQA", "audio_path": audio_path}


def convert_avqa(annotations: PathLike, audio_dir: PathLike, out: PathLike) -> Conversion:
    """Write a line for every annotated question whose clip is there and can be decoded.

    Every other one is told: `Conversion.left_out` has it with a reason, and so has the file
    beside ``out`` whose name ends in ``.left-out.jsonl``. Either file appears whole or not at
    all. Clips inside the folder of ``out`` get relative paths, others absolute ones.

    Raises:
        UserError: the annotations cannot be read or are no list, no question could be
            converted, or a file cannot be written.
    """
    items = read_json(annotations)
    if not isinstance(items, list):
        raise UserError(
            f"{shown(annotations)}: holds a JSON {kind(items)}; AVQA's annotations are a list"
        )
    folder, out = Path(os.path.abspath(audio_dir)), Path(out)
    if not folder.is_dir():
        raise UserError(f"{shown(audio_dir)}: no such folder; give that of the recordings")
    there = {entry.name for entry in os.scandir(folder) if entry.is_file()}
    names = (item.get("video_name") if isinstance(item, dict) else None for item in items)
    broken = _broken({folder / clip for name in names if (clip := _clip(name, there))})
    rows, left_out, seen = [], [], {}
    for number, item in enumerate(items):
        try:
            row = _line(item, there, broken, folder, out)
            identity = avqa_question(row, Recordings(out.parent, by_name=False)).id
            if identity in seen:
                raise Fault(f"field id: {identity} already stands in item {seen[identity]}")
        except _Unusable as fault:
            left_out.append(_left_out(item, *fault.args))
        except Fault as fault:
            left_out.append(_left_out(item, "faulty", str(fault)))
        else:
            seen[identity] = number
            rows.append(row)
    if not rows:
        first = f"; the first: {left_out[0].kind}, {left_out[0].reason}" if left_out else ""
        raise UserError(
            f"{shown(annotations)}: none of its {len(items)} questions could be converted{first}"
        )
    list_file = out.with_name(out.name + ".left-out.jsonl")
    write_jsonl(list_file, map(asdict, left_out))
    write_jsonl(out, rows)
    clips = len({row["audio_path"] for row in rows})
    return Conversion(out, len(rows), clips, tuple(left_out), list_file)


class _Unusable(Exception):
    """The kind and the reason why a question gets no line."""


def _left_out(item: Any, kind: str, reason: str) -> LeftOut:
    known = item if isinstance(item, dict) else {}
    return LeftOut(known.get("id"), known.get("video_name"), kind, reason)


def _clip(video_name: Any, there: set[str]) -> str | None:
    """The name of the file in the folder that has the sound of a video, if any."""
    if not isinstance(video_name, str):
        return None
    return next((name for name in clip_names(video_name) if name in there), None)


def _line(
    item: Any, there: set[str], broken: dict[Path, str], folder: Path, out: Path
) -> dict[str, Any]:
    if not isinstance(item, dict):
        raise Fault(f"holds a JSON {kind(item)}, not an object")
    for field in ("video_name", "question_text"):
        if not isinstance(item.get(field), str) or not item[field].strip():
            raise Fault(f"field {field}: is {shown_value(item.get(field))}, not a text")
    clip = _clip(item["video_name"], there)
    if clip is None:
        looked_for = shown_value(clip_names(item["video_name"])[0])
        raise _Unusable("missing", f"no {looked_for}, nor under its other names")
    if folder / clip in broken:
        raise _Unusable("broken", f"{shown_value(clip)} {broken[folder / clip]}")
    return convert_row(item, relative(out, folder / clip))


def _broken(clips: set[Path]) -> dict[Path, str]:
    """The clips that cannot be decoded, with the reason; decoding lets other threads run."""

    def fault(clip: Path) -> tuple[Path, str | None]:
        try:
            load_audio(clip)
        except UserError as error:
            return clip, str(error).removeprefix(f"{shown(clip)}: ")
        return clip, None

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        checked = track(pool.map(fault, sorted(clips)), "decoding clips", len(clips))
        return {clip: reason for clip, reason in checked if reason}
