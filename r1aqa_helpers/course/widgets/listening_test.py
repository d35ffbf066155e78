"""The listening test: a person hears ten clips and answers; their row stands beside the model's."""

import html
from collections.abc import Callable, Sequence
from pathlib import Path

import ipywidgets
from IPython.display import display

from r1aqa_helpers.course.session import stratified
from r1aqa_helpers.course.tables import Table
from r1aqa_helpers.course.widgets import choice, column, mark, note, say, show
from r1aqa_helpers.course.widgets.player import Player
from r1aqa_helpers.data import AudioQuestion
from r1aqa_helpers.reporting import DOMAINS, load_measured, load_published
from r1aqa_helpers.reporting.human import answers_file, human_row, read_answers
from r1aqa_helpers.scoring import Accuracy, Score, string_match
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import append_jsonl, shown

__all__ = ["answers_file", "human_table", "listen_in_terminal", "listening_quiz", "pick"]

LENGTH = 10


def pick(questions: Sequence[AudioQuestion], k: int = LENGTH, seed: int = 0) -> list[AudioQuestion]:
    """``k`` of the questions, of each task its share, the same for the same seed.

    Raises:
        ValueError: there are fewer than ``k``.
    """
    return stratified(list(questions), k, seed)


def human_table(row: Score | None) -> Table:
    """The learner's row above the tiny model's measured one and the published human one."""
    if row is None:
        you = ["no answers yet", "", "", "", ""]
    else:
        tasks = [_share(row.tasks.get(name)) for name in DOMAINS]
        you = [*tasks, f"{row.average:.1f}, n {row.n}", _interval(row.ci95)]
    rows = [("you", *you)]
    for model in load_measured():
        if (model.method, model.prompt) == ("direct", 2):
            cells = [_percent(getattr(model, name)) for name in DOMAINS]
            cells += [f"{model.average:.1f}, n {model.n}", _interval(model.ci95)]
            rows.append(("tiny model, direct inference, measured", *cells))
    human = next(row for row in load_published().card if row.method == "Human")
    cells = [_percent(getattr(human, name)) for name in (*DOMAINS, "average")]
    rows.append(("people, on MMAU test-mini, published", *cells, "not given"))
    return Table("Right answers, in percent", rows, ["", *DOMAINS, "average", "95 % interval"])


def show_row(questions: Sequence[AudioQuestion], state_file: Path) -> None:
    """Show the learner's row so far beside the model's; errors as `human_row`."""
    display(human_table(human_row(questions, state_file)))


def _share(accuracy: Accuracy | None) -> str:
    """A domain of the learner's: few questions, so its interval stands with it."""
    if accuracy is None:
        return "–"
    return f"{accuracy.correct} of {accuracy.n} ({_interval(accuracy.ci95)})"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"


def _interval(ci95: tuple[float, float]) -> str:
    return f"{ci95[0]:.0f} to {ci95[1]:.0f}"


def _correct(question: AudioQuestion, answer: str) -> bool:
    """MMAU's verdict on a choice, as models get it."""
    return question.answer is not None and string_match(question.answer, answer, question.choices)


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
        self.widget = column([self._clip, self._choices, self._feedback, self._next, self._again])
        self.next()

    def next(self) -> None:
        """Show the first clip without an answer, or the row where there is none left."""
        left = [question for question in self.questions if question.id not in self.answers]
        self._now = left[0] if left else None
        self._feedback.value = ""
        _show(self._next, False)
        _show(self._again, not left)
        if not left:
            self._choices.children = ()
            table = human_table(human_row(self.questions, self.state_file))
            say(self._clip, f"<b>All clips answered.</b> {table._repr_html_()}")
            return
        self._clip.value = _clip(left[0], self.questions)
        self._choices.children = tuple(
            choice(text, lambda text=text: self.answer(text)) for text in left[0].choices
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
            if option == text or _correct(question, option):
                mark(button, _correct(question, option))
        gold = html.escape(question.answer or "")
        if _correct(question, text):
            say(self._feedback, f"<b>✓ Right:</b> {gold}.")
        else:
            told = f"You said {html.escape(text)}; the answer is <b>{gold}</b>."
            say(self._feedback, f"<b>✗ Not right.</b> {told}")
        done = len(self.answers) == len(self.questions)
        self._next.description = "See my row" if done else "Next clip"
        _show(self._next, True)

    def start_again(self) -> None:
        """Forget all answers, also in the file."""
        self.state_file.unlink(missing_ok=True)
        self.answers = {}
        self.next()


def _show(button: ipywidgets.Button, visible: bool) -> None:
    button.layout.display = "" if visible else "none"


def listening_quiz(questions: Sequence[AudioQuestion], state_file: Path) -> None:
    """Show the listening test; without a kernel, the clips with their answers folded away.

    Args:
        questions: with gold answers; ``pick`` chooses ten.
        state_file: log of the answers; a test that was left half way goes on there.

    Raises:
        UserError: a clip cannot be read, or the log is damaged.
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


def listen_in_terminal(
    questions: Sequence[AudioQuestion],
    state_file: Path,
    ask: Callable[[str], str],
    tell: Callable[[str], None],
) -> None:
    """The same test without a front end: names each file to open, asks, tells, keeps.

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
        tell(shown(question.question))
        for c, text in enumerate(question.choices, 1):
            tell(f"  {c}  {shown(text)}")
        numbers = [str(c) for c in range(1, len(question.choices) + 1)]
        while (typed := ask(f"1 to {numbers[-1]}").strip()) not in numbers:
            tell(f"Type a number from 1 to {numbers[-1]}.")
        answer = question.choices[int(typed) - 1]
        append_jsonl(state_file, {"id": question.id, "answer": answer})
        gold = shown(question.answer or "")
        right = _correct(question, answer)
        tell(f"✓ Right: {gold}." if right else f"✗ Not right: the answer is {gold}.")
    tell(f"\n{human_table(human_row(questions, state_file))!r}")
    tell(f"\nYour answers are in {shown(state_file)}; delete the file to start again.")
