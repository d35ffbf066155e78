"""What several test files need: a saved random model, and a handful of questions with clips."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from r1aqa_helpers.data import AudioQuestion, write_avqa, write_mmau
from r1aqa_helpers.data.audio import SAMPLE_RATE, save_audio
from r1aqa_helpers.hardware import Profile

if TYPE_CHECKING:
    from r1aqa_helpers.models import LoadedModel

# Before torch is imported: workers that all take every core slow one another down.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

CHOICES = ("dog", "cat", "car", "bell")


@pytest.fixture(scope="session", autouse=True)
def no_library_bars() -> None:
    """As on the command line where there is no terminal: no bars of transformers' own."""
    from transformers.utils import logging

    logging.disable_progress_bar()


@pytest.fixture(scope="session")
def random_model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of an untrained miniature; read only."""
    from r1aqa_helpers.models import LoadedModel, save
    from r1aqa_helpers.tiny.build import random_tiny

    folder = tmp_path_factory.mktemp("models") / "random model"
    save(LoadedModel(*random_tiny(0), "random"), folder)
    return folder


@pytest.fixture(scope="session")
def random_profile(random_model_dir: Path) -> Profile:
    """Asks the untrained miniature, on the CPU, for answers of a few tokens."""
    return Profile(
        name="test",
        model=str(random_model_dir),
        device="cpu",
        dtype="float32",
        eval_tokens=1000,
        max_new_tokens=4,
    )


@pytest.fixture(scope="session")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """File of a dozen questions of tiny-mmau, of all tasks."""
    from r1aqa_helpers.data import read_questions
    from r1aqa_helpers.tiny.data import prepare

    test = read_questions(prepare().test)
    picked = [q for task in ("sound", "music", "speech") for q in test if q.task == task][::84]
    path = tmp_path_factory.mktemp("few") / "test.json"
    write_mmau(path, picked[:12])
    return path


@pytest.fixture(scope="module")
def lively() -> "LoadedModel":
    """An untrained miniature, its weights scaled up: clips and texts lead to different answers."""
    import torch

    from r1aqa_helpers.models import LoadedModel
    from r1aqa_helpers.tiny.build import random_tiny

    model, processor = random_tiny(0)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim == 2:
                weight.mul_(8)
    return LoadedModel(model, processor, "random")


@pytest.fixture(scope="session")
def make_questions(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[Path, Path]]:
    """Writes ``n`` clips of half a second, and questions about them, to a new folder.

    Returns the path of the training lines (AVQA) and that of the test file (MMAU), whose
    questions go through the three tasks.
    """

    def make(n: int = 6) -> tuple[Path, Path]:
        folder = tmp_path_factory.mktemp("questions")
        questions = []
        for number in range(n):
            time = np.arange(SAMPLE_RATE // 2) / SAMPLE_RATE
            wave = 0.3 * np.sin(2 * np.pi * 200 * (number + 1) * time)
            audio = folder / "clips" / f"{number}.wav"
            audio.parent.mkdir(exist_ok=True)
            save_audio(audio, wave.astype(np.float32))
            questions.append(
                AudioQuestion(
                    id=f"q{number}",
                    audio=audio,
                    question=f"What makes sound {number}?",
                    choices=CHOICES,
                    answer=CHOICES[number % 4],
                    task=("sound", "music", "speech")[number % 3],
                    difficulty="easy",
                    dataset="made",
                    split="test",
                )
            )
        train, test = folder / "train.jsonl", folder / "test.json"
        write_avqa(train, questions)
        write_mmau(test, questions)
        return train, test

    return make
