"""The quiz at the end of a notebook: five questions, every choice explained."""

from dataclasses import dataclass
from pathlib import Path

import ipywidgets

from r1aqa_helpers.course.widgets import choice, column, mark, note, rich_text, say, show
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import read_json, shown
from r1aqa_helpers.utils.paths import DATA

QUIZZES = DATA / "course" / "quizzes"


@dataclass(frozen=True)
class Option:
    """One choice; ``why`` says why it is right or wrong."""

    text: str
    right: bool
    why: str


@dataclass(frozen=True)
class QuizQuestion:
    """One question with three or four choices, one of them right."""

    question: str
    options: tuple[Option, ...]


def load_quiz(nn: str, folder: Path = QUIZZES) -> tuple[QuizQuestion, ...]:
    """The questions of ``NN.json``.

    Raises:
        UserError: the file is missing or has other fields; tests check what is in it.
    """
    path = folder / f"{nn}.json"
    try:
        return tuple(
            QuizQuestion(row["question"], tuple(Option(**option) for option in row["options"]))
            for row in read_json(path)
        )
    except (KeyError, TypeError):
        raise UserError(
            f"{shown(path)}: is no quiz; give each question its text and options with text, right "
            "and why"
        ) from None


class QuizWidget:
    """The quiz in a live notebook: a choice is judged at once, and the first one counts."""

    def __init__(self, questions: tuple[QuizQuestion, ...]) -> None:
        self.questions = questions
        self.first: dict[int, bool] = {}  #: question, from 0, to whether its first choice was right
        self._feedback = [note() for _ in questions]
        self._score = note()
        self._buttons: list[list[ipywidgets.Button]] = []
        parts: list[ipywidgets.Widget] = []
        for q, question in enumerate(questions):
            buttons = [
                choice(f"{'ABCD'[o]}. {option.text}", lambda q=q, o=o: self.choose(q, o))
                for o, option in enumerate(question.options)
            ]
            self._buttons.append(buttons)
            heading = note(f"<b>Question {q + 1}.</b> {rich_text(question.question)}")
            heading.layout.margin = "12px 2px 2px 2px"  # nearer to its choices than to others
            parts += [heading, *buttons, self._feedback[q]]
        self.widget = column([*parts, self._score])
        self._say_score()

    def choose(self, question: int, option: int) -> None:
        """Choose an option of a question, both from 0, as the button does."""
        chosen = self.questions[question].options[option]
        self.first.setdefault(question, chosen.right)
        mark(self._buttons[question][option], chosen.right)
        again = "" if chosen.right else " <i>Choose again.</i>"
        say(self._feedback[question], _explained(option, chosen) + again)
        self._say_score()

    def _say_score(self) -> None:
        done, right = len(self.first), sum(self.first.values())
        if done < len(self.questions):
            self._score.value = f"<p>{done} of {len(self.questions)} answered.</p>"
        else:
            say(self._score, f"<b>{right} of {done} right at the first choice.</b>")


def static_quiz(questions: tuple[QuizQuestion, ...]) -> str:
    """The quiz as HTML without a script: the explained answers are folded away."""
    parts = []
    for number, question in enumerate(questions, 1):
        # Letters as text: front ends have their own idea of how a list is numbered.
        choices = "".join(
            f"<div>{'ABCD'[o]}. {rich_text(option.text)}</div>"
            for o, option in enumerate(question.options)
        )
        answers = "".join(
            f"<p>{_explained(o, option)}</p>" for o, option in enumerate(question.options)
        )
        parts.append(
            f"<p><b>Question {number}.</b> {rich_text(question.question)}</p>{choices}"
            f"<details><summary>Answer to question {number}</summary>{answers}</details>"
        )
    return "<br>".join(parts)


def _explained(o: int, option: Option) -> str:
    verdict = "✓ Right" if option.right else "✗ Not right"
    return f"<b>{'ABCD'[o]}. {verdict}.</b> {rich_text(option.why)}"


def quiz(nn: str) -> None:
    """Show the quiz of notebook ``nn``; raises ``UserError`` as `load_quiz`."""
    questions = load_quiz(nn)
    plain = f"Quiz {nn}: {len(questions)} questions"
    show(QuizWidget(questions).widget, static_quiz(questions), plain)
