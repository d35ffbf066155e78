"""Baselines: predictions by question id that need no hearing, nor a model.

A baseline takes questions and returns what `score` takes. Baselines of a model that gets silence
in place of the clip are in `evaluation.probes`.
"""

import random
from collections import Counter
from collections.abc import Sequence

from r1aqa_helpers.data import AudioQuestion
from r1aqa_helpers.scoring.matching import right_choices
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.untrusted import shown_value


def chance(questions: Sequence[AudioQuestion]) -> float:
    """What a random choice reaches on average, in percent.

    The mean over the questions of the share of choices that MMAU's matcher accepts: 100 / k for
    a question with k choices, more where a wrong choice is accepted (repeated choices, or the
    gold answer's words in another order).

    Raises:
        UserError: a question has no gold answer.
    """
    shares = [sum(right_choices(_gold(q), q.choices)) / len(q.choices) for q in questions]
    return 100 * sum(shares) / len(shares)


def random_choice(questions: Sequence[AudioQuestion], seed: int = 0) -> dict[str, str]:
    """A choice drawn at random for each question, by seed and id, whatever the order."""
    return {q.id: random.Random(f"{seed} {q.id}").choice(q.choices) for q in questions}


def fixed_position(questions: Sequence[AudioQuestion], position: int = 0) -> dict[str, str]:
    """Always the choice at one position, from 0; modulo the number of choices."""
    return {q.id: q.choices[position % len(q.choices)] for q in questions}


def correct_by_position(questions: Sequence[AudioQuestion]) -> list[int]:
    """How many questions `fixed_position` answers correctly, by position.

    Raises:
        UserError: a question has no gold answer.
    """
    counts = [0] * max(len(q.choices) for q in questions)
    for q in questions:
        for place, right in enumerate(right_choices(_gold(q), q.choices)):
            if right:
                for position in range(place, len(counts), len(q.choices)):
                    counts[position] += 1
    return counts


def best_position(questions: Sequence[AudioQuestion]) -> int:
    """The position, from 0, at which `fixed_position` is correct most often; the first such.

    Taken from the questions that are scored, it makes the highest constant baseline. Raises
    ``UserError`` as `correct_by_position`.
    """
    counts = correct_by_position(questions)
    return counts.index(max(counts))


def majority_answer(
    questions: Sequence[AudioQuestion], seen: Sequence[AudioQuestion]
) -> dict[str, str]:
    """The choice that was the gold answer most often in ``seen``; among equals the first.

    Raises:
        UserError: a question of ``seen`` has no gold answer.
    """
    times = Counter(_gold(q).lower() for q in seen)
    return {q.id: max(q.choices, key=lambda choice: times[choice.lower()]) for q in questions}


def longest_choice(questions: Sequence[AudioQuestion]) -> dict[str, str]:
    """The choice with the most characters; among equals the first."""
    return {q.id: max(q.choices, key=len) for q in questions}


def _gold(question: AudioQuestion) -> str:
    if question.answer is None:
        raise UserError(
            f"question {shown_value(question.id)}: has no gold answer; give labelled questions"
        )
    return question.answer
