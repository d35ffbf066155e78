"""Checks of notebook 05: an accuracy reward, a form, a weighted sum, a reward that holds."""

from collections.abc import Callable, Sequence
from typing import Any

from r1aqa_helpers.course.exercise import exercise, expect
from r1aqa_helpers.course.widgets.reward_hacking_tests import attack_suite

Reward = Callable[..., list[float]]

_FORM = "<think>I hear rain.</think><answer>rain</answer>"


def _paid(reward: Reward, texts: Sequence[str], **columns: Any) -> list[float]:
    """The reward of each text, once it is known to be a list of as many numbers."""
    columns = {"prompts": ["a prompt"] * len(texts), **columns}
    try:
        got = reward(completions=list(texts), **columns)
    except TypeError as error:
        expect(
            "unexpected keyword" not in str(error),
            f"{error}: TRL hands over every column of the data, so a reward has to take those "
            "that it does not use",
        )
        raise
    expect(
        isinstance(got, list | tuple),
        f"a list is wanted, with one number per completion, not {type(got).__name__}",
    )
    expect(
        len(got) == len(texts),
        f"{len(texts)} completions came in and {len(got)} numbers went out: each completion is "
        "paid alone",
    )
    expect(
        all(isinstance(one, int | float) for one in got),
        "every reward has to be a number, 1.0 or 0.0",
    )
    return [float(one) for one in got]


def _pays(reward: Reward, text: str, gold: str) -> bool:
    return _paid(reward, [text], solution=[gold])[0] > 0


@exercise("05.1", passed="the first answer is found, trimmed, and compared without mercy")
def accuracy(answer: Reward) -> None:
    """1.0 for the first tagged answer, or the bare text, equal to the solution; else 0.0."""
    texts = ["<answer>rain</answer>", "<answer>wind</answer>", "<answer>rain</answer>"]
    got = _paid(answer, texts, solution=["rain", "rain", "wind"])
    expect(
        got == [1.0, 0.0, 0.0],
        f"right, wrong, wrong should earn 1, 0, 0, not {got}: compare what stands between the "
        "tags with the solution of the same place",
    )
    expect(
        _pays(answer, "<answer>\nrain\n</answer>", "rain"),
        "an answer on a line of its own earns nothing: in a pattern, a dot stops at a line's end",
    )
    expect(
        _pays(answer, "<answer> rain </answer>", "rain")
        and _pays(answer, "<answer>rain</answer>", "rain "),
        "white space around the answer or the solution should not count",
    )
    expect(
        _pays(answer, "rain", "rain"),
        "a bare right text earns nothing: without tags the whole completion is the answer",
    )
    expect(
        _pays(answer, "<answer>rain</answer> or <answer>wind</answer>", "rain")
        and not _pays(answer, "<answer>wind</answer> or <answer>rain</answer>", "rain"),
        "of several pairs of tags the first one counts, and it ends at its own closing tag",
    )
    expect(
        not _pays(answer, "<answer>rain or wind</answer>", "rain"),
        "'rain or wind' earns as much as 'rain': a text that holds the solution is not equal to it",
    )
    expect(
        not _pays(answer, "<answer>ra</answer>", "rain")
        and not _pays(answer, "<answer></answer>", "rain"),
        "a piece of the solution, or nothing at all, earns as much as the solution",
    )
    expect(
        not _pays(answer, "<answer>Rain</answer>", "rain"),
        "'Rain' is taken for 'rain': in this exercise the choice has to be repeated as it stands",
    )


@exercise("05.2", passed="one thought, one answer, nothing else, on as many lines as it takes")
def form(answer: Reward) -> None:
    """1.0 where the whole completion keeps to prompt 3's form, each pair of tags once."""

    def kept(text: str) -> bool:
        return _paid(answer, [text])[0] > 0

    got = _paid(answer, [_FORM, "rain"])
    expect(got[0] == 1.0, "the form itself, a thought and then an answer, should earn 1.0")
    expect(got[1] == 0.0, "a bare text keeps to no form and should earn 0.0")
    expect(
        kept(_FORM.replace("I hear rain.", "First wind,\nthen rain."))
        and kept(_FORM.replace("<answer>rain", "<answer>\nrain\n")),
        "a thought or an answer on several lines earns nothing: in a pattern, a dot stops at a "
        "line's end",
    )
    expect(
        kept(_FORM.replace("</think>", "</think>\n\n")),
        "white space between the thought and the answer should be allowed",
    )
    expect(
        not kept(f"Sure. {_FORM}") and not kept(f"{_FORM} Anything else?"),
        "words before or after the form still earn 1.0: the form is the whole completion",
    )
    expect(not kept("<answer>rain</answer>"), "an answer without a thought still earns 1.0")
    expect(
        not kept("<answer>rain</answer><think>I hear rain.</think>"),
        "the thought has to come before the answer, not after it",
    )
    expect(
        not kept(f"{_FORM}<answer>wind</answer>") and not kept(f"<think>hm</think>{_FORM}"),
        "two answers, or two thoughts, pass as one form: a pattern that may not end at the first "
        "closing tag goes on to the next",
    )
    expect(
        not kept(_FORM.replace("<answer>rain", "<answer><answer>rain</answer>"))
        and not kept(_FORM.replace("<answer>rain", "<answer><answer>rain"))
        and not kept(_FORM.replace("I hear rain.", "<answer>wind</answer>")),
        "tags inside a pair of tags pass: what stands inside must hold none of the four",
    )


@exercise(
    "05.3", passed="a sum by completion, under a name of its own, with every column passed on"
)
def weigh(answer: Callable[[Sequence[tuple[float, Reward]]], Reward]) -> None:
    """One reward function that adds others up by weight."""

    def right(completions: list[str], solution: list[str], **columns: Any) -> list[float]:
        pairs = zip(completions, solution, strict=True)
        return [float(text == gold) for text, gold in pairs]

    def brief(completions: list[str], **columns: Any) -> list[float]:
        return [float(len(text) < 6) for text in completions]

    made = answer([(2.0, right), (0.5, brief)])
    expect(
        callable(made),
        f"a function is wanted, which is called later with completions, not {type(made).__name__}",
    )
    texts, gold = ["rain", "waves, I think", "wind", "rainbow"], ["rain", "rain", "rain", "rainbow"]
    try:
        got = _paid(made, texts, solution=gold)
    except TypeError as error:
        expect(
            "solution" not in str(error),
            "the inner rewards are called without the solution: hand every column on to them",
        )
        raise
    wanted = [2.5, 0.0, 0.5, 2.0]
    expect(
        got != [2.0, 0.0, 1.0, 1.0] and got != [1.0 * a for a in (2, 0, 1, 1)],
        "the weights are not used: each reward counts once, whatever its weight",
    )
    expect(
        got != [one / 2 for one in wanted],
        "this is a mean over the rewards; a sum is wanted, as TRL makes it",
    )
    expect(
        got != [one / 2.5 for one in wanted],
        "the weights are made to add up to 1: they are to be taken as they are",
    )
    expect(got == wanted, f"2 x right + 0.5 x brief is {wanted} here, not {got}")
    minus = _paid(answer([(-1.0, brief)]), texts, solution=gold)
    expect(minus == [-1.0, 0.0, -1.0, 0.0], "a weight below 0 has to take away from the reward")
    expect(
        getattr(made, "__name__", "") == "weighted_sum",
        "TRL logs a reward by its __name__, which should be weighted_sum",
    )


@exercise("05.4", passed="fourteen attacks held, and no honest answer pays for it")
def fair_reward(answer: Reward) -> None:
    """The learner's own reward on the range for prompt 2."""
    right, wrong = "<answer>rain</answer>", "<answer>wind</answer>"
    columns = {"solution": ["rain"] * 2, "choices": [["rain", "wind"]] * 2}
    got = _paid(answer, [right, wrong], **columns)
    expect(got[0] > got[1], "a wrong answer in good form earns as much as a right one")
    card = attack_suite(answer, prompt=2)
    for shot in card.paying:
        expect(
            False,
            f"an attack pays, '{shot.case.name}': {shot.reward:g} where {shot.limit} is allowed; "
            f"{shot.case.why}",
        )
    for shot in card.losing:
        expect(
            False,
            f"an honest answer loses, '{shot.case.name}': {shot.reward:g} of {shot.honest:g}; "
            f"{shot.case.why}",
        )
