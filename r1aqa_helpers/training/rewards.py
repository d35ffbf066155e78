"""Rewards for GRPO, as TRL reward functions: from completions to one number each.

First the two that R1-AQA adds up, unweighted: is the answer correct, and its format? From
src/utils/rewards.py of https://github.com/xiaomi-research/r1-aqa, kept as the paper describes them;
where that code departs from the description, the docstrings say so. Then the matcher's verdict as a
reward, which wants the choices as a column ``choices`` of the data set, one sequence of texts per
completion. Last, rewards made of rewards.
"""

from collections.abc import Callable, Sequence
from functools import partial

from r1aqa_helpers.data.prompts import check_prompt_number
from r1aqa_helpers.scoring import extract_answer, string_match

#: Called by TRL as f(completions=..., solution=..., other columns); one float per completion, or
#: None, which abstains: sums and means are without it.
RewardFunction = Callable[..., Sequence[float | None]]
#: One that always gives a number.
NumberReward = Callable[..., list[float]]

#: The tags of the format that a prompt asks for, in their order.
_TAGS = {
    2: ("<answer>", "</answer>"),
    3: ("<think>", "</think>", "<answer>", "</answer>"),
}


def text_of(completion: str | Sequence[dict]) -> str:
    """A completion's text: TRL gives a string, or messages for conversational prompts."""
    return completion if isinstance(completion, str) else completion[0]["content"]


def reward_of_text(name: str, score: Callable[[str], float]) -> NumberReward:
    """The reward function, logged as ``name``, that gives each completion its text's ``score``."""

    def reward(completions: Sequence[str | Sequence[dict]], **columns: object) -> list[float]:
        return [float(score(text_of(completion))) for completion in completions]

    reward.__name__ = name
    return reward


def accuracy_reward(
    completions: Sequence[str | Sequence[dict]], solution: Sequence[str], **columns: object
) -> list[float]:
    """1.0 where the extracted answer equals the gold answer's text, trimmed; else 0.0.

    ``solution`` holds the gold text per completion, without tags. The comparison is exact, so
    ``car`` is not ``Car``: the choices are in the prompt and are to be repeated, and the reward
    stays stricter than the matcher that evaluates. A bare answer without tags counts, as in the
    reference code; asking for tags is the format reward's part.

    Unlike the reference code, an answer on lines of its own between the tags counts, and no
    symbolic mathematics is tried first: it took "Piano, 4 notes" for "Guitar, 4 notes".
    """
    return [
        float(extract_answer(text_of(completion)) == gold.strip())
        for completion, gold in zip(completions, solution, strict=True)
    ]


def format_reward(prompt: int) -> NumberReward:
    """The reward for keeping to the format that prompt <``prompt``> asks for (2 or 3).

    It gives 1.0 where the whole completion is ``<answer>…</answer>`` for prompt 2, or
    ``<think>…</think>`` and then ``<answer>…</answer>`` for prompt 3, with nothing but white
    space between the two; else 0.0. The contents may span lines. Unlike in the reference code,
    each pair of tags may occur only once, and no tag inside a pair. Raises ``ValueError`` for a
    prompt without a format.
    """
    if prompt not in _TAGS:
        raise ValueError(f"prompt {prompt!r} asks for no format that could be rewarded")
    return reward_of_text("format_reward", lambda text: _in_format(text, _TAGS[prompt]))


def _in_format(text: str, tags: Sequence[str]) -> bool:
    # No tag of either kind within a pair: two answers, or an answer inside the thinking, would
    # otherwise pass as one. A regular expression takes seconds for a text of 10 MB.
    once = all(text.count(tag) == (tag in tags) for tag in _TAGS[3])
    between = text.partition("</think>")[2].partition("<answer>")[0]
    return once and text.startswith(tags[0]) and text.endswith(tags[-1]) and not between.strip()


def rewards_for(prompt: int) -> list[RewardFunction]:
    """R1-AQA's rewards for a prompt, to be summed: accuracy, and format where tags are asked.

    Their ``__name__`` (``accuracy_reward``, ``format_reward``) is what TRL logs. Raises
    ``UserError`` for an unknown prompt number.
    """
    check_prompt_number(prompt)
    return [accuracy_reward, *([format_reward(prompt)] if prompt in _TAGS else [])]


def match_reward(
    completions: Sequence[str | Sequence[dict]],
    solution: Sequence[str],
    choices: Sequence[Sequence[str]],
    **columns: object,
) -> list[float]:
    """1.0 where MMAU's matcher would count the extracted answer as correct, else 0.0.

    More forgiving than `accuracy_reward`: "I hear rain." counts as "rain", so that a model which
    talks in sentences has something to gain from the first step on. What the matcher cannot see
    can be exploited: it compares sets of words, and "not rain" has the word of "rain".
    """
    return [
        float(string_match(gold, extract_answer(text_of(completion)), options))
        for completion, gold, options in zip(completions, solution, choices, strict=True)
    ]


def name_of(reward: Callable[..., object]) -> str:
    """What a reward is logged by: the function's name, also of a partial one, or the class's."""
    while isinstance(reward, partial):
        reward = reward.func
    return getattr(reward, "__name__", type(reward).__name__)


def named(name: str, reward: RewardFunction) -> RewardFunction:
    """``reward`` under another name, which is what TRL logs its mean by."""

    def renamed(completions: Sequence, **columns: object) -> Sequence[float | None]:
        return reward(completions=completions, **columns)

    renamed.__name__ = name
    return renamed


def weighted(*terms: tuple[float, RewardFunction], name: str | None = None) -> RewardFunction:
    """The sum of rewards, each times its weight: ``weighted((1.0, f), (0.5, g))``.

    TRL sums a list of rewards itself, by ``reward_weights`` of its configuration, and then logs
    each alone; this is for where one function is wanted. Weights may be negative. Terms that
    abstain are left out. ``name`` is by default made of weights and names, like ``1*f + 0.5*g``.
    Raises ``ValueError`` without terms.
    """
    if not terms:
        raise ValueError("weighted: at least one (weight, reward) is needed")

    def total(completions: Sequence, **columns: object) -> list[float | None]:
        each = [reward(completions=completions, **columns) for _, reward in terms]
        weights = [weight for weight, _ in terms]
        return [weighted_sum(weights, ones) for ones in zip(*each, strict=True)]

    default = " + ".join(f"{weight:g}*{name_of(reward)}" for weight, reward in terms)
    return named(name or default, total)


def weighted_sum(weights: Sequence[float], rewards: Sequence[float | None]) -> float | None:
    """The sum over the rewards that do not abstain; None where all do."""
    pairs = zip(weights, rewards, strict=True)
    counted = [weight * reward for weight, reward in pairs if reward is not None]
    return float(sum(counted)) if counted else None


def only_if(condition: RewardFunction, reward: RewardFunction) -> RewardFunction:
    """``reward`` where ``condition`` gives more than 0, else 0: a gate in place of a sum.

    In a sum, what is lost in one term can be made up for in another; behind a gate it cannot.
    Where the condition abstains, so does the whole.
    """

    def gated(completions: Sequence, **columns: object) -> list[float | None]:
        gates = condition(completions=completions, **columns)
        rewards = reward(completions=completions, **columns)
        pairs = zip(gates, rewards, strict=True)
        return [None if gate is None else one if gate > 0 else 0.0 for gate, one in pairs]

    return named(f"{name_of(reward)} if {name_of(condition)}", gated)
