"""A person's answers to questions: the log that keeps them, and the score on what was answered.

Answers are kept on the learner's machine, as question ids and choices, and nowhere else.
"""

from collections.abc import Sequence
from pathlib import Path

from r1aqa_helpers.data import AudioQuestion
from r1aqa_helpers.scoring import Score, score
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import read_log
from r1aqa_helpers.utils.paths import DATA
from r1aqa_helpers.utils.untrusted import shown, shown_value

#: Beside the runs, which git leaves alone.
FOLDER = DATA.parent / "runs" / "listening"


def answers_file(profile: str) -> Path:
    """Where a learner's answers to a profile's questions are kept."""
    return FOLDER / f"{profile}.jsonl"


def read_answers(path: Path, questions: Sequence[AudioQuestion]) -> dict[str, str]:
    """The first answer to each of the questions, by id; none where there is no file yet.

    Lines about other questions are left out.

    Raises:
        UserError: a line has no answer that is among its question's choices.
    """
    asked = {question.id: question for question in questions}
    answers: dict[str, str] = {}
    for row in read_log(path):
        question = asked.get(str(row.get("id")))
        if question is None:
            continue
        if row.get("answer") not in question.choices:
            raise UserError(
                f"{shown(path)}: question {shown_value(question.id)} has the answer"
                f" {shown_value(row.get('answer'))}, which is none of its choices;"
                " remove the line, or the file to start again"
            )
        answers.setdefault(question.id, row["answer"])
    return answers


def human_row(questions: Sequence[AudioQuestion], state_file: Path) -> Score | None:
    """The learner's score on the questions answered so far; None before the first.

    Raises:
        UserError: as `read_answers`; or a question has no gold answer.
    """
    answers = read_answers(state_file, questions)
    answered = [question for question in questions if question.id in answers]
    return score(answered, answers) if answered else None
