"""The question browser: filter questions, hear the clip, see what the model sees.

Clips are decoded when they are shown, so that thousands of questions open at once. Without a
kernel a few questions stand there as HTML, with their answers folded away.
"""

import base64
import html
import math
from collections.abc import Iterable, Sequence

import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
from transformers import WhisperFeatureExtractor

from r1aqa_helpers.course.figures.style import png, spectrogram
from r1aqa_helpers.course.widgets import choice, column, note, say, show
from r1aqa_helpers.course.widgets.player import Player
from r1aqa_helpers.data import AudioQuestion
from r1aqa_helpers.data.audio import SAMPLE_RATE, load_audio, log_mel
from r1aqa_helpers.utils.errors import UserError

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
        self._task, self._kind = (
            ipywidgets.Dropdown(description=label, options=_names(names), value=ALL)
            for label, names in (
                ("task", (q.task for q in self.questions)),
                ("type", map(kind_of, self.questions)),
            )
        )
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
        return [q for q in self._of_task() if self._kind.value in (ALL, kind_of(q))]

    @property
    def shown(self) -> AudioQuestion:
        """The question on the page."""
        return self.chosen[self._place]

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
        kept, names = self._kind.value, _names(map(kind_of, self._of_task()))
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
        heading = _heading(self.shown, f"{self._place + 1} of {len(self.chosen)}")
        try:
            sound = _sound(self.shown)
        except UserError as error:  # in place of the player, so that browsing goes on
            sound = f"<p><b>No sound:</b> {html.escape(str(error))}</p>"
        self._page.value = heading + sound + _asked(self.shown)


def browse(questions: Sequence[AudioQuestion]) -> None:
    """Show the browser; without a kernel, a question of each task.

    Raises:
        ValueError: there are no questions.
        UserError: the clip of one of these examples cannot be read.
    """
    live = Browser(questions)
    show(live.widget, static_browser(questions), f"Listening browser: {len(questions)} questions")


def static_browser(questions: Sequence[AudioQuestion]) -> str:
    """The first question of each task as HTML without a script, the answers folded away.

    Raises:
        UserError: a clip cannot be read.
    """
    examples = list({q.task: q for q in reversed(questions)}.values())[::-1]
    parts = [
        f"<p>{len(examples)} of {len(questions)} questions; a live notebook browses them all.</p>"
    ]
    for number, question in enumerate(examples, 1):
        parts.append(
            _heading(question, f"{number} of {len(examples)}")
            + _sound(question)
            + _asked(question)
            + f"<details><summary>Answer to question {number}</summary>"
            f"<p>{_gold(question)}</p></details>"
        )
    return "".join(parts)


def spectrogram_png(wave: np.ndarray) -> bytes:
    """The log-mel spectrogram of samples at 16 kHz as a small picture, 128 channels high."""
    # No longer window than the clip needs: padding costs as much as sound.
    window = min(_WINDOW, math.ceil(len(wave) / SAMPLE_RATE))
    extractor = WhisperFeatureExtractor(feature_size=128, chunk_length=window)
    fig, ax = plt.subplots(figsize=_SIZE)
    spectrogram(ax, log_mel(wave, extractor))
    return png(fig, _DPI, _COLOURS)


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


def _names(values: Iterable[str | None]) -> list[str]:
    return [ALL, *sorted({value for value in values if value})]
