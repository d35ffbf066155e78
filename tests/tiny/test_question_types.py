"""Question types: asked of scenes that they fit, and answerable by listening alone."""

import numpy as np
import pytest

from r1aqa_helpers.scoring import string_match
from r1aqa_helpers.tiny.question_types import TYPES, arrange, caption
from r1aqa_helpers.tiny.scene_families import TRAINING, draw

#: Types that name a whole scale ("How fast is ...?", "... a man or a woman?").
SCALES = ("voice", "tempo", "rate", "larger", "earlier")


def drafts(name: str, draws: int):
    rng = np.random.default_rng(21)
    for _ in range(draws):
        scene = TYPES[name].scene(rng, TRAINING)
        yield scene, *TYPES[name].write(scene, rng)


@pytest.mark.parametrize("name", TYPES)
def test_drafts_fit_their_scenes_and_vary(name):
    """Choices differ, saying any of them is correct for the gold one alone, and no answer of a
    small closed list dominates."""
    answers = []
    for number, (scene, question, answer, wrong) in enumerate(drafts(name, 300)):
        answers.append(answer)
        if number >= 40:
            continue
        assert TYPES[name].fits(scene)
        assert question.endswith("?") and answer and 1 <= len(wrong) <= 4
        choices = [answer, *wrong]
        assert len({c.lower() for c in choices}) == len(choices)
        assert [string_match(answer, c, choices) for c in choices] == [True] + [False] * len(wrong)
        # A question that names its answer could be read off.
        assert answer not in question or name in SCALES, question
        said = TYPES[name].answer
        assert said is None or said(scene.facts) == answer
    least = {"larger": 2, "voice": 2, "tempo": 3, "rate": 3, "players": 3, "speakers": 3}
    kinds = set(answers)
    assert len(kinds) >= least.get(name, 4)
    assert max(answers.count(kind) for kind in kinds) < 1.3 * 300 / len(kinds) + 10


def test_arrange_puts_the_gold_choice_in_its_place():
    rng = np.random.default_rng(0)
    for place in range(4):
        choices = arrange(rng, "a", ["b", "c", "d"], place)
        assert choices.index("a") == place and sorted(choices) == ["a", "b", "c", "d"]


def test_captions_say_what_sounds_in_order():
    rng = np.random.default_rng(4)
    for _ in range(300):
        scene = draw(rng, TRAINING)
        text = caption(scene)
        assert text.startswith("Heard: ") and text.endswith(".")
        heard = text.split(". ")[0].removesuffix(".").removeprefix("Heard: ").split(", ")
        if scene.family in ("sequence", "words", "numbers", "speakers", "repeats"):
            assert len(heard) == len(scene.events)
            assert all(e.name in said for e, said in zip(scene.events, heard, strict=True)), text
        if scene.family == "ensemble":
            assert heard == [event.name for event in scene.events[::2]]
        for fact in ("louder", "longer", "tempo", "rate", "contour"):
            assert fact not in scene.facts or text.endswith(f": {scene.facts[fact]}.")
