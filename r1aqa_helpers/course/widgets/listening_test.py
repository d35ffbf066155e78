"""The listening test: a person hears ten clips and answers; their row stands beside the model's.

Answers are kept on the learner's machine, in a journal of question ids, and nowhere else.
"""

import html
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import ipywidgets
from IPython.display import display

from r1aqa_helpers.course.session import stratified
from r1aqa_helpers.course.widgets import choice, column, mark, note, say, show
from r1aqa_helpers.course.widgets.player import Player
from r1aqa_helpers.errors import UserError
from r1aqa_helpers.files import append_jsonl, read_journal, shown, shown_value
from r1aqa_helpers.paths import DATA
from r1aqa_helpers.questions import AudioQuestion
from r1aqa_helpers.results import DOMAINS, ResultRow, load_measured, load_published
from r1aqa_helpers.scoring import Accuracy, Score, score, string_match

LENGTH = 10
#: Beside the runs, which git leaves alone.
FOLDER = DATA.parent / "runs" / "listening"

_LEFT = 'style="text-align:left;padding:2px 12px 2px 0"'


def pick(questions: Sequence[AudioQuestion], k: int = LENGTH, seed: int = 0) -> list[AudioQuestion]:
    """``k`` of the questions, of each task its share, the same for the same seed.

    Raises:
        ValueError: there are fewer than ``k``.
    """
    return stratified(list(questions), k, seed)


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
    for row in read_journal(path):
        question = asked.get(str(row.get("id")))
        if question is None:
            continue
        if row.get("answer") not in question.choices:
            raise UserError(
                f"{shown(path)}: question {shown_value(question.id)} has the answer"
                f" {shown_value(row.get('answer'))}, which is none of its choices;"
                " remove the line, or the file to start afresh"
            )
        answers.setdefault(question.id, row["answer"])
    return answers


def is_right(question: AudioQuestion, answer: str) -> bool:
    """MMAU's verdict on a choice, as models get it."""
    return question.answer is not None and string_match(question.answer, answer, question.choices)


def human_row(questions: Sequence[AudioQuestion], state_file: Path) -> Score | None:
    """The learner's score on the questions answered so far; None before the first.

    Raises:
        UserError: as `read_answers`; or a question has no gold answer.
    """
    answers = read_answers(state_file, questions)
    answered = [question for question in questions if question.id in answers]
    return score(answered, answers) if answered else None


# --- the row ------------------------------------------------------------------------------


class HumanTable:
    """The learner's row above the tiny model's measured one and the published human one."""

    def __init__(self, row: Score | None) -> None:
        self.row = row

    def lines(self) -> Iterator[tuple[str, list[str]]]:
        """Name and five cells of every row: the domains, the average, its interval."""
        if self.row is None:
            yield "you", ["no answers yet", "", "", "", ""]
        else:
            tasks = [_share(self.row.tasks.get(name)) for name in DOMAINS]
            yield "you", [*tasks, f"{self.row.average:.1f}, n {self.row.n}", _interval(self.row)]
        for model in load_measured():
            if (model.method, model.prompt) == ("direct", 2):
                cells = [_percent(getattr(model, name)) for name in DOMAINS]
                name = "tiny model, direct inference, measured"
                yield name, [*cells, f"{model.average:.1f}, n {model.n}", _interval(model)]
        human = next(row for row in load_published().card if row.method == "Human")
        cells = [_percent(getattr(human, name)) for name in (*DOMAINS, "average")]
        yield "people, on MMAU test-mini, published", [*cells, "not given"]

    def __repr__(self) -> str:
        head = ("", [*DOMAINS, "average", "95 % interval"])
        return "\n".join(
            f"{name:<40}" + "".join(f"{cell:>20}" for cell in cells).rstrip()
            for name, cells in (head, *self.lines())
        )

    def _repr_html_(self) -> str:
        heads = ["", *DOMAINS, "average", "95 % interval"]
        head = "".join(f'<th scope="col" {_LEFT}>{name}</th>' for name in heads)
        rows = "".join(
            f'<tr><th scope="row" {_LEFT}>{html.escape(name)}</th>'
            + "".join(f"<td {_LEFT}>{html.escape(cell)}</td>" for cell in cells)
            + "</tr>"
            for name, cells in self.lines()
        )
        return (
            f"<table><caption {_LEFT}>Right answers, in percent</caption>"
            f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        )


def show_row(questions: Sequence[AudioQuestion], state_file: Path) -> None:
    """Show the learner's row so far beside the model's; errors as `human_row`."""
    display(HumanTable(human_row(questions, state_file)))


def _share(accuracy: Accuracy | None) -> str:
    """A domain of the learner's: few questions, so its interval stands with it."""
    if accuracy is None:
        return "–"
    return f"{accuracy.correct} of {accuracy.n} ({_interval(accuracy)})"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"


def _interval(row: Accuracy | Score | ResultRow) -> str:
    low, high = row.ci95
    return f"{low:.0f} to {high:.0f}"


# --- the test -----------------------------------------------------------------------------


class ListeningWidget:
    """One clip at a time: play, choose, learn the answer, go on. It resumes where it was left."""

    def __init__(self, questions: Sequence[AudioQuestion], state_file: Path) -> None:
        self.questions = list(questions)
        self.state_file = state_file
        self.answers = read_answers(state_file, self.questions)
        self._clip, self._feedback = note(), note()
        self._choices = ipywidgets.VBox()
        self._next = choice("Next clip", self.next)
        self._again = choice("Start again", self.start_again)
        self._now: AudioQuestion | None = None
        children = [self._clip, self._choices, self._feedback, self._next, self._again]
        self.widget = column(children)
        self.next()

    def next(self) -> None:
        """Show the first clip without an answer, or the row where there is none left."""
        left = [question for question in self.questions if question.id not in self.answers]
        self._now = left[0] if left else None
        self._feedback.value = ""
        self._show(self._next, False)
        self._show(self._again, self._now is None)
        if self._now is None:
            self._choices.children = ()
            table = HumanTable(human_row(self.questions, self.state_file))
            say(self._clip, f"<b>All clips answered.</b> {table._repr_html_()}")
            return
        self._clip.value = _clip(self._now, self.questions)
        self._choices.children = tuple(
            choice(text, lambda text=text: self.answer(text)) for text in self._now.choices
        )

    def answer(self, text: str) -> None:
        """Answer the clip on show, as its button does; only the first answer counts."""
        question = self._now
        if question is None or question.id in self.answers:
            return
        try:
            append_jsonl(self.state_file, {"id": question.id, "answer": text})
        except UserError as error:
            say(self._feedback, f"<b>Not kept:</b> {html.escape(str(error))}")
            return
        self.answers[question.id] = text
        for button, option in zip(self._choices.children, question.choices, strict=True):
            button.disabled = True
            if option == text or is_right(question, option):
                mark(button, is_right(question, option))
        say(self._feedback, verdict(question, text))
        self._next.description = "Next clip"
        if len(self.answers) == len(self.questions):
            self._next.description = "See my row"
        self._show(self._next, True)

    def start_again(self) -> None:
        """Forget all answers, also in the file."""
        self.state_file.unlink(missing_ok=True)
        self.answers = {}
        self.next()

    @staticmethod
    def _show(button: ipywidgets.Button, visible: bool) -> None:
        button.layout.display = "" if visible else "none"


def verdict(question: AudioQuestion, answer: str) -> str:
    """What a learner is told about an answer, as HTML."""
    gold = html.escape(question.answer or "")
    if is_right(question, answer):
        return f"<b>✓ Right:</b> {gold}."
    return f"<b>✗ Not right.</b> You said {html.escape(answer)}; the answer is <b>{gold}</b>."


def listening_quiz(questions: Sequence[AudioQuestion], state_file: Path) -> None:
    """Show the listening test; without a kernel, the clips with their answers folded away.

    Args:
        questions: with gold answers; ``pick`` chooses ten.
        state_file: journal of the answers; a test that was left half way goes on there.

    Raises:
        UserError: a clip cannot be read, or the journal is damaged.
    """
    live = ListeningWidget(questions, state_file)
    show(live.widget, static_listening(questions), f"Listening test: {len(questions)} clips")


def static_listening(questions: Sequence[AudioQuestion]) -> str:
    """The listening test as HTML without a script."""
    parts = []
    for number, question in enumerate(questions, 1):
        choices = "".join(f"<li>{html.escape(text)}</li>" for text in question.choices)
        parts.append(
            f"{_clip(question, questions)}<ul>{choices}</ul>"
            f"<details><summary>Answer to clip {number}</summary>"
            f"<p>{html.escape(question.answer or '')}</p></details>"
        )
    return "<br>".join(parts)


def _clip(question: AudioQuestion, questions: Sequence[AudioQuestion]) -> str:
    place = f"Clip {list(questions).index(question) + 1} of {len(questions)}"
    if question.task:
        place += f", {question.task}"
    sound = Player(question.audio, place).html()
    return f"{sound}<p><b>{html.escape(question.question)}</b></p>"


# --- without a notebook -------------------------------------------------------------------


def listen_in_terminal(
    questions: Sequence[AudioQuestion],
    state_file: Path,
    ask: Callable[[str], str],
    tell: Callable[[str], None],
) -> None:
    """The same test without a front end: names each file to open, asks, tells, keeps.

    Args:
        questions: with gold answers.
        state_file: journal of the answers, the same as the notebook's.
        ask: shows a prompt and returns what was typed.
        tell: prints a line.

    Raises:
        UserError: the journal is damaged or cannot be written.
    """
    answers = read_answers(state_file, questions)
    for number, question in enumerate(questions, 1):
        if question.id in answers:
            continue
        tell(f"\nClip {number} of {len(questions)}: open {shown(question.audio)}")
        tell(shown(question.question))
        for c, text in enumerate(question.choices, 1):
            tell(f"  {c}  {shown(text)}")
        said = _number(ask, tell, len(question.choices))
        answer = question.choices[said - 1]
        append_jsonl(state_file, {"id": question.id, "answer": answer})
        gold = shown(question.answer or "")
        right = is_right(question, answer)
        tell(f"✓ Right: {gold}." if right else f"✗ Not right: the answer is {gold}.")
    tell("\nRight answers, in percent")
    tell(repr(HumanTable(human_row(questions, state_file))))
    tell(f"\nYour answers are in {shown(state_file)}; delete the file to start again.")


def _number(ask: Callable[[str], str], tell: Callable[[str], None], highest: int) -> int:
    while True:
        typed = ask(f"1 to {highest}").strip()
        if typed.isascii() and typed.isdigit() and 1 <= int(typed) <= highest:
            return int(typed)
        tell(f"Type a number from 1 to {highest}.")
