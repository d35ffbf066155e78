"""Which questions a run sees: drawn by its seed, so that all methods see the same ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from r1aqa_helpers.data import AudioQuestion, read_questions
from r1aqa_helpers.experiments.plan import Run
from r1aqa_helpers.tiny.data import prepare, recipes
from r1aqa_helpers.tiny.reasoning import true_answer, with_reasoning
from r1aqa_helpers.tiny.scenes import Scene
from r1aqa_helpers.training import run_schedule


@dataclass(frozen=True)
class Splits:
    """The questions of the three splits, and the recipes of the training clips by question id."""

    train: Sequence[AudioQuestion]
    validation: Sequence[AudioQuestion]
    test: Sequence[AudioQuestion]
    scenes: Mapping[str, Scene]


def tiny_splits() -> Splits:
    """tiny-avqa and tiny-mmau; clips are rendered where they are missing."""
    data = prepare()
    train, validation, test = map(read_questions, (data.train, data.validation, data.test))
    return Splits(train, validation, test, recipes("train"))


def training_questions(run: Run, splits: Splits) -> list[AudioQuestion]:
    """What the run is trained on. Fewer questions are the first ones of a larger draw."""
    regime, chosen = run.regime, list(splits.train)
    if regime.task is not None:
        chosen = [question for question in chosen if question.task == regime.task]
    if regime.questions is not None:
        order = run_schedule(len(chosen), min(regime.questions, len(chosen)), run.seed)
        chosen = [chosen[index] for index in order]
    if regime.wrong_labels is not None:
        chosen = mislabelled(chosen, splits.scenes, regime.wrong_labels, run.seed)
    return with_reasoning(chosen, splits.scenes) if run.method.needs_reasoning else chosen


def validation_questions(run: Run, splits: Splits) -> list[AudioQuestion]:
    """What its learning rate is chosen on: of the tasks that it was trained on."""
    wanted = run.regime.task
    return [q for q in splits.validation if wanted in (None, q.task)]


def mislabelled(
    questions: Sequence[AudioQuestion], scenes: Mapping[str, Scene], share: float, seed: int
) -> list[AudioQuestion]:
    """The questions with ``share`` of all labels wrong, those among them that were so before.

    A wrong label is one of the question's other choices.
    """
    rng = np.random.default_rng(seed)
    truths = [true_answer(question, scenes[question.id]) for question in questions]
    correct = [i for i, q in enumerate(questions) if q.answer == truths[i]]
    more = round(share * len(questions)) - (len(questions) - len(correct))
    changed = set(rng.permutation(correct)[: max(0, more)].tolist())
    rows = []
    for i, question in enumerate(questions):
        if i in changed:
            others = [choice for choice in question.choices if choice != truths[i]]
            question = replace(question, answer=others[int(rng.integers(len(others)))])
        rows.append(question)
    return rows
