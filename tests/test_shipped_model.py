"""The shipped tiny checkpoint: what it is, and that it hears. Accuracies are the main job's."""

import json

import pytest

from r1aqa_helpers.models import LoadedModel, listening_check, load
from r1aqa_helpers.paths import TINY
from r1aqa_helpers.questions import AudioQuestion, read_questions
from r1aqa_helpers.tiny.data import MODEL, prepare


@pytest.fixture(scope="module")
def loaded() -> LoadedModel:
    return load(MODEL, device="cpu", dtype="float32")


@pytest.fixture(scope="module")
def questions() -> list[AudioQuestion]:
    return read_questions(prepare().test)


def test_is_small_and_of_the_real_classes(loaded: LoadedModel) -> None:
    assert type(loaded.model).__name__ == "Qwen2AudioForConditionalGeneration"
    assert type(loaded.processor).__name__ == "Qwen2AudioProcessor"
    parameters = sum(p.numel() for p in loaded.model.parameters())
    assert parameters <= 8_000_000
    assert parameters == json.loads((TINY / "pretraining.json").read_text())["parameters"]
    assert (MODEL / "model.safetensors").stat().st_size <= 16 * 2**20


def test_listens(loaded: LoadedModel, questions: list[AudioQuestion]) -> None:
    assert listening_check(loaded, questions[:8]).change > 0.05
