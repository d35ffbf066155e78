"""The quiz at the end of a notebook: five questions, every choice explained."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import ipywidgets

from r1aqa_helpers.course.widgets import choice, column, fold, mark, note, rich_text, say, show
from r1aqa_helpers.utils.io import read_json
from r1aqa_helpers.utils.paths import DATA

QUIZZES = DATA / "course" / "quizzes"


@dataclass(frozen=True)
class Option:
    """One choice; ``why`` says why it is correct or not."""

    text: str
    correct: bool
    why: str

    def explained(self, number: int) -> str:
        """HTML: the option's letter, the verdict and the reason."""
        verdict = "✓ Correct" if self.correct else "✗ Wrong"
        return f"<b>{'ABCD'[number]}. {verdict}.</b> {rich_text(self.why)}"


@dataclass(frozen=True)
class QuizQuestion:
    """One question with three or four choices, one of them correct."""

    question: str
    options: tuple[Option, ...]


def load_quiz(nn: str, folder: Path = QUIZZES) -> tuple[QuizQuestion, ...]:
    """The questions of ``NN.json``; tests check what is in it."""
    return tuple(
        QuizQuestion(row["question"], tuple(Option(**option) for option in row["options"]))
        for row in read_json(folder / f"{nn}.json")
    )


class QuizWidget:
    """The quiz in a live notebook: a choice is graded at once, and the first one counts."""

    def __init__(self, questions: tuple[QuizQuestion, ...]) -> None:
        self.questions = questions
        self.first: dict[int, bool] = {}  #: question, from 0 -> was its first choice correct
        self._feedback = [note() for _ in questions]
        self._score = note(f"<p>0 of {len(questions)} answered.</p>")
        self._buttons: list[list[ipywidgets.Button]] = []
        parts: list[ipywidgets.Widget] = []
        for q, question in enumerate(questions):
            buttons = [
                choice(f"{'ABCD'[o]}. {option.text}", partial(self.choose, q, o))
                for o, option in enumerate(question.options)
            ]
            self._buttons.append(buttons)
            heading = note(f"<b>Question {q + 1}.</b> {rich_text(question.question)}")
            heading.layout.margin = "12px 2px 2px 2px"  # nearer to its choices than to others
            parts += [heading, *buttons, self._feedback[q]]
        self.widget = column([*parts, self._score])

    def choose(self, question: int, option: int) -> None:
        """Choose an option of a question, both from 0, as the button does."""
        chosen = self.questions[question].options[option]
        self.first.setdefault(question, chosen.correct)
        mark(self._buttons[question][option], chosen.correct)
        again = "" if chosen.correct else " <i>Choose again.</i>"
        say(self._feedback[question], chosen.explained(option) + again)
        done, n = len(self.first), len(self.questions)
        if done < n:
            self._score.value = f"<p>{done} of {n} answered.</p>"
        else:
            told = f"{sum(self.first.values())} of {n} correct at the first choice."
            say(self._score, f"<b>{told}</b>")


def static_quiz(questions: tuple[QuizQuestion, ...]) -> str:
    """The quiz as HTML without a script: the explained answers are folded away."""
    parts = []
    for number, question in enumerate(questions, 1):
        options = list(enumerate(question.options))
        # Letters as text: front ends have their own idea of how a list is numbered.
        choices = "".join(f"<div>{'ABCD'[o]}. {rich_text(one.text)}</div>" for o, one in options)
        answers = "".join(f"<p>{one.explained(o)}</p>" for o, one in options)
        parts.append(
            f"<p><b>Question {number}.</b> {rich_text(question.question)}</p>{choices}"
            + fold(f"Answer to question {number}", answers)
        )
    return "<br>".join(parts)


def quiz(nn: str) -> None:
    """Show the quiz of notebook ``nn``."""
    questions = load_quiz(nn)
    plain = f"Quiz {nn}: {len(questions)} questions"
    show(QuizWidget(questions).widget, static_quiz(questions), plain)
