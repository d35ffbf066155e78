"""The listening test: a person hears ten clips and answers; their row stands beside the model's."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import ipywidgets

from r1aqa_helpers.course.session import stratified
from r1aqa_helpers.course.tables import Table
from r1aqa_helpers.course.widgets import choice, column, fold, mark, note, say, show
from r1aqa_helpers.course.widgets.player import Player
from r1aqa_helpers.data import AudioQuestion
from r1aqa_helpers.reporting import DOMAINS, load_measured, load_published
from r1aqa_helpers.reporting.human import answers_file as answers_file
from r1aqa_helpers.reporting.human import human_row, read_answers
from r1aqa_helpers.scoring import Score, string_match
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import append_jsonl
from r1aqa_helpers.utils.untrusted import LINE, html, plain, shown


def pick(questions: Sequence[AudioQuestion]) -> list[AudioQuestion]:
    """Ten of the questions (or all, if fewer), of each task its share, always the same."""
    return stratified(list(questions), min(10, len(questions)), seed=0)


def human_table(row: Score | None) -> Table:
    """The learner's row above the tiny model's measured one and the published human one."""

    def number(value: float | None) -> str:
        return "–" if value is None else f"{value:.1f}"

    def interval(ci95: tuple[float, float] | None) -> str:
        return "–" if ci95 is None else f"{ci95[0]:.0f} to {ci95[1]:.0f}"

    you = ["no answers yet", "", "", "", ""]
    if row is not None:
        tasks = [row.tasks.get(name) for name in DOMAINS]
        # Few questions per task, so their intervals are shown as well.
        you = [f"{t.correct} of {t.n} ({interval(t.ci95)})" if t else "–" for t in tasks]
        you += [f"{row.average:.1f}, n {row.n}", interval(row.ci95)]
    rows = [("you", *you)]
    for model in load_measured():
        if (model.method, model.prompt) == ("direct", 2):
            cells = [number(getattr(model, name)) for name in DOMAINS]
            cells += [f"{model.average:.1f}, n {model.n}", interval(model.ci95)]
            rows.append(("tiny model, direct inference, measured", *cells))
    human = next(row for row in load_published().card if row.method == "Human")
    cells = [number(getattr(human, name)) for name in (*DOMAINS, "average")]
    rows.append(("people, on MMAU test-mini, published", *cells, "not given"))
    return Table("Correct answers, in percent", rows, ["", *DOMAINS, "average", "95 % interval"])


def _correct(question: AudioQuestion, answer: str) -> bool:
    """MMAU's verdict on a choice, as models get it."""
    return question.answer is not None and string_match(question.answer, answer, question.choices)


def _verdict(question: AudioQuestion, answer: str) -> str:
    if _correct(question, answer):
        return f"✓ Correct: {question.answer}."
    return f"✗ Not correct: the answer is {question.answer}."


class ListeningWidget:
    """One clip at a time: play, choose, learn the answer, go on. It resumes where it was left."""

    def __init__(self, questions: Sequence[AudioQuestion], state_file: Path) -> None:
        self.questions, self.state_file = list(questions), state_file
        self.answers = read_answers(state_file, self.questions)
        self._clip, self._feedback, self._choices = note(), note(), ipywidgets.VBox()
        self._next = choice("Next", self.next)
        self.widget = column([self._clip, self._choices, self._feedback, self._next])
        self.next()

    def next(self) -> None:
        """Show the first clip without an answer, or the row where there is none left."""
        left = [question for question in self.questions if question.id not in self.answers]
        self._now = left[0] if left else None
        self._feedback.value = ""
        self._next.layout.display = "none"
        options = left[0].choices if left else ()
        self._choices.children = tuple(choice(text, partial(self.answer, text)) for text in options)
        if left:
            self._clip.value = _clip(left[0], self.questions)
            return
        table = human_table(human_row(self.questions, self.state_file))
        file = html(self.state_file)
        done = f"<b>All clips answered.</b> To start again, delete {file}."
        say(self._clip, done + table._repr_html_())

    def answer(self, text: str) -> None:
        """Answer the clip on show, as its button does; only the first answer counts."""
        question = self._now
        if question is None or question.id in self.answers:
            return
        try:
            append_jsonl(self.state_file, {"id": question.id, "answer": text})
        except UserError as error:
            say(self._feedback, f"<b>Not saved:</b> {html(error)}")
            return
        self.answers[question.id] = text
        for button, option in zip(self._choices.children, question.choices, strict=True):
            button.disabled = True
            if option == text or _correct(question, option):
                mark(button, _correct(question, option))
        say(self._feedback, html(_verdict(question, text)))
        self._next.layout.display = ""


def listening_quiz(questions: Sequence[AudioQuestion], state_file: Path) -> None:
    """Show the listening test; without a kernel, the clips with their answers folded away.

    Args:
        questions: with gold answers; ``pick`` chooses ten.
        state_file: log of the answers; an interrupted test continues from it.

    Raises:
        UserError: a clip cannot be read, or the log is damaged.
    """
    live = ListeningWidget(questions, state_file)
    show(live.widget, static_listening(questions), f"Listening test: {len(questions)} clips")


def static_listening(questions: Sequence[AudioQuestion]) -> str:
    """The listening test as HTML without a script."""
    parts = []
    for number, question in enumerate(questions, 1):
        choices = "".join(f"<li>{html(text)}</li>" for text in question.choices)
        answer = fold(f"Answer to clip {number}", f"<p>{html(question.answer or '')}</p>")
        parts.append(f"{_clip(question, questions)}<ul>{choices}</ul>{answer}")
    return "<br>".join(parts)


def _clip(question: AudioQuestion, questions: Sequence[AudioQuestion]) -> str:
    place = f"Clip {list(questions).index(question) + 1} of {len(questions)}"
    if question.task:
        place += f", {question.task}"
    sound = Player(question.audio, place).html()
    return f"{sound}<p><b>{html(question.question)}</b></p>"


def listen_in_terminal(
    questions: Sequence[AudioQuestion],
    state_file: Path,
    ask: Callable[[str], str],
    tell: Callable[[str], None],
) -> None:
    """The same test without a front end: names each file to open, asks, and saves the answers.

    Args:
        questions: with gold answers.
        state_file: log of the answers, the same as the notebook's.
        ask: shows a prompt and returns what was typed.
        tell: prints a line.

    Raises:
        UserError: the log is damaged or cannot be written.
    """
    answers = read_answers(state_file, questions)
    for number, question in enumerate(questions, 1):
        if question.id in answers:
            continue
        tell(f"\nClip {number} of {len(questions)}: open {shown(question.audio)}")
        tell(plain(question.question, LINE))
        numbers = [str(c) for c in range(1, len(question.choices) + 1)]
        for c, text in zip(numbers, question.choices, strict=True):
            tell(f"  {c}  {plain(text, LINE)}")
        while (typed := ask(f"1 to {numbers[-1]}").strip()) not in numbers:
            tell(f"Type a number from 1 to {numbers[-1]}.")
        answer = question.choices[int(typed) - 1]
        append_jsonl(state_file, {"id": question.id, "answer": answer})
        tell(shown(_verdict(question, answer)))
    tell(f"\n{human_table(human_row(questions, state_file))!r}")
    tell(f"\nYour answers are in {shown(state_file)}; delete the file to start again.")
