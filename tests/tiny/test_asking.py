"""Question types: asked of scenes that they fit, and answerable by listening alone."""

import numpy as np
import pytest

from r1aqa_helpers.scoring import string_match
from r1aqa_helpers.tiny.question_types import TYPES, arrange, caption, fitting, types_of
from r1aqa_helpers.tiny.scene_families import FAMILIES, TRAINING, draw

DRAWS = 40


def drafts(name: str, draws: int = DRAWS):
    rng = np.random.default_rng(21)
    for _ in range(draws):
        scene = TYPES[name].scene(rng, TRAINING)
        yield scene, *TYPES[name].write(scene, rng)


def test_types_span_three_tasks():
    assert len(TYPES) >= 16
    assert {t.task for t in TYPES.values()} == {"sound", "music", "speech"}
    assert sum((types_of(task) for task in ("sound", "music", "speech")), []) == list(
        TYPES.values()
    )
    required = (
        "source order count absent louder longer before-after instrument family direction mode "
        "tempo metre players word number sum speakers voice rate word-order"
    )
    assert set(required.split()) <= set(TYPES)
    assert {t.category for t in TYPES.values()} == {"Information Extraction", "Reasoning"}


@pytest.mark.parametrize("name", list(TYPES))
def test_type_fits_the_scenes_that_it_draws(name):
    assert all(TYPES[name].fits(scene) for scene, *_ in drafts(name))


@pytest.mark.parametrize("name", TYPES)
def test_drafts(name):
    """Choices differ, and saying any of them is right for the gold one alone."""
    for _, question, answer, wrong in drafts(name):
        assert question.endswith("?") and answer and 1 <= len(wrong) <= 4
        choices = [answer, *wrong]
        assert len({c.lower() for c in choices}) == len(choices)
        assert [string_match(answer, c, choices) for c in choices] == [True] + [False] * len(wrong)
        # A question that names its answer could be read off; these four name a whole scale
        # ("How fast is ...?", "... a man or a woman?"), whatever the answer is.
        assert answer not in question or name in ("mode", "voice", "tempo", "rate"), question


@pytest.mark.parametrize("name", TYPES)
def test_every_answer_occurs(name):
    """Answers vary with the scene; no answer of a small closed list dominates."""
    answers = [answer for _, _, answer, _ in drafts(name, 300)]
    least = {"mode": 2, "voice": 2, "tempo": 3, "rate": 3, "metre": 3, "players": 3, "speakers": 3}
    kinds = set(answers)
    assert len(kinds) >= least.get(name, 4)
    assert max(answers.count(kind) for kind in kinds) < 1.3 * 300 / len(kinds) + 10


def test_fitting_is_what_fits():
    rng = np.random.default_rng(2)
    for task in FAMILIES:
        for _ in range(20):
            scene = draw(rng, TRAINING, task)
            assert fitting(scene), scene
            assert {t.task for t in fitting(scene)} == {task}


def test_arrange_puts_the_gold_choice_in_its_place():
    rng = np.random.default_rng(0)
    for place in range(4):
        choices = arrange(rng, "a", ["b", "c", "d"], place)
        assert choices.index("a") == place and sorted(choices) == ["a", "b", "c", "d"]
    places = [arrange(rng, "a", ["b", "c", "d"]).index("a") for _ in range(400)]
    assert all(70 <= places.count(place) <= 130 for place in range(4))
    orders = {tuple(c for c in arrange(rng, "a", ["b", "c", "d"]) if c != "a") for _ in range(60)}
    assert len(orders) == 6


def test_captions_say_what_sounds():
    rng = np.random.default_rng(4)
    for _ in range(200):
        scene = draw(rng, TRAINING)
        text = caption(scene)
        assert text.endswith(".") and text[0].isupper()
        at = [text.lower().find(event.name) for event in scene.events]
        if scene.family in ("pulse", "metre", "melody", "chord", "repeats", "ensemble"):
            assert min(at) >= 0, text
        else:  # in the order in which they sound
            assert at == sorted(at) and min(at) >= 0, text


def test_caption_wordings():
    rng = np.random.default_rng(4)
    scenes = [draw(rng, TRAINING) for _ in range(400)]
    texts = {s.family: caption(s) for s in scenes}
    assert "melody." in texts["melody"] and "chord." in texts["chord"]
    for scene in scenes:
        if scene.family == "numbers" and len(scene.facts["values"]) == 2:
            assert caption(scene).endswith(f"The sum is {sum(scene.facts['values'])}.")
        if "louder" in scene.facts:
            assert caption(scene).endswith(f"The {scene.facts['louder']} is louder.")
