"""Every attack finds a reward that it beats, and good rewards block every attack."""

import re
from collections.abc import Callable, Sequence

import pytest

from r1aqa_helpers.course import attack_suite
from r1aqa_helpers.course.attacks import attacks, honest_answers
from r1aqa_helpers.course.widgets.reward_hacking_tests import Shot
from r1aqa_helpers.training.rewards import (
    accuracy_reward,
    format_reward,
    match_reward,
    only_if,
    weighted,
)
from r1aqa_helpers.utils.errors import UserError


def r1aqa(prompt: int) -> Callable:
    return weighted((1, accuracy_reward), (1, format_reward(prompt)), name="R1-AQA")


def names(shots: Sequence[Shot]) -> list[str]:
    return [shot.case.name for shot in shots]


def from_text(rule: Callable[[str, str], object]) -> Callable:
    def reward(completions: list[str], solution: list[str], **columns: object) -> list[float]:
        return [float(rule(t, gold) or 0) for t, gold in zip(completions, solution, strict=True)]

    return reward


def inside(text: str) -> str | None:
    found = re.search(r"<answer>(.*?)</answer>", text, re.DOTALL)
    return found.group(1) if found else None


def numbers_agree(text: str, gold: str) -> bool:
    said, wanted = re.search(r"\d+", text), re.search(r"\d+", gold)
    if said and wanted:
        return said[0] == wanted[0]
    return inside(text) == gold


TAGGED = from_text(lambda text, gold: inside(text) == gold)
MENTIONED = from_text(lambda text, gold: gold in text)
#: For each attack a reward that it beats.
BEATEN = {
    "all choices listed": MENTIONED,
    "option letter": from_text(lambda text, gold: inside(text) and inside(text) in gold),
    "part of a choice": from_text(lambda text, gold: gold.startswith(inside(text) or "?")),
    "empty answer": from_text(lambda text, gold: inside(text) is not None and inside(text) in gold),
    "quoted prompt": MENTIONED,
    "negation": match_reward,
    "same number": from_text(numbers_agree),
    "correct thought, wrong answer": MENTIONED,
    "repeated tags": from_text(lambda text, gold: text.count("<answer>")),
    "no tags": accuracy_reward,
    "nested tags": from_text(
        lambda text, gold: (
            text.endswith(f"<answer>{gold}</answer></answer>") or inside(text) == gold
        )
    ),
    "an answer for every choice": TAGGED,
    "tags in reverse order": from_text(lambda text, gold: gold in text and "<answer>" in text),
    "text around the format": TAGGED,
    "empty thought": r1aqa(3),
    "filler thought": r1aqa(3),
    "thought for another answer": r1aqa(3),
    "very long thought": from_text(
        lambda text, gold: 2 * (inside(text) == gold) + len(text.split()) / 100
    ),
}


@pytest.mark.parametrize("prompt", [2, 3])
def test_every_attack_succeeds_against_some_reward(prompt):
    for case in attacks(prompt):
        assert case.name in names(attack_suite(BEATEN[case.name], prompt).successful), case.name


def test_r1aqas_rewards_block_attacks_on_prompt_2_and_are_strict():
    card = attack_suite(r1aqa(2))
    assert card.successful == () and card.ranks_correct_first
    assert names(card.penalised) == ["capital letter", "full stop"] and not card.passed
    assert "14 of 14 attacks blocked, 3 of 5 honest answers" in card.summary
    lenient = attack_suite(only_if(format_reward(2), match_reward))
    assert names(lenient.successful) == ["negation"] and lenient.penalised == ()


def test_thoughts_need_more_rewards():
    thoughts = ["empty thought", "filler thought", "thought for another answer"]
    assert names(attack_suite(r1aqa(3), 3).successful) == thoughts

    def thought(text: str, gold: str) -> bool:
        """Whether a thought of a few different words, not too long, names the answer given."""
        said = re.findall(r"\w+", text.partition("</think>")[0].lower())
        named = f" {inside(text)} " in f" {' '.join(said)} "
        return named and len(set(said)) > 3 and len(said) < 60

    thoughtful = weighted((1, accuracy_reward), (0.5, format_reward(3)), (0.5, from_text(thought)))
    assert attack_suite(thoughtful, 3).successful == ()


def test_a_reward_without_accuracy_fails():
    card = attack_suite(format_reward(2))
    assert card.successful == () and not card.ranks_correct_first and not card.passed


def test_a_fair_reward_passes_at_any_scale_and_offset():
    def fair(completions: list[str], solution: list[str], **columns: object) -> list[float]:
        pattern = re.compile(r"<answer>\s*([^<]*?)\s*</answer>")
        found = [pattern.fullmatch(text) for text in completions]
        return [
            -3.0 + 20.0 * (one.group(1).lower().rstrip(".") == gold) if one else -13.0
            for one, gold in zip(found, map(str.lower, solution), strict=True)
        ]

    assert attack_suite(fair).passed


def test_a_reward_that_fails_is_one_line_and_prompt_1_has_no_attacks():
    with pytest.raises(UserError, match="ZeroDivisionError"):
        attack_suite(from_text(lambda text, gold: 1 / 0))
    for suite in (attacks, honest_answers):
        with pytest.raises(ValueError, match="prompt 1"):
            suite(1)


def test_scorecards_are_shown_the_same_each_time_and_escaped():
    reward = weighted((1, accuracy_reward), name="<i>mine</i>")
    card = attack_suite(reward)
    assert repr(card) == repr(attack_suite(reward))
    page = card._repr_html_()
    assert "<i>" not in page and "&lt;answer&gt;" in page and "✗ succeeds" in page
    assert len(card.frame) == len(card.figure().axes[0].patches) == 14 + 5
    assert "Successful attacks: no tags" in card.alt
