"""Faults that only a measurement can show fall outside the bands."""

from dataclasses import replace

import pytest

from r1aqa_helpers.cli import train
from r1aqa_helpers.data import read_questions, write_mmau
from r1aqa_helpers.hardware import TINY_PROFILE
from r1aqa_helpers.tiny.data import MODEL

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("name", "change"),
    [("sft", {"lr": 1e-5}), ("grpo", {"beta": 1e-9})],
    ids=["a learning rate ten times too small", "a KL term that is dropped"],
)
def test_a_training_with_a_fault(name, change, retrained, monkeypatch):
    settings = {**getattr(TINY_PROFILE, name), **change}
    faulty = replace(TINY_PROFILE, **{name: settings})
    monkeypatch.setattr(train, "pick_profile", lambda given: faulty)
    found = retrained(name)
    assert not found["within"], found


def test_clips_that_are_mispaired(data, bands, accuracy, tmp_path):
    """Every question with the clip of the next one of its task."""
    questions, clip = read_questions(data.test), {}
    for task in {question.task for question in questions}:
        alike = [question for question in questions if question.task == task]
        following = alike[1:] + alike[:1]
        clip |= {one.id: other.audio for one, other in zip(alike, following, strict=True)}
    write_mmau(tmp_path / "test.json", [replace(q, audio=clip[q.id]) for q in questions])
    measured = accuracy(MODEL, 2, tmp_path / "predictions.json", tmp_path / "test.json")
    assert not bands["direct-2"].against(measured)["within"], measured
