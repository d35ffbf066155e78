"""The shipped tiny checkpoint: what it is, and that it hears. Accuracies are the main job's."""

import json

import pytest

from r1aqa_helpers.data import AudioQuestion, read_questions
from r1aqa_helpers.models import LoadedModel, hearing_check, load
from r1aqa_helpers.tiny.data import MODEL, prepare
from r1aqa_helpers.utils.paths import TINY


@pytest.fixture(scope="module")
def loaded() -> LoadedModel:
    return load(MODEL, device="cpu", dtype="float32")


@pytest.fixture(scope="module")
def questions() -> list[AudioQuestion]:
    return read_questions(prepare().test)


def test_is_small_and_of_the_real_classes(loaded):
    assert type(loaded.model).__name__ == "Qwen2AudioForConditionalGeneration"
    assert type(loaded.processor).__name__ == "Qwen2AudioProcessor"
    parameters = sum(p.numel() for p in loaded.model.parameters())
    assert parameters <= 8_000_000
    assert parameters == json.loads((TINY / "pretraining.json").read_text())["parameters"]
    assert (MODEL / "model.safetensors").stat().st_size <= 16 * 2**20


def test_hears(loaded, questions):
    assert hearing_check(loaded, questions[:8]).change > 0.05


def test_its_ceiling_was_measured_and_leaves_room_to_elicit():
    """What a fine-tune on plentiful questions reaches, as `pretrain_tiny.py` recorded it."""
    record = json.loads((TINY / "pretraining.json").read_text())
    ceiling = record["ceiling"]
    assert ceiling["n"] == 1000 and ceiling["missing"] == 0
    assert ceiling["average"] >= 80
    assert set(ceiling["tasks"]) == {"sound", "music", "speech"}
    assert all(part["accuracy"] >= 70 for part in ceiling["tasks"].values())
    assert "reading" in record["stages"]


def test_direct_inference_of_the_reference_run_is_that_of_an_unpolished_assistant():
    """As Qwen2-Audio's: about half right, below the ceiling in each domain."""
    run = json.loads((TINY / "reference_run" / "results.json").read_text())
    ceiling = json.loads((TINY / "pretraining.json").read_text())["ceiling"]["tasks"]
    direct = [row for row in run["rows"] if row["method"] == "direct"]
    assert {row["prompt"] for row in direct} == {1, 2}
    for row in direct:
        assert 45 <= row["average"] <= 60
        assert all(row[task] < part["accuracy"] - 10 for task, part in ceiling.items())
