"""The committed question files: tiny-avqa and tiny-mmau, written once from seeds.

``python -m r1aqa_helpers.tiny.splits`` writes them again, with the recipes of their clips and
a table of checksums. Users never need to: :mod:`r1aqa_helpers.tiny.data` renders the clips of
the committed files.
"""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from r1aqa_helpers.data import AudioQuestion, write_avqa, write_mmau
from r1aqa_helpers.tiny import question_types
from r1aqa_helpers.tiny.scene_families import TESTING, TRAINING, SplitConfig
from r1aqa_helpers.tiny.scenes import render
from r1aqa_helpers.tiny.sounds import load_bank
from r1aqa_helpers.utils import io
from r1aqa_helpers.utils.paths import TINY
from r1aqa_helpers.utils.progress import track

#: share of training labels that are wrong on purpose, as in any crowd-sourced set
WRONG_LABELS = 0.05
#: segments over which a clip's level is kept, to check a rendering
SEGMENTS = 8


@dataclass(frozen=True)
class Split:
    """One question file: how many questions of each task, from which takes."""

    name: str
    counts: dict[str, int]
    config: SplitConfig
    seed: int
    wrong_labels: float = 0.0

    @property
    def questions_file(self) -> str:
        """Its file in ``data/tiny``: AVQA lines for training, MMAU JSON for the test."""
        return "tiny-mmau.json" if self.name == "test" else f"tiny-avqa-{self.name}.jsonl"

    @property
    def recipes_file(self) -> str:
        """The recipes of its clips, one JSON line each, in the same order."""
        return f"recipes/{self.name}.jsonl"


SPLITS = [
    Split("train", {"sound": 3400, "music": 320, "speech": 280}, TRAINING, 100, WRONG_LABELS),
    Split("validation", {"sound": 340, "music": 32, "speech": 28}, TRAINING, 200),
    Split("test", {"sound": 333, "music": 334, "speech": 333}, TESTING, 300),
]


def fingerprint(wave: np.ndarray) -> list[int]:
    """Level of each eighth of the clip in whole decibels above -80 dBFS (0 at the least)."""
    levels = [np.sqrt(np.mean(part**2) + 1e-8) for part in np.array_split(wave, SEGMENTS)]
    return [int(round(80 + 20 * float(np.log10(level)))) for level in levels]


def _types(split: Split, rng: np.random.Generator) -> list[question_types.QuestionType]:
    """Every type of a task equally often, in random order."""
    chosen: list[question_types.QuestionType] = []
    for task, count in split.counts.items():
        kinds = question_types.types_of(task)
        chosen += [kinds[i % len(kinds)] for i in range(count)]
    return [chosen[i] for i in rng.permutation(len(chosen))]


#: How many answers a type has where they are few: each is correct equally often, so that none of
#: them is a better guess than the others.
_ANSWERS = {
    "count": 5, "family": 4, "family-order": 4, "direction": 4, "tempo": 3, "players": 3,
    "speakers": 3, "rate": 3, "voice": 2, "larger": 2,
}  # fmt: skip


class _Positions:
    """Where the gold choice goes: each place equally often, per task and number of choices."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._left: dict[tuple[str, int], list[int]] = {}

    def next(self, task: str, choices: int) -> int:
        left = self._left.setdefault((task, choices), [])
        if not left:
            left.extend(int(i) for i in self._rng.permutation(choices))
        return left.pop()


def draw_split(split: Split) -> tuple[list[AudioQuestion], list[dict]]:
    """The questions of a split and, row by row, the recipes of their clips."""
    rng = np.random.default_rng(split.seed)
    positions, bank = _Positions(rng), load_bank()
    kinds = _types(split, rng)
    limits = {
        name: -(-count // _ANSWERS.get(name, 1))
        for name, count in Counter(k.name for k in kinds).items()
    }
    given: Counter[tuple[str, str]] = Counter()
    questions, recipes = [], []
    folder = TINY / "audio" / split.name
    name = "tiny-mmau" if split.name == "test" else "tiny-avqa"
    for i, kind in enumerate(track(kinds, f"drawing {split.name}")):
        while True:
            scene = kind.scene(rng, split.config)
            text, answer, wrong = kind.write(scene, rng)
            if given[kind.name, answer] < limits[kind.name]:
                break
        given[kind.name, answer] += 1
        choices = question_types.arrange(
            rng, answer, wrong, positions.next(kind.task, len(wrong) + 1)
        )
        mislabelled = bool(rng.random() < split.wrong_labels)
        label = wrong[int(rng.integers(len(wrong)))] if mislabelled else answer
        identity = f"{name}-{split.name}-{i:04d}"
        questions.append(
            AudioQuestion(
                id=identity,
                audio=folder / f"{identity}.flac",
                question=text,
                choices=tuple(choices),
                answer=label,
                task=kind.task,
                category=kind.category,
                sub_category=kind.sub_category,
                difficulty=scene.facts["difficulty"],
                dataset=name,
                split=split.name,
                extra={"question-type": kind.name},
            )
        )
        levels = fingerprint(render(scene, bank))
        recipe = {"id": identity, "levels": levels, "scene": scene.as_dict()}
        recipes.append(recipe | ({"mislabelled": True} if mislabelled else {}))
    return questions, recipes


def write_splits(folder: Path = TINY) -> None:
    """Draw all splits and write questions, recipes and ``checksums.json`` into ``folder``."""
    sums = {}
    for split in SPLITS:
        questions, recipes = draw_split(split)
        write = write_mmau if split.name == "test" else write_avqa
        write(folder / split.questions_file, questions)
        io.write_jsonl(folder / split.recipes_file, recipes)
        for name in (split.questions_file, split.recipes_file):
            sums[name] = io.file_hash(folder / name)
    io.write_json(folder / "checksums.json", sums)


if __name__ == "__main__":
    write_splits()
