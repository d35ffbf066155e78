"""The rows below every model: answers for which nobody had to listen."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from r1aqa_helpers.answering import answer_questions
from r1aqa_helpers.models import LoadedModel
from r1aqa_helpers.profiles import Profile
from r1aqa_helpers.questions import AudioQuestion
from r1aqa_helpers.questions.text_only import silenced, swapped, text_only_answers
from r1aqa_helpers.scoring import (
    best_position,
    fixed_position,
    longest_choice,
    majority_answer,
    random_choice,
)


@dataclass(frozen=True)
class Floor:
    """Answers by question id, and how they came about."""

    name: str
    about: str
    answers: dict[str, str]


def text_floors(
    questions: Sequence[AudioQuestion], seen: Sequence[AudioQuestion], seed: int = 0
) -> list[Floor]:
    """Floors that read at most the words; ``seen`` are labelled training questions."""
    place = best_position(seen)
    return [
        Floor("random", f"a choice drawn by seed {seed}", random_choice(questions, seed)),
        Floor("first", "always the first choice", fixed_position(questions)),
        Floor(
            "best-place",
            f"always choice {place + 1}, the place most often right in training",
            fixed_position(questions, place),
        ),
        Floor("longest", "the choice with the most letters", longest_choice(questions)),
        Floor(
            "majority",
            "the choice that was most often right in training",
            majority_answer(questions, seen),
        ),
        Floor(
            "text-only",
            "naive Bayes over the words of question and choices, learnt in training",
            text_only_answers(questions, seen),
        ),
    ]


def deaf_floors(
    loaded: LoadedModel,
    questions: Sequence[AudioQuestion],
    profile: Profile,
    folder: Path,
    prompt: int = 2,
    seed: int = 0,
) -> list[Floor]:
    """A model's answers with silence in place of the clip, and with another question's clip.

    Journals, to go on from after an interruption, and the silence are written to ``folder``.
    """
    replaced = {
        "silence": ("silence as long as the clip", silenced(questions, folder / "silence")),
        "other-clip": ("the clip of another question of the task", swapped(questions, seed)),
    }
    floors = []
    for name, (about, asked) in replaced.items():
        said = answer_questions(
            loaded,
            asked,
            prompt=prompt,
            batch_tokens=profile.eval_tokens,
            max_new_tokens=profile.max_new_tokens,
            journal=folder / f"{name}.journal.jsonl",
        )
        floors.append(Floor(name, about, {p.id: p.answer for p in said}))
    return floors
