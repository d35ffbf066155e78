"""The two rewards of R1-AQA, added up unweighted: is the answer correct, and its format?

From src/utils/rewards.py of https://github.com/xiaomi-research/r1-aqa. They are kept as the
paper describes them; where that code departs from the description, the docstrings say so.
"""

import re
from collections.abc import Callable, Sequence

from r1aqa_helpers.data.prompts import check_prompt_number
from r1aqa_helpers.scoring import extract_answer

#: Called by TRL as f(completions=..., solution=..., other columns); one float per completion.
RewardFunction = Callable[..., list[float]]

# No tag of either kind within a pair: two answers, or an answer inside the thinking, would
# otherwise pass as one.
_INNER = r"(?:(?!</?(?:think|answer)>).)*"
_ANSWER_PAIR = rf"<answer>{_INNER}</answer>"
_FORMATS = {
    2: re.compile(_ANSWER_PAIR, re.DOTALL),
    3: re.compile(rf"<think>{_INNER}</think>\s*{_ANSWER_PAIR}", re.DOTALL),
}


def text_of(completion: str | Sequence[dict]) -> str:
    """A completion's text: TRL gives a string, or messages for conversational prompts."""
    return completion if isinstance(completion, str) else completion[0]["content"]


def reward_of_text(name: str, score: Callable[[str], float]) -> RewardFunction:
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


def format_reward(prompt: int) -> RewardFunction:
    """The reward for keeping to the format that prompt <``prompt``> asks for (2 or 3).

    It gives 1.0 where the whole completion is ``<answer>…</answer>`` for prompt 2, or
    ``<think>…</think>`` and then ``<answer>…</answer>`` for prompt 3, with nothing but white
    space between the two; else 0.0. The contents may span lines. Unlike in the reference code,
    each pair of tags may occur only once, and no tag inside a pair. Raises ``ValueError`` for a
    prompt without a format.
    """
    if prompt not in _FORMATS:
        raise ValueError(f"prompt {prompt!r} asks for no format that could be rewarded")
    pattern = _FORMATS[prompt]
    return reward_of_text("format_reward", lambda text: pattern.fullmatch(text) is not None)


def rewards_for(prompt: int) -> list[RewardFunction]:
    """R1-AQA's rewards for a prompt, to be summed: accuracy, and format where tags are asked.

    Their ``__name__`` (``accuracy_reward``, ``format_reward``) is what TRL logs. Raises
    ``UserError`` for an unknown prompt number.
    """
    check_prompt_number(prompt)
    return [accuracy_reward] + ([format_reward(prompt)] if prompt in _FORMATS else [])
