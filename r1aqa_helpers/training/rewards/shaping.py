"""Rewards that others add to accuracy and format, each with what it is for and its weak side.

All are TRL reward functions, or make one. Those that look at the choices want them as a column
``choices`` of the data set, one sequence of texts per completion.
"""

import re
from collections.abc import Sequence

from r1aqa_helpers.scoring import extract_answer, string_match
from r1aqa_helpers.training.rewards.published import (
    RewardFunction,
    format_reward,
    reward_of_text,
    text_of,
)

_TAGS = {
    2: ("<answer>", "</answer>"),
    3: ("<think>", "</think>", "<answer>", "</answer>"),
}
_THOUGHT = re.compile(r"<think>(.*?)</think>", re.DOTALL)
_WORD = re.compile(r"\w+")


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


def partial_format_reward(prompt: int) -> RewardFunction:
    """A shaped format reward: half for the tags that are there, half for the whole format.

    The first half is shared out among the tags that prompt <``prompt``> asks for: each counts
    where it occurs exactly once. The second half is `format_reward`'s, so that tags in a wrong
    order never earn as much as the format. The idea of a reward per tag is that of
    ``tag_count_reward`` in https://github.com/huggingface/open-r1 (src/open_r1/rewards.py).
    Raises ``ValueError`` for a prompt without a format.
    """
    whole = format_reward(prompt)
    tags = _TAGS[prompt]

    def score(text: str) -> float:
        share = sum(text.count(tag) == 1 for tag in tags) / len(tags)
        return 0.5 * share + 0.5 * whole([text])[0]

    return reward_of_text("partial_format_reward", score)


def length_penalty(free: int, limit: int) -> RewardFunction:
    """A penalty on long answers: 0 up to ``free`` words, then falling in a line to -1.

    -1 is reached at ``limit`` words and holds beyond. DAPO's soft overlong punishment
    (arXiv 2503.14476, equation 13), over words in place of tokens. It never rewards length, so
    that there is nothing to gain from padding. Raises ``ValueError`` unless
    ``0 <= free < limit``.
    """
    if not 0 <= free < limit:
        raise ValueError(f"free {free} and limit {limit}: 0 <= free < limit is needed")

    def score(text: str) -> float:
        return 0.0 - min(max(len(text.split()) - free, 0) / (limit - free), 1.0)

    return reward_of_text("length_penalty", score)


def thinking_reward(least: int = 3, most: int = 50) -> RewardFunction:
    """1.0 where there is a thought: ``least`` different words or more, ``most`` words at most.

    The thought is the first ``<think> </think>`` pair's content. Different words are counted,
    since "hmm hmm hmm" is no thought; the limit is the 50 words that Ke-Omni-R's prompt sets
    (https://github.com/shuaijiang/Ke-Omni-R). It cannot tell whether the thought is about the
    sound. Raises ``ValueError`` unless ``1 <= least <= most``.
    """
    if not 1 <= least <= most:
        raise ValueError(f"least {least} and most {most}: 1 <= least <= most is needed")

    def score(text: str) -> float:
        words = _words(_thought(text))
        return len(set(words)) >= least and len(words) <= most

    return reward_of_text("thinking_reward", score)


def consistency_reward(
    completions: Sequence[str | Sequence[dict]], **columns: object
) -> list[float]:
    """1.0 where the thought names the answer that is then given, correct or not; else 0.0.

    Named means: its words occur in the thought, next to one another, in any case. An answer
    without a thought, or an empty answer, earns nothing. Thoughts that argue for another answer
    than the one given are what CESAR (arXiv 2510.20867) and Audio-Thinker (arXiv 2508.08039)
    reward against, the latter by a judge model. A thought that names every choice is beyond this
    rule.
    """
    return [_consistent(text_of(completion)) for completion in completions]


def _consistent(text: str) -> float:
    thought, answer = _words(_thought(text)), _words(extract_answer(text))
    places = range(len(thought) - len(answer) + 1)
    return float(bool(answer) and any(thought[i : i + len(answer)] == answer for i in places))


def _thought(text: str) -> str:
    found = _THOUGHT.search(text)
    return found.group(1) if found else ""


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())
