"""Answering without hearing: from a question's words, and with clips of something else.

Where one of them scores above chance, part of any model's accuracy on those questions needs no
hearing.
"""

import math
import random
import re
import warnings
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from r1aqa_helpers.data import AudioQuestion
from r1aqa_helpers.data.audio import load_audio, save_audio
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import PathLike
from r1aqa_helpers.utils.untrusted import shown, shown_value

#: Weight of the prior in each count, in times offered.
_PRIOR = 4.0


def text_only_answers(
    questions: Sequence[AudioQuestion], seen: Sequence[AudioQuestion]
) -> dict[str, str]:
    """Answers, by question id, from ``seen``: naive Bayes over what can be read of a choice.

    Its features are its text, its text with the question's, its place, and whether it is the
    longest; for each, the share of times that it was correct where it was offered. Of equally
    likely choices the first.
    """
    offered: Counter[Hashable] = Counter()
    correct: Counter[Hashable] = Counter()
    for question in seen:
        for choice, features in zip(question.choices, _features(question), strict=True):
            offered.update(features)
            if choice == question.answer:
                correct.update(features)
    answers = {}
    for question in questions:
        prior = _PRIOR / len(question.choices)
        scores = [
            sum(math.log((correct[f] + prior) / (offered[f] + _PRIOR)) for f in features)
            for features in _features(question)
        ]
        # Within rounding: else the order of the sum would break ties.
        least = max(scores) - 1e-9
        place = next(i for i, score in enumerate(scores) if score > least)
        answers[question.id] = question.choices[place]
    return answers


def _features(question: AudioQuestion) -> Iterator[list[Hashable]]:
    longest = max(map(len, question.choices))
    for place, choice in enumerate(question.choices):
        yield [
            ("choice", choice),
            ("asked", question.question, choice),
            ("place", place, len(question.choices)),
            ("longest", len(choice) == longest),
        ]


def silenced(questions: Sequence[AudioQuestion], folder: PathLike) -> list[AudioQuestion]:
    """The same questions about silence as long as their clips, written to ``folder``.

    Raises:
        UserError: a clip cannot be read, or the folder not be written.
    """
    folder = Path(folder).absolute()
    written: dict[int, Path] = {}
    silent = []
    # They are meant to be.
    warnings.filterwarnings("ignore", rf"{re.escape(shown(folder))}.*: is silent")
    for question in questions:
        samples = len(load_audio(question.audio))
        if samples not in written:
            written[samples] = folder / f"silence-{samples}.wav"
            save_audio(written[samples], np.zeros(samples, np.float32))
        silent.append(replace(question, audio=written[samples]))
    return silent


def swapped(questions: Sequence[AudioQuestion], seed: int = 0) -> list[AudioQuestion]:
    """The same questions, each about the clip of another question of the same task.

    The clips of a task are shifted by one in random order, so that each is heard as often as
    before, and none with a question of its own.

    Raises:
        UserError: a task has one clip only.
    """
    order = list(range(len(questions)))
    random.Random(seed).shuffle(order)
    rings: dict[str, dict[Path, None]] = {}
    for index in order:
        rings.setdefault(questions[index].task, {})[questions[index].audio] = None
    following = {}
    for task, clips in rings.items():
        ring = list(clips)
        if len(ring) == 1:
            raise UserError(
                f"task {shown_value(task)}: has one clip only, so none can be exchanged"
            )
        following[task] = dict(zip(ring, ring[1:] + ring[:1], strict=True))
    return [replace(q, audio=following[q.task][q.audio]) for q in questions]
