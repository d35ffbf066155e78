"""Baselines that read at most the words: answers for which nobody had to listen."""

from collections.abc import Sequence
from dataclasses import dataclass

from r1aqa_helpers.data import AudioQuestion
from r1aqa_helpers.scoring import (
    best_position,
    fixed_position,
    longest_choice,
    majority_answer,
    random_choice,
)
from r1aqa_helpers.scoring.text_only import text_only_answers


@dataclass(frozen=True)
class Baseline:
    """Answers by question id, and how they were made."""

    name: str
    about: str
    answers: dict[str, str]


def text_baselines(
    questions: Sequence[AudioQuestion], seen: Sequence[AudioQuestion], seed: int = 0
) -> list[Baseline]:
    """Guessers, and a reader of the words; ``seen`` are labelled training questions."""
    place = best_position(seen)
    return [
        Baseline("random", f"a choice drawn by seed {seed}", random_choice(questions, seed)),
        Baseline("first", "always the first choice", fixed_position(questions)),
        Baseline(
            "best-place",
            f"always choice {place + 1}, the place most often correct in training",
            fixed_position(questions, place),
        ),
        Baseline("longest", "the choice with the most letters", longest_choice(questions)),
        Baseline(
            "majority",
            "the choice that was most often correct in training",
            majority_answer(questions, seen),
        ),
        Baseline(
            "text-only",
            "naive Bayes over the words of question and choices, learnt in training",
            text_only_answers(questions, seen),
        ),
    ]
