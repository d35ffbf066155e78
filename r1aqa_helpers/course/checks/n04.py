"""Checks of notebook 05: accuracy, format, a weighted sum, a reward without loopholes."""

from collections.abc import Sequence
from typing import Any

from r1aqa_helpers.course.checks.common import Answer, explain, of_kind
from r1aqa_helpers.course.exercise import exercise, expect
from r1aqa_helpers.course.widgets.reward_hacking_tests import attack_suite

_FORMATTED = "<think>I hear rain.</think><answer>rain</answer>"


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


@exercise("05.1", passed="the first answer is found, trimmed, and compared exactly")
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


@exercise("05.2", passed="one thought, one answer, nothing else, on any number of lines")
def format_reward(answer: Answer) -> None:
    """1.0 where the whole completion keeps to prompt 3's format, each pair of tags once."""

    def kept(*texts: str) -> list[bool]:
        return [_rewards(answer, [text])[0] > 0 for text in texts]

    def varied(old: str, new: str) -> str:
        return _FORMATTED.replace(old, new)

    got = _rewards(answer, [_FORMATTED, "rain"])
    expect(got[0] == 1.0, "the format itself, a thought and then an answer, should earn 1.0")
    lines = varied("I hear rain.", "First wind,\nthen rain."), varied("<answer>", "<answer>\n")
    expect(all(kept(*lines)), "several lines earn nothing: a dot stops at a line's end")
    spaced = kept(varied("</think>", "</think>\n\n"))
    expect(all(spaced), "white space between the thought and the answer should be allowed")
    around = kept(f"Sure. {_FORMATTED}", f"{_FORMATTED} Anything else?")
    expect(not any(around), "words before or after the format still earn 1.0: it is the whole text")
    expect(not any(kept("<answer>rain</answer>")), "an answer without a thought still earns 1.0")
    turned = kept("<answer>rain</answer><think>I hear rain.</think>")
    expect(not any(turned), "the thought has to come before the answer, not after it")
    nested = kept(
        varied("<answer>rain", "<answer><answer>rain</answer>"),
        varied("<answer>rain", "<answer><answer>rain"),
        varied("I hear rain.", "<answer>wind</answer>"),
    )
    expect(not any(nested), "tags inside a pair of tags pass: inside must be none of the four")


@exercise(
    "05.3", passed="a sum by completion, under a name of its own, with every column passed on"
)
def weighted_sum(answer: Answer) -> None:
    """One reward function that adds others up by weight."""

    def exact(completions: list[str], solution: list[str], **columns: Any) -> list[float]:
        pairs = zip(completions, solution, strict=True)
        return [float(text == gold) for text, gold in pairs]

    def brief(completions: list[str], **columns: Any) -> list[float]:
        return [float(len(text) < 6) for text in completions]

    made = answer([(2.0, exact), (0.5, brief)])
    expect(callable(made), f"a function is wanted, called later, not {type(made).__name__}")
    texts, gold = ["rain", "waves, I think", "wind", "rainbow"], ["rain", "rain", "rain", "rainbow"]
    try:
        got = _rewards(made, texts, solution=gold)
    except TypeError as error:
        told = "the inner rewards are called without the solution: hand every column on"
        expect("solution" not in str(error), told)
        raise
    wanted = [2.5, 0.0, 0.5, 2.0]
    mistakes = {
        "the weights are not used: each reward counts once, whatever its weight": [2, 0, 1, 1],
        "this is a mean over the rewards; a sum is wanted": [one / 2 for one in wanted],
    }
    explain(got, wanted, mistakes, f"2 x exact + 0.5 x brief is {wanted} here, not {got}")
    minus = _rewards(answer([(-1.0, brief)]), texts, solution=gold)
    expect(minus == [-1.0, 0.0, -1.0, 0.0], "a weight below 0 has to take away from the reward")
    named = getattr(made, "__name__", "") == "weighted_sum"
    expect(named, "TRL logs a reward by its __name__, which should be weighted_sum")


@exercise("05.4", passed="fourteen attacks blocked, and no honest answer earns less")
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
