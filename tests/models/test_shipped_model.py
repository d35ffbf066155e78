"""The shipped tiny checkpoint: what it is, and that it hears. Accuracies are the main job's."""

import pytest

from r1aqa_helpers.data import AudioQuestion, read_questions
from r1aqa_helpers.models import LoadedModel, hearing_check, load
from r1aqa_helpers.tiny.data import MODEL, prepare


@pytest.fixture(scope="module")
def loaded() -> LoadedModel:
    return load(MODEL, device="cpu", dtype="float32")


@pytest.fixture(scope="module")
def questions() -> list[AudioQuestion]:
    return read_questions(prepare().test)


def test_is_small_and_of_the_real_classes(loaded):
    assert type(loaded.model).__name__ == "Qwen2AudioForConditionalGeneration"
    assert type(loaded.processor).__name__ == "Qwen2AudioProcessor"
    assert sum(p.numel() for p in loaded.model.parameters()) <= 8_000_000


def test_hears(loaded, questions):
    assert hearing_check(loaded, questions[:8]).change > 0.05
