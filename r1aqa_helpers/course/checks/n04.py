"""Checks of notebook 04: accuracy, format, and one reward without loopholes."""

from collections.abc import Sequence
from typing import Any

from r1aqa_helpers.course.checks.common import Answer, of_kind
from r1aqa_helpers.course.exercise import exercise, expect
from r1aqa_helpers.course.widgets.reward_hacking_tests import attack_suite

_FORMATTED = "<answer>rain</answer>"


def _rewards(reward: Answer, texts: Sequence[str], **columns: Any) -> list[float]:
    """The reward of each text, once it is known to be a list of as many numbers."""
    columns = {"prompts": ["a prompt"] * len(texts), **columns}
    try:
        got = reward(completions=list(texts), **columns)
    except TypeError as error:
        unused = "unexpected keyword" in str(error)
        expect(not unused, f"{error}: TRL hands over every column; take also those not used")
        raise
    of_kind(got, (list, tuple), "a list, with one number per completion")
    counts = f"{len(texts)} completions came in and {len(got)} numbers went out"
    expect(len(got) == len(texts), f"{counts}: each completion is rewarded alone")
    return [float(of_kind(one, (int, float), "a number per completion")) for one in got]


@exercise("04.1", passed="the first answer is found, trimmed, and compared exactly")
def accuracy(answer: Answer) -> None:
    """1.0 for the first tagged answer, or the bare text, equal to the solution; else 0.0."""

    def earns(text: str, gold: str = "rain") -> bool:
        return _rewards(answer, [text], solution=[gold])[0] > 0

    rain, wind = "<answer>rain</answer>", "<answer>wind</answer>"
    got = _rewards(answer, [rain, wind, rain], solution=["rain", "rain", "wind"])
    told = "compare what stands between the tags with the solution of the same place"
    expect(got == [1.0, 0.0, 0.0], f"correct, wrong, wrong should earn 1, 0, 0, not {got}: {told}")
    lines = earns("<answer>\nrain\n</answer>")
    expect(lines, "an answer on a line of its own earns nothing: a dot stops at a line's end")
    trimmed = earns("<answer> rain </answer>") and earns(rain, "rain ")
    expect(trimmed, "white space around the answer or the solution should not count")
    expect(earns("rain"), "a bare correct answer earns nothing: without tags it is the answer")
    first = earns(f"{rain} or {wind}") and not earns(f"{wind} or {rain}")
    expect(first, "of several pairs of tags the first one counts, up to its own closing tag")
    both = earns("<answer>rain or wind</answer>")
    expect(not both, "'rain or wind' earns as much: a text that holds the solution is not equal")
    piece = earns("<answer>ra</answer>") or earns("<answer></answer>")
    expect(not piece, "a piece of the solution, or nothing at all, earns as much as the solution")
    expect(not earns("<answer>Rain</answer>"), "'Rain' is taken for 'rain': case counts here")


@exercise("04.2", passed="one answer, nothing else, on any number of lines")
def format_reward(answer: Answer) -> None:
    """1.0 where the whole completion keeps to prompt 2's format, its tags once each."""

    def kept(*texts: str) -> list[bool]:
        return [_rewards(answer, [text])[0] > 0 for text in texts]

    got = _rewards(answer, [_FORMATTED, "rain"])
    expect(got[0] == 1.0, "the format itself, <answer>rain</answer>, should earn 1.0")
    expect(got[1] == 0.0, "a bare 'rain' should earn 0.0: it has no tags")
    wrong = kept("<answer>wind</answer>", "<answer>I do not know</answer>")
    expect(all(wrong), "the format does not depend on what is answered")
    lines = kept("<answer>\nrain\n</answer>")
    expect(all(lines), "several lines earn nothing: a dot stops at a line's end")
    around = kept(f"Sure. {_FORMATTED}", f"{_FORMATTED} Anything else?")
    expect(not any(around), "words before or after the format still earn 1.0: it is the whole text")
    half = kept("<answer>rain", "rain</answer>", "</answer>rain<answer>")
    expect(not any(half), "an opening and a closing tag are needed, in this order")
    two = kept(f"{_FORMATTED}<answer>wind</answer>")
    expect(not any(two), "two answers earn 1.0: .*? runs over the tags between them")
    nested = kept(
        f"<answer>{_FORMATTED}</answer>", f"<answer>{_FORMATTED}", f"{_FORMATTED}</answer>"
    )
    expect(not any(nested), "a tag inside the pair passes: neither of the two may stand there")


@exercise("04.3", passed="fourteen attacks blocked, and no honest answer earns less")
def fair_reward(answer: Answer) -> None:
    """The learner's own reward on the attacks for prompt 2."""
    columns = {"solution": ["rain"] * 2, "choices": [["rain", "wind"]] * 2}
    got = _rewards(answer, ["<answer>rain</answer>", "<answer>wind</answer>"], **columns)
    expect(got[0] > got[1], "a wrong answer in the format earns as much as a correct one")
    card = attack_suite(answer, prompt=2)
    for shot in card.successful:
        told = f"an attack succeeds, '{shot.case.name}': {shot.reward:g}, allowed is {shot.limit}"
        expect(False, f"{told}; {shot.case.why}")
    for shot in card.penalised:
        told = f"an honest answer loses, '{shot.case.name}': {shot.reward:g} of {shot.honest:g}"
        expect(False, f"{told}; {shot.case.why}")
