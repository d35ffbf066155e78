"""A model's answers to some questions: as a table beside each other, and as an accuracy."""

from collections.abc import Mapping, Sequence

from r1aqa_helpers.course.group_rewards import printable
from r1aqa_helpers.course.printed import accuracy
from r1aqa_helpers.course.tables import Table
from r1aqa_helpers.data import AudioQuestion
from r1aqa_helpers.evaluation.local import Prediction
from r1aqa_helpers.scoring import Score, score, string_match


def answers_table(
    questions: Sequence[AudioQuestion], columns: Mapping[str, Sequence[Prediction]]
) -> Table:
    """A row per question: the correct choice, and what each column's model wrote, ✓ or ✗.

    Args:
        columns: heading -> answers in the order of the questions.
    """
    rows = []
    for place, question in enumerate(questions):
        cells = [f"{question.question} {', '.join(question.choices)}", question.answer or "–"]
        for said in columns.values():
            one = said[place]
            correct = string_match(question.answer or "", one.answer, question.choices)
            cells.append(f"{'✓' if correct else '✗'} {printable(one.response)}")
        rows.append(cells)
    return Table("", rows, ["question and choices", "correct", *columns])


def accuracy_of(
    name: str, questions: Sequence[AudioQuestion], answers: Sequence[Prediction]
) -> Score:
    """Print the accuracy of the answers with its interval; returns the whole score.

    Raises:
        UserError: a question has no gold answer.
    """
    result = score(questions, {one.id: one.answer for one in answers})
    accuracy(name, result.overall.correct, result.n)
    return result
