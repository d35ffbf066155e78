"""AVQA's own annotations to R1-AQA's training lines.

AVQA (https://mn.cs.tsinghua.edu.cn/avqa/) asks about videos of ten seconds; its
``train_qa.json`` is a list of ``id, video_name, video_id, question_text, multi_choice, answer,
question_relation, question_type``. R1-AQA plays only their sound and adds ``dataset_name`` and
``audio_path`` (README of https://github.com/xiaomi-research/r1-aqa, "Data Preparation").
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

from r1aqa_helpers.data.audio import SUFFIXES, load_audio
from r1aqa_helpers.data.parse import (
    Fault,
    LeftOut,
    Prepared,
    Recordings,
    avqa_question,
    check_any,
    kind,
)
from r1aqa_helpers.data.write import relative
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import PathLike, read_json, write_jsonl
from r1aqa_helpers.utils.progress import track
from r1aqa_helpers.utils.untrusted import shown, shown_value


def clip_names(video_name: str) -> tuple[str, ...]:
    """File names under which the sound of a video is looked for, the likeliest first.

    AVQA pads the second at which the clip starts to six digits; R1-AQA does not:
    ``-HG3Omg_89c_000030`` is ``-HG3Omg_89c_30.wav`` there.
    """
    video, _, second = video_name.rpartition("_")
    started = video and second.isascii() and second.isdigit()
    plain = f"{video}_{second.lstrip('0') or '0'}" if started else video_name
    stems = dict.fromkeys((plain, video_name))
    return tuple(stem + suffix for suffix in SUFFIXES for stem in stems)


def convert_row(row: dict[str, Any], audio_path: str) -> dict[str, Any]:
    """One annotation as R1-AQA's line, with "audio" in place of "video" in the question."""
    text = row["question_text"].replace("video", "audio")
    return row | {"question_text": text, "dataset_name": "AVQA", "audio_path": audio_path}


def convert_avqa(annotations: PathLike, audio_dir: PathLike, out: PathLike) -> Prepared:
    """Write a line for every annotated question whose clip is there and can be decoded.

    `Prepared.left_out` has every other one with a reason, and so has the file beside ``out``
    whose name ends in ``.left-out.jsonl``. Either file appears whole or not at all. Clips inside
    the folder of ``out`` get relative paths, others absolute ones.

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
    if not os.path.isdir(folder):
        raise UserError(f"{shown(audio_dir)}: no such folder; give that of the recordings")
    names = [item.get("video_name") if isinstance(item, dict) else None for item in items]
    names = [name if isinstance(name, str) else None for name in names]
    files = sorted(Path(entry.path) for entry in os.scandir(folder) if entry.is_file())
    there = {file.stem + file.suffix.lower(): file for file in files}
    found = [next((there[c] for c in clip_names(n or "") if c in there), None) for n in names]
    clips = sorted({clip for clip in found if clip})
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        checked = track(pool.map(_fault, clips), "decoding clips", len(clips))
        broken = {clip: fault for clip, fault in zip(clips, checked, strict=True) if fault}
    lines, left_out = [], []
    seen: dict[str, int] = {}
    for number, (item, name, clip) in enumerate(zip(items, names, found, strict=True)):
        try:
            line = _line(item, clip, broken, out)
            identity = avqa_question(line, Recordings(out.parent)).id
            if identity in seen:
                raise Fault(f"field id: {identity} already stands in item {seen[identity]}")
        except Fault as fault:
            left_out.append(LeftOut(f"item {number}", name, fault.kind, str(fault)))
        else:
            seen[identity] = number
            lines.append(line)
    return write_conversion(out, lines, left_out, annotations)


def write_conversion(
    out: Path, lines: Sequence[dict[str, Any]], left_out: Sequence[LeftOut], source: PathLike
) -> Prepared:
    """Write R1-AQA's lines, and beside them what was left out of ``source``.

    Raises:
        UserError: there are no lines, or a file cannot be written.
    """
    check_any(source, len(lines), left_out)
    list_file = out.with_name(out.name + ".left-out.jsonl")
    write_jsonl(list_file, map(asdict, left_out))
    write_jsonl(out, lines)
    clips = len({line["audio_path"] for line in lines})
    return Prepared(out, len(lines), clips, tuple(left_out), list_file)


def _line(item: Any, clip: Path | None, broken: dict[Path, str], out: Path) -> dict[str, Any]:
    if not isinstance(item, dict):
        raise Fault(f"holds a JSON {kind(item)}, not an object")
    for field in ("video_name", "question_text"):
        if not isinstance(item.get(field), str) or not item[field].strip():
            raise Fault(f"field {field}: is {shown_value(item.get(field))}, not a text")
    if clip is None:
        looked_for = shown_value(clip_names(item["video_name"])[0])
        raise Fault(f"no {looked_for}, nor under its other names", "missing")
    if clip in broken:
        raise Fault(f"{shown_value(clip.name)} {broken[clip]}", "broken")
    return convert_row(item, relative(out, clip))


def _fault(clip: Path) -> str | None:
    try:
        load_audio(clip)
    except UserError as error:
        return str(error).removeprefix(f"{shown(clip)}: ")
    return None
