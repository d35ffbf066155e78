"""Rewards that others put beside accuracy and format, each with what it is after and its weak side.

All are TRL reward functions, or make one. Those that look at the choices want them as a column
``choices`` of the data set, one sequence of texts per completion.
"""

import re
from collections.abc import Sequence

from r1aqa_helpers.scoring import extract_answer, string_match

from .published import RewardFunction, format_reward, text_of

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
    """1.0 where MMAU's matcher would count the extracted answer as right, else 0.0.

    More forgiving than `accuracy_reward`: "I hear rain." counts as "rain", so that a model which
    talks in sentences has something to gain from the first step on. What the matcher cannot see
    can be exploited: it compares sets of words, and "not rain" has the word of "rain".
    """
    return [
        float(string_match(gold, extract_answer(text_of(completion)), options))
        for completion, gold, options in zip(completions, solution, choices, strict=True)
    ]


def partial_format_reward(prompt: int) -> RewardFunction:
    """A shaped format reward: half for the tags that are there, half for the whole form.

    The first half is shared out among the tags that prompt <``prompt``> asks for: each counts
    where it stands exactly once. The second half is `format_reward`'s, so that tags in a wrong
    order never earn as much as the form. The idea of paying per tag is that of
    ``tag_count_reward`` in https://github.com/huggingface/open-r1 (src/open_r1/rewards.py).
    Raises ``ValueError`` for a prompt without a form.
    """
    whole = format_reward(prompt)
    tags = _TAGS[prompt]

    def partial_format_reward(
        completions: Sequence[str | Sequence[dict]], **columns: object
    ) -> list[float]:
        shares = [
            sum(text_of(completion).count(tag) == 1 for tag in tags) / len(tags)
            for completion in completions
        ]
        return [
            0.5 * share + 0.5 * kept for share, kept in zip(shares, whole(completions), strict=True)
        ]

    return partial_format_reward


def length_penalty(free: int, limit: int) -> RewardFunction:
    """A penalty on long answers: 0 up to ``free`` words, then falling in a line to -1.

    -1 is reached at ``limit`` words and holds beyond. DAPO's soft overlong punishment
    (arXiv 2503.14476, equation 13), over words in place of tokens. It never pays for length, so
    that there is nothing to gain from padding. Raises ``ValueError`` unless
    ``0 <= free < limit``.
    """
    if not 0 <= free < limit:
        raise ValueError(f"free {free} and limit {limit}: 0 <= free < limit is needed")

    def length_penalty(
        completions: Sequence[str | Sequence[dict]], **columns: object
    ) -> list[float]:
        words = [len(text_of(completion).split()) for completion in completions]
        return [0.0 - min(max(n - free, 0) / (limit - free), 1.0) for n in words]

    return length_penalty


def thinking_reward(least: int = 3, most: int = 50) -> RewardFunction:
    """1.0 where there is a thought: ``least`` different words or more, ``most`` words at most.

    The thought is the first ``<think> </think>`` pair's content. Different words are counted,
    since "hmm hmm hmm" is no thought; the limit is the 50 words that Ke-Omni-R's prompt sets
    (https://github.com/shuaijiang/Ke-Omni-R). Whether the thought has to do with the sound, it
    cannot tell. Raises ``ValueError`` unless ``1 <= least <= most``.
    """
    if not 1 <= least <= most:
        raise ValueError(f"least {least} and most {most}: 1 <= least <= most is needed")

    def thinking_reward(
        completions: Sequence[str | Sequence[dict]], **columns: object
    ) -> list[float]:
        thoughts = [_words(_thought(text_of(completion))) for completion in completions]
        return [float(len(set(words)) >= least and len(words) <= most) for words in thoughts]

    return thinking_reward


def consistency_reward(
    completions: Sequence[str | Sequence[dict]], **columns: object
) -> list[float]:
    """1.0 where the thought names the answer that is then given, else 0.0; right or wrong.

    Named means: its words stand in the thought, next to one another, in any case. An answer
    without a thought, or an empty answer, earns nothing. Thoughts that argue for another answer
    than the one given are what CESAR (arXiv 2510.20867) and Audio-Thinker (arXiv 2508.08039)
    reward against, the latter by a judge model. A thought that names every choice is beyond this
    rule.
    """
    rewards = []
    for completion in completions:
        text = text_of(completion)
        thought, answer = _words(_thought(text)), _words(extract_answer(text))
        places = range(len(thought) - len(answer) + 1)
        named = bool(answer) and any(thought[i : i + len(answer)] == answer for i in places)
        rewards.append(float(named))
    return rewards


def _thought(text: str) -> str:
    found = _THOUGHT.search(text)
    return found.group(1) if found else ""


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())
