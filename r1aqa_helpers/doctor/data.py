"""The data of the tiny track, and the folders that are written to."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from r1aqa_helpers.doctor import places
from r1aqa_helpers.doctor.findings import NOTE, OK, STOP, Examination, Finding, Found, one_line

#: A rendered clip: 16 kHz, 16 bits. Its FLAC file is hardly ever larger.
BYTES_PER_SECOND = 32_000
RESTORE = "restore the data: git checkout -- data/tiny"


def probe_tiny_data(done: Examination) -> Found:
    """The committed files against their checksums, the weights' length, the rendered clips."""
    import hashlib

    from r1aqa_helpers.files import read_json

    folder = places.ROOT / "data" / "tiny"
    # Another profile does without them; where none was picked, they are what is left.
    needed = done.known("profile", "tiny_questions") is not False
    fault_is = STOP if needed else NOTE
    try:
        sums = read_json(folder / "checksums.json")
    except Exception as fault:
        return {"error": one_line(fault)}, [
            Finding("tiny_data", fault_is, one_line(fault), RESTORE)
        ]
    wrong = []
    for name in sorted(sums):
        try:
            if hashlib.sha256((folder / name).read_bytes()).hexdigest() != sums[name]:
                wrong.append(f"data/tiny/{name} differs from checksums.json")
        except OSError as fault:
            wrong.append(f"data/tiny/{name}: {fault.strerror or 'cannot be read'}")
    cut = _cut(folder / "model" / "model.safetensors")
    if cut:
        wrong.append(f"data/tiny/model/model.safetensors {cut}")
    findings = [Finding("tiny_data", fault_is, text, RESTORE) for text in wrong]
    facts: dict[str, Any] = {"faults": wrong}
    if wrong:
        return facts, findings
    clips, missing, to_render = 0, 0, 0.0
    for name in (n for n in sums if n.startswith("recipes/")):
        there = _names(folder / "audio" / Path(name).stem)
        for line in (folder / name).read_text(encoding="utf-8").splitlines():
            recipe = json.loads(line)
            clips += 1
            if f"{recipe['id']}.flac" not in there:
                missing += 1
                to_render += recipe["scene"]["seconds"]
    stamp = folder / "audio" / "rendered.json"
    current = missing == 0 and stamp.exists() and read_json(stamp) == sums
    facts |= {"clips": clips, "rendered": clips - missing, "up_to_date": current}
    facts["bytes_to_render"] = int(to_render * BYTES_PER_SECOND)
    if current:
        return facts, [Finding("tiny_data", OK, f"{clips} clips rendered, files unchanged")]
    text = f"{clips - missing} of {clips} clips rendered"
    if missing == 0:
        text += ", not all from the present recipes"
    if not needed:
        return facts, [Finding("tiny_data", OK, text)]
    step = "render the clips (the main job does it, too): r1aqa data prepare"
    return facts, [Finding("tiny_data", NOTE, text, step)]


def _cut(path: Path) -> str | None:
    """What is wrong with the length of a safetensors file; its header says how long it is."""
    try:
        size = path.stat().st_size
        with open(path, "rb") as stream:
            head = int.from_bytes(stream.read(8), "little")
            if head > size:
                return "is damaged"
            tensors = json.loads(stream.read(head))
        ends = [t["data_offsets"][1] for n, t in tensors.items() if n != "__metadata__"]
        return None if size == 8 + head + max(ends) else "is cut short or has too much"
    except OSError as fault:
        return f"cannot be read ({fault.strerror})"
    except (ValueError, KeyError, TypeError, AttributeError):
        return "is damaged"


def _names(folder: Path) -> set[str]:
    return {entry.name for entry in os.scandir(folder)} if folder.is_dir() else set()


def probe_folders(done: Examination) -> Found:
    """Whether runs and clips, and where needed the Hub's cache, can be written."""
    wanted = {"runs": ("the folder that you are in", Path.cwd() / "runs")}
    if done.known("profile", "tiny_questions"):
        wanted["data"] = ("data/tiny", places.ROOT / "data" / "tiny" / "audio")
    else:
        wanted["cache"] = ("the Hub's cache", places.hub_cache())
    facts, findings = {}, []
    for key, (name, folder) in wanted.items():
        fault = _not_writable(folder)
        facts[key] = fault is None
        if fault:
            step = f"make {name} writable, or work in a copy elsewhere"
            findings.append(Finding("folders", STOP, f"{name} cannot be written: {fault}", step))
    if not findings:
        findings.append(
            Finding("folders", OK, "writable: " + ", ".join(n for n, _ in wanted.values()))
        )
    return facts, findings


def _not_writable(folder: Path) -> str | None:
    """Why no file can be made in a folder, or in the one that it would be made in."""
    try:
        with tempfile.TemporaryFile(dir=places.existing(folder)):
            return None
    except OSError as fault:
        return fault.strerror or type(fault).__name__
