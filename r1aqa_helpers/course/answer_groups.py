"""Groups of answers to one question: sampled from a model, recorded, and put to a reward.

`data/course/answer_groups.json` holds groups of the tiny base model, so that their rewards
are the same numbers on every machine. `scripts/record_answer_groups.py` writes it.
"""

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from r1aqa_helpers.data import AudioQuestion
from r1aqa_helpers.data.audio import clip_to_window, load_audio
from r1aqa_helpers.data.prompts import build_prompt, question_text
from r1aqa_helpers.models import (
    LoadedModel,
    SeededSampling,
    chat_text,
    encode,
    generate,
    greedy_config,
)
from r1aqa_helpers.training.rewards import RewardFunction, name_of
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import PathLike, read_json
from r1aqa_helpers.utils.paths import DATA
from r1aqa_helpers.utils.untrusted import plain, shown

RECORDED = DATA / "course" / "answer_groups.json"

#: Tokens that a sampled answer may have; the tiny base seldom needs thirty.
MAX_NEW_TOKENS = 64


@dataclass(frozen=True)
class AnswerGroup:
    """One question, and the completions that were sampled for it.

    Attributes:
        id: of the question.
        question, choices, answer: as the prompt has them; the answer is the correct choice's text.
        prompt: number of the paper's prompt.
        completions: as the model wrote them, without special tokens.
    """

    id: str
    question: str
    choices: tuple[str, ...]
    answer: str
    prompt: int
    completions: tuple[str, ...]

    @property
    def columns(self) -> dict[str, list]:
        """What TRL calls a reward function with: a list per column, one entry per completion."""
        n = len(self.completions)
        return {
            "prompts": [build_prompt(self.question, self.choices, self.prompt)] * n,
            "completions": list(self.completions),
            "solution": [self.answer] * n,
            "choices": [list(self.choices) for _ in range(n)],
        }


def apply_reward(reward: RewardFunction, group: AnswerGroup) -> list[float | None]:
    """What ``reward`` gives each completion of ``group``, called as TRL calls it.

    Raises:
        UserError: in one line, where the reward raises, or returns anything but one finite
            number, or None to abstain, per completion.
    """
    name = shown(name_of(reward))
    try:
        got = reward(**group.columns)
    except Exception as error:
        first = plain(next(iter(str(error).splitlines()), "no message"))
        if isinstance(error, TypeError) and "unexpected keyword argument" in first:
            hint = "TRL hands over every column, so end the parameters with **columns"
            raise UserError(f"{name}: {first}; {hint}") from error
        raise UserError(f"{name}: {type(error).__name__}: {first}") from error
    try:
        numbers = [None if one is None else float(one) for one in got]
    except (TypeError, ValueError):
        raise UserError(f"{name}: returned no list of numbers, one per completion") from None
    if len(numbers) != len(group.completions):
        told = f"returned {len(numbers)} numbers for {len(group.completions)} completions"
        raise UserError(f"{name}: {told}")
    if not all(one is None or math.isfinite(one) for one in numbers):
        raise UserError(f"{name}: returned a number that is not finite")
    return numbers


def sample_groups(
    loaded: LoadedModel,
    questions: Sequence[AudioQuestion],
    prompt: int,
    size: int = 8,
    seed: int = 0,
) -> list[AnswerGroup]:
    """``size`` answers to each question, drawn at temperature 1 from the whole distribution.

    Each answer has a seed of its own, made of ``seed``, the question's id and its place in the
    group: the draws depend on no other question, and on the machine only where two tokens are
    equally likely to within rounding.

    Raises:
        UserError: a recording that cannot be read, a question without an answer.
    """
    config = greedy_config(loaded, MAX_NEW_TOKENS)
    groups = []
    for question in questions:
        if question.answer is None:
            raise UserError(f"question {question.id}: has no answer to reward")
        asked = question_text(question)
        text = chat_text(loaded, build_prompt(asked, question.choices, prompt))
        wave, _ = clip_to_window(load_audio(question.audio), loaded.window_seconds)
        seeds = [zlib.crc32(f"{seed} {question.id} {row}".encode()) for row in range(size)]
        inputs = encode(loaded, [text] * size, [wave] * size)
        said = generate(loaded, inputs, config, SeededSampling(seeds), recordings=[0] * size)
        groups.append(
            AnswerGroup(question.id, asked, question.choices, question.answer, prompt, tuple(said))
        )
    return groups


def recorded_groups(prompt: int, path: PathLike = RECORDED) -> list[AnswerGroup]:
    """The recorded groups of the tiny base model that were asked with this prompt.

    Raises:
        UserError: the file cannot be read, or holds none for this prompt.
    """
    rows = [row for row in read_json(Path(path))["groups"] if row["prompt"] == prompt]
    if not rows:
        raise UserError(f"{shown(path)}: holds no groups for prompt {prompt}")
    texts = ("choices", "completions")
    return [AnswerGroup(**(row | {name: tuple(row[name]) for name in texts})) for row in rows]
