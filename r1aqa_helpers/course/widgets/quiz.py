"""The quiz at the end of a notebook: five questions, every choice explained."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ipywidgets

from r1aqa_helpers.course.widgets import (
    choice,
    column,
    mark,
    note,
    rich_text,
    say,
    show,
)
from r1aqa_helpers.errors import UserError
from r1aqa_helpers.files import read_json, shown
from r1aqa_helpers.paths import DATA

QUIZZES = DATA / "course" / "quizzes"
LENGTH = 5


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
    """The five questions of ``NN.json``.

    Raises:
        UserError: not exactly five questions; a text that is missing or blank; another number
            of choices than three or four; two choices alike; none or several right ones.
    """
    path = folder / f"{nn}.json"
    stored = read_json(path)
    if not isinstance(stored, list) or len(stored) != LENGTH:
        number = len(stored) if isinstance(stored, list) else "no list of"
        raise UserError(f"{shown(path)}: holds {number} questions; a quiz has {LENGTH}")
    try:
        return tuple(_question(row, number) for number, row in enumerate(stored, 1))
    except _Fault as fault:
        raise UserError(f"{shown(path)}: {fault}") from None


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
            self._buttons.append(
                [
                    choice(f"{_letter(o)}. {option.text}", lambda q=q, o=o: self.choose(q, o))
                    for o, option in enumerate(question.options)
                ]
            )
            heading = note(f"<b>Question {q + 1}.</b> {rich_text(question.question)}")
            heading.layout.margin = "12px 2px 2px 2px"  # nearer to its choices than to others
            parts += [heading, *self._buttons[-1], self._feedback[q]]
        self.widget = column([*parts, self._score])
        self._say_score()

    def choose(self, question: int, option: int) -> None:
        """Choose an option of a question, both from 0, as the button does."""
        chosen = self.questions[question].options[option]
        self.first.setdefault(question, chosen.right)
        mark(self._buttons[question][option], chosen.right)
        verdict = "✓ Right." if chosen.right else "✗ Not right."
        again = "" if chosen.right else " <i>Choose again.</i>"
        message = f"<b>{_letter(option)}. {verdict}</b> {rich_text(chosen.why)}{again}"
        say(self._feedback[question], message)
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
            f"<div>{_letter(o)}. {rich_text(option.text)}</div>"
            for o, option in enumerate(question.options)
        )
        answers = "".join(
            f"<p><b>{_letter(o)}. {'✓ Right' if option.right else '✗ Not right'}.</b>"
            f" {rich_text(option.why)}</p>"
            for o, option in enumerate(question.options)
        )
        parts.append(
            f"<p><b>Question {number}.</b> {rich_text(question.question)}</p>{choices}"
            f"<details><summary>Answer to question {number}</summary>{answers}</details>"
        )
    return "<br>".join(parts)


def quiz(nn: str) -> None:
    """Show the quiz of notebook ``nn``; raises ``UserError`` as `load_quiz`."""
    questions = load_quiz(nn)
    plain = f"Quiz {nn}: {len(questions)} questions"
    show(QuizWidget(questions).widget, static_quiz(questions), plain)


# --- reading ------------------------------------------------------------------------------


class _Fault(Exception):
    """What is wrong with a question; the reader adds the file."""


def _letter(option: int) -> str:
    return "ABCD"[option]


def _text(row: Any, name: str, place: str) -> str:
    value = row.get(name) if isinstance(row, dict) else None
    if not isinstance(value, str) or not value.strip():
        raise _Fault(f"{place}: has no text {name}; add it")
    return value


def _question(row: Any, number: int) -> QuizQuestion:
    place = f"question {number}"
    text = _text(row, "question", place)
    stored = row.get("options")
    if not isinstance(stored, list) or len(stored) not in (3, 4):
        raise _Fault(f"{place}: give it 3 or 4 options")
    options = []
    for o, option in enumerate(stored):
        here = f"{place}, option {_letter(o)}"
        words, why = _text(option, "text", here), _text(option, "why", here)
        if not isinstance(option.get("right"), bool):
            raise _Fault(f"{here}: field right is neither true nor false")
        options.append(Option(words, option["right"], why))
    if len({option.text for option in options}) < len(options):
        raise _Fault(f"{place}: two options are the same; make them differ")
    right = sum(option.right for option in options)
    if right != 1:
        raise _Fault(f"{place}: {right} options are right; give it exactly one")
    return QuizQuestion(text, tuple(options))
