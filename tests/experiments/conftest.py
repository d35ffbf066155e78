"""A miniature: an untrained model, a few of tiny-avqa's questions, two steps per run."""

from dataclasses import replace
from pathlib import Path

import pytest

from r1aqa_helpers.data import read_questions
from r1aqa_helpers.data.audio import save_audio
from r1aqa_helpers.experiments.plan import Splits
from r1aqa_helpers.hardware import TINY_PROFILE, Profile
from r1aqa_helpers.tiny.data import recipes
from r1aqa_helpers.tiny.scenes import render
from r1aqa_helpers.tiny.sounds import load_bank
from r1aqa_helpers.utils.paths import TINY


@pytest.fixture(scope="session")
def splits(tmp_path_factory) -> Splits:
    folder = tmp_path_factory.mktemp("rendered")
    bank = load_bank()

    def some(file: str, split: str, count: int):
        scenes, chosen = recipes(split), []
        for question in read_questions(TINY / file)[:count]:
            clip = folder / f"{question.id}.wav"
            save_audio(clip, render(scenes[question.id], bank))
            chosen.append(replace(question, audio=clip))
        return chosen

    return Splits(
        train=some("tiny-avqa-train.jsonl", "train", 8),
        validation=some("tiny-avqa-validation.jsonl", "validation", 4),
        test=some("tiny-mmau.json", "test", 5),
        scenes=recipes("train"),
    )


@pytest.fixture(scope="session")
def profile(random_model_dir: Path, small_trainings) -> Profile:
    tiny = replace(TINY_PROFILE, model=str(random_model_dir), max_new_tokens=6)
    return small_trainings(tiny)
