"""The listening browser: filter questions, hear the clip, see what the model sees.

Clips are decoded when they are shown, so that thousands of questions open at once. Without a
kernel a few questions stand there as HTML, with their answers folded away.
"""

import base64
import html
import io
import math
from collections.abc import Sequence

import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
from PIL import Image
from transformers import WhisperFeatureExtractor

from r1aqa_helpers.audio import SAMPLE_RATE, load_audio, log_mel
from r1aqa_helpers.course.figures.style import spectrogram
from r1aqa_helpers.course.widgets import choice, column, note, say, show
from r1aqa_helpers.course.widgets.player import Player
from r1aqa_helpers.errors import UserError
from r1aqa_helpers.questions import AudioQuestion

ALL = "all"
#: Of the pictures of spectrograms, in inches and pixels per inch, and how many colours they have.
_SIZE, _DPI, _COLOURS = (6.0, 1.9), 80, 48
#: Seconds of a spectrogram that are drawn, as many as Qwen2-Audio hears.
_WINDOW = 30


def kind_of(question: AudioQuestion) -> str:
    """What a question is filtered by beside its task: its type, or else its sub-category."""
    kind = question.extra.get("question-type") or question.extra.get("question_type")
    return kind if isinstance(kind, str) else question.sub_category


class Browser:
    """Questions one at a time, filtered by task and by type."""

    def __init__(self, questions: Sequence[AudioQuestion]) -> None:
        """Take any questions whose clips exist.

        Raises:
            ValueError: there are none.
        """
        if not questions:
            raise ValueError("there are no questions to browse")
        self.questions = list(questions)
        self._task = _dropdown("task", _names(q.task for q in self.questions))
        self._kind = _dropdown("type", _names(map(kind_of, self.questions)))
        self._place, self._quiet = 0, False
        self._page, self._answer = note(), note()
        buttons = [
            choice("Previous", lambda: self.move(-1)),
            choice("Next", lambda: self.move(1)),
            choice("Show the answer", self.reveal),
        ]
        self._task.observe(lambda _: self._filter_task(), names="value")
        self._kind.observe(lambda _: self._first(), names="value")
        filters = ipywidgets.HBox([self._task, self._kind])
        self.widget = column([filters, ipywidgets.HBox(buttons), self._page, self._answer])
        self._first()

    @property
    def chosen(self) -> list[AudioQuestion]:
        """The questions that pass the two filters; a type stays only with a task that has it."""
        return [
            question for question in self._of_task() if self._kind.value in (ALL, kind_of(question))
        ]

    @property
    def shown(self) -> AudioQuestion:
        """The question on the page."""
        return self.chosen[self._place]

    def filter(self, task: str = ALL, kind: str = ALL) -> None:
        """Choose a task and one of its types, as the two menus do.

        Raises:
            ValueError: no question has them.
        """
        kinds = {kind_of(q) for q in self.questions if task in (ALL, q.task)}
        if not kinds or kind not in {ALL, *kinds}:
            raise ValueError(f"no question has task {task!r} and type {kind!r}")
        self._task.value = task
        self._kind.value = kind

    def move(self, step: int) -> None:
        """Go on by so many questions, round at either end."""
        self._place = (self._place + step) % len(self.chosen)
        self._draw()

    def reveal(self) -> None:
        """Tell the gold answer of the question on the page."""
        say(self._answer, f"Answer: <b>{_gold(self.shown)}</b>")

    def _of_task(self) -> list[AudioQuestion]:
        return [q for q in self.questions if self._task.value in (ALL, q.task)]

    def _filter_task(self) -> None:
        kept = self._kind.value
        names = _names(map(kind_of, self._of_task()))
        self._quiet = True  # new options reset the value, and each page costs a decoding
        self._kind.options = names
        self._kind.value = kept if kept in names else ALL
        self._quiet = False
        self._first()

    def _first(self) -> None:
        if not self._quiet:
            self._place = 0
            self._draw()

    def _draw(self) -> None:
        self._answer.value = ""
        place = f"{self._place + 1} of {len(self.chosen)}"
        self._page.value = page(self.shown, place)


def browse(questions: Sequence[AudioQuestion], examples: Sequence[AudioQuestion] = ()) -> None:
    """Show the browser; without a kernel, the ``examples``, by default one of each task.

    Raises:
        ValueError: there are no questions.
        UserError: the clip of an example cannot be read.
    """
    chosen = list(examples) or one_of_each_task(questions)
    fallback = static_browser(chosen, len(questions))
    live = Browser(questions)
    show(live.widget, fallback, f"Listening browser: {len(questions)} questions")


def one_of_each_task(questions: Sequence[AudioQuestion]) -> list[AudioQuestion]:
    """The first question of each task."""
    return list({q.task: q for q in reversed(questions)}.values())[::-1]


def static_browser(examples: Sequence[AudioQuestion], total: int) -> str:
    """The examples as HTML without a script, their answers folded away.

    Raises:
        UserError: a clip cannot be read.
    """
    parts = [f"<p>{len(examples)} of {total} questions; a live notebook browses them all.</p>"]
    for number, question in enumerate(examples, 1):
        sound = _sound(question)
        parts.append(
            f"{_heading(question, f'{number} of {len(examples)}')}{sound}{_asked(question)}"
            f"<details><summary>Answer to question {number}</summary>"
            f"<p>{_gold(question)}</p></details>"
        )
    return "".join(parts)


def page(question: AudioQuestion, place: str) -> str:
    """A question as HTML: what it is, player, spectrogram, text and choices.

    A clip that cannot be read is told in place of player and spectrogram, so that browsing a
    set of which some are missing goes on.
    """
    try:
        sound = _sound(question)
    except UserError as error:
        sound = f"<p><b>No sound:</b> {html.escape(str(error))}</p>"
    return _heading(question, place) + sound + _asked(question)


def spectrogram_png(wave: np.ndarray) -> bytes:
    """The log-mel spectrogram of samples at 16 kHz as a small picture, 128 channels high."""
    # No longer window than the clip needs: padding costs as much as sound.
    window = min(_WINDOW, math.ceil(len(wave) / SAMPLE_RATE))
    extractor = WhisperFeatureExtractor(feature_size=128, chunk_length=window)
    fig, ax = plt.subplots(figsize=_SIZE)
    spectrogram(ax, log_mel(wave, extractor))
    drawn, packed = io.BytesIO(), io.BytesIO()
    fig.savefig(drawn, format="png", dpi=_DPI)
    plt.close(fig)
    # A palette makes a quarter of it, and the eye sees no difference.
    Image.open(drawn).convert("RGB").quantize(_COLOURS).save(packed, format="PNG", optimize=True)
    return packed.getvalue()


def _sound(question: AudioQuestion) -> str:
    wave = load_audio(question.audio)
    seconds = f"{len(wave) / SAMPLE_RATE:.1f} s"
    picture = base64.b64encode(spectrogram_png(wave)).decode("ascii")
    alt = html.escape(f"Log-mel spectrogram of {question.id}, {seconds}", quote=True)
    return (
        Player(wave, f"{question.id}, {seconds}").html()
        + f'<img alt="{alt}" src="data:image/png;base64,{picture}" '
        + f'width="{int(_SIZE[0] * _DPI)}">'
    )


def _heading(question: AudioQuestion, place: str) -> str:
    labels = [place, question.task, kind_of(question), question.difficulty]
    return f"<p>{html.escape(' · '.join(filter(None, labels)))}</p>"


def _asked(question: AudioQuestion) -> str:
    choices = "".join(f"<li>{html.escape(text)}</li>" for text in question.choices)
    return f"<p><b>{html.escape(question.question)}</b></p><ol>{choices}</ol>"


def _gold(question: AudioQuestion) -> str:
    return html.escape(question.answer or "hidden")


def _names(values: Sequence[str] | map) -> list[str]:
    return [ALL, *sorted({value for value in values if value})]


def _dropdown(label: str, options: list[str]) -> ipywidgets.Dropdown:
    return ipywidgets.Dropdown(description=label, options=options, value=ALL)
