"""The tiny track's data, ready to use: question files, and their clips rendered on demand."""

import json
import multiprocessing
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from r1aqa_helpers.data.audio import save_audio
from r1aqa_helpers.tiny.scenes import Scene, render
from r1aqa_helpers.tiny.sounds import load_bank
from r1aqa_helpers.tiny.splits import SPLITS, fingerprint
from r1aqa_helpers.utils import io
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.paths import TINY
from r1aqa_helpers.utils.progress import track

MODEL = TINY / "model"  #: the shipped base checkpoint
TEXT_MODEL = TINY / "text_model"  #: the small text model that answers from captions


@dataclass(frozen=True)
class TinyData:
    """The three question files; the clips that they name exist."""

    train: Path
    validation: Path
    test: Path


def recipes(split: str, folder: Path = TINY) -> dict[str, Scene]:
    """Question id -> recipe of its clip, for "train", "validation" or "test"."""
    chosen = next(s for s in SPLITS if s.name == split)
    rows = io.read_jsonl(folder / chosen.recipes_file)
    return {row["id"]: Scene.from_dict(row["scene"]) for _, row in rows}


def _render_one(job: tuple[str, str]) -> str | None:
    """Render one recipe line to a file; returns what is wrong with the result, if anything."""
    line, target = job
    recipe = json.loads(line)
    wave = render(Scene.from_dict(recipe["scene"]), load_bank())
    found = fingerprint(wave)
    if np.abs(np.subtract(found, recipe["levels"])).max() > 1:
        return f"{target}: levels {found} dB, its recipe says {recipe['levels']}"
    save_audio(target, wave)
    return None


def prepare(force: bool = False, folder: Path = TINY) -> TinyData:
    """Check the question files and render their clips where they are missing.

    About 30 s on two cores the first time, nothing after that; ``force`` renders again. An
    interrupted run goes on where it was.

    Raises:
        UserError: a committed file is missing or changed, or a clip does not come out as its
            recipe says (to 1 dB in each eighth).
    """
    sums = io.read_json(folder / "checksums.json")
    stamp = folder / "audio" / "rendered.json"
    for split in SPLITS:
        for path in (folder / split.questions_file, folder / split.recipes_file):
            if not path.exists():
                raise UserError(f"{path}: missing; restore it with git checkout")
            if io.file_hash(path) != sums.get(path.relative_to(folder).as_posix()):
                raise UserError(
                    f"{path}: differs from checksums.json; restore it with git checkout"
                )
    known = stamp.exists() and io.read_json(stamp) == sums
    jobs = _jobs(folder, everything=force or (stamp.exists() and not known))
    if jobs:
        _render_all(jobs)
    if not known:
        io.write_json(stamp, sums)
    return TinyData(*(folder / split.questions_file for split in SPLITS))


def _jobs(folder: Path, everything: bool) -> list[tuple[str, str]]:
    """Recipe line and file of every clip that is missing, or of all."""
    jobs = []
    for split in SPLITS:
        target = folder / "audio" / split.name
        target.mkdir(parents=True, exist_ok=True)
        there = set() if everything else {entry.name for entry in os.scandir(target)}
        for line in (folder / split.recipes_file).read_text(encoding="utf-8").splitlines():
            clip = f"{json.loads(line)['id']}.flac"
            if clip not in there:
                jobs.append((line, str(target / clip)))
    return jobs


def _render_all(jobs: list[tuple[str, str]]) -> None:
    workers = min(os.cpu_count() or 1, 8)
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        results = pool.imap_unordered(_render_one, jobs, chunksize=20)
        wrong = [w for w in track(results, "rendering clips", len(jobs)) if w]
    if wrong:
        raise UserError(f"{len(wrong)} clips differ from their recipes, for instance {wrong[0]}")
