"""Every attack finds a reward that it beats, and good rewards hold every attack."""

import re

import pytest

from r1aqa_helpers.course import attack_suite
from r1aqa_helpers.course.attacks import attacks, honest_answers
from r1aqa_helpers.training.rewards import (
    accuracy_reward,
    consistency_reward,
    format_reward,
    length_penalty,
    match_reward,
    only_if,
    thinking_reward,
    weighted,
)
from r1aqa_helpers.utils.errors import UserError


def r1aqa(prompt):
    return weighted((1, accuracy_reward), (1, format_reward(prompt)), name="R1-AQA")


def names(shots):
    return [shot.case.name for shot in shots]


def from_text(rule):
    def reward(completions, solution, **columns):
        return [
            float(rule(text, gold) or 0) for text, gold in zip(completions, solution, strict=True)
        ]

    return reward


def inside(text):
    found = re.search(r"<answer>(.*?)</answer>", text, re.DOTALL)
    return found.group(1) if found else None


def numbers_agree(text, gold):
    said, wanted = re.search(r"\d+", text), re.search(r"\d+", gold)
    if said and wanted:
        return said[0] == wanted[0]
    return inside(text) == gold


# For each attack a reward that it is worth writing for.
PREY = {
    "all choices listed": from_text(lambda text, gold: gold in text),
    "option letter": from_text(lambda text, gold: inside(text) and inside(text) in gold),
    "part of a choice": from_text(lambda text, gold: gold.startswith(inside(text) or "?")),
    "empty answer": from_text(
        lambda text, gold: inside(text) in gold if inside(text) is not None else False
    ),
    "quoted prompt": from_text(lambda text, gold: gold in text),
    "negation": match_reward,
    "same number": from_text(numbers_agree),
    "right thought, wrong answer": from_text(lambda text, gold: gold in text),
    "tags without end": from_text(lambda text, gold: text.count("<answer>")),
    "no tags": accuracy_reward,
    "nested tags": from_text(
        lambda text, gold: (
            text.endswith(f"<answer>{gold}</answer></answer>") or inside(text) == gold
        )
    ),
    "an answer for every choice": from_text(lambda text, gold: inside(text) == gold),
    "tags the wrong way round": from_text(lambda text, gold: gold in text and "<answer>" in text),
    "words around the form": from_text(lambda text, gold: inside(text) == gold),
    "empty thought": r1aqa(3),
    "filler thought": r1aqa(3),
    "thought for another answer": r1aqa(3),
    "very long thought": from_text(
        lambda text, gold: 2 * (inside(text) == gold) + len(text.split()) / 100
    ),
}


@pytest.mark.parametrize("prompt", [2, 3])
def test_every_attack_pays_somewhere(prompt):
    for case in attacks(prompt):
        assert case.name in names(attack_suite(PREY[case.name], prompt).paying), case.name


def test_r1aqas_rewards_hold_prompt_2_and_are_strict():
    card = attack_suite(r1aqa(2))
    assert card.paying == () and card.tells_right_from_wrong
    assert names(card.losing) == ["capital letter", "full stop"] and not card.passed
    assert card.summary == (
        "R1-AQA, prompt <2>: 14 of 14 attacks held, 3 of 5 honest answers paid in full"
    )


def test_the_matcher_behind_the_form_is_fair_and_open_to_a_denial():
    card = attack_suite(only_if(format_reward(2), match_reward))
    assert names(card.paying) == ["negation"] and card.losing == ()


def test_more_rewards_are_needed_for_thoughts():
    assert names(attack_suite(r1aqa(3), 3).paying) == [
        "empty thought",
        "filler thought",
        "thought for another answer",
    ]
    card = attack_suite(
        weighted(
            (1, accuracy_reward),
            (0.5, format_reward(3)),
            (0.25, thinking_reward()),
            (0.25, consistency_reward),
            (0.25, length_penalty(60, 120)),
        ),
        3,
    )
    assert card.paying == ()


def test_a_reward_without_accuracy_tells_nothing():
    card = attack_suite(format_reward(2))
    assert card.paying == () and not card.tells_right_from_wrong and not card.passed
    assert "a wrong answer earns as much as a right one" in card.summary


def test_a_reward_that_is_fair_and_held_passes():
    def fair(completions, solution, **columns):
        pattern = re.compile(r"<answer>\s*([^<]*?)\s*</answer>")
        found = [pattern.fullmatch(text) for text in completions]
        return [
            1.0 + 2.0 * (one.group(1).lower().rstrip(".") == gold) if one else 0.0
            for one, gold in zip(found, map(str.lower, solution), strict=True)
        ]

    assert attack_suite(fair).passed


def test_the_verdict_does_not_depend_on_scale_or_offset():
    def scaled(completions, **columns):
        return [10 * one - 3 for one in accuracy_reward(completions, **columns)]

    assert names(attack_suite(scaled).paying) == names(attack_suite(accuracy_reward).paying)


def test_a_reward_that_fails_is_one_line():
    with pytest.raises(UserError, match="ZeroDivisionError"):
        attack_suite(from_text(lambda text, gold: 1 / 0))


def test_there_is_no_battery_without_a_form():
    for battery in (attacks, honest_answers):
        with pytest.raises(ValueError, match="prompt 1"):
            battery(1)


def test_scorecards_are_shown_the_same_each_time_and_escaped():
    reward = weighted((1, accuracy_reward), name="<i>mine</i>")
    card = attack_suite(reward)
    assert repr(card) == repr(attack_suite(reward))
    page = card._repr_html_()
    assert "<i>" not in page and "&lt;answer&gt;" in page and "✗ pays" in page
    assert len(card.table().frame) == len(card.figure().axes[0].patches) == 14 + 5
    assert "Attacks that pay: no tags" in card.alt
