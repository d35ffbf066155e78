"""Lessons from captions, and what becomes of the language half that learns them."""

import numpy as np
import pytest
import torch
from pretraining.caption_reader import (
    LAYERS,
    caption_lesson,
    lesson_loss,
    part_of,
    save_reader,
)
from pretraining.lessons import Teacher

from r1aqa_helpers.evaluation.cascade import weakened
from r1aqa_helpers.models import load
from r1aqa_helpers.models.text_model import language_half, load_text_model
from r1aqa_helpers.tiny.data import MODEL, recipes
from r1aqa_helpers.tiny.question_types import caption, fitting


@pytest.fixture(scope="module")
def half():
    return language_half(load(MODEL, device="cpu", dtype="float32"))


@pytest.fixture(scope="module")
def scenes():
    return list(recipes("train").values())[:200]


def test_a_lesson_asks_about_a_true_caption_and_answers_correctly(scenes):
    rng = np.random.default_rng(0)
    tagged = weak = repeated = 0
    teacher = Teacher(scenes)
    for scene in scenes:
        asked, said = caption_lesson(scene, rng, teacher)
        if said == caption(scene):
            assert asked == f"Caption of the audio: {said} Repeat the caption."
            repeated += 1
            continue
        tagged += said.startswith("<answer>") and "<answer> </answer>" in asked
        answer = said.removeprefix("<answer>").removesuffix("</answer>")
        assert f"'{answer}'" in asked.partition("options: ")[2]
        whole = f"Caption of the audio: {caption(scene)} Question:" in asked
        cut = f"Caption of the audio: {weakened(caption(scene))} Question:" in asked
        assert whole or cut
        weak += not whole
        assert fitting(scene)
    questions = len(scenes) - repeated
    assert 0.1 < repeated / len(scenes) < 0.3
    assert 0.6 < tagged / questions < 0.8 and 0 < weak / questions < 0.2


def test_learning_lowers_the_loss_and_what_is_saved_is_loaded(half, scenes, tmp_path):
    part = part_of(half)
    own, whole = part.model.state_dict(), half.model.state_dict()
    name = "model.layers.{}.self_attn.q_proj.weight"
    for place, layer in enumerate(LAYERS):
        assert torch.equal(own[name.format(place)], whole[name.format(layer)])
    loss_of = lesson_loss(part, scenes, batch=8)
    assert loss_of(np.random.default_rng(1)).item() == loss_of(np.random.default_rng(1)).item()
    optimizer = torch.optim.AdamW(part.model.parameters(), lr=1e-3)
    losses = []
    for _ in range(4):
        loss = loss_of(np.random.default_rng(1))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 0.2
    save_reader(part, tmp_path / "reader")
    loaded = load_text_model(tmp_path / "reader", "cpu", "float32")
    assert loaded.eos_ids == half.eos_ids
    assert (tmp_path / "reader" / "model.safetensors").stat().st_size < 4e6
