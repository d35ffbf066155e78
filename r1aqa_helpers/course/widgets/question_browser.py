"""The question browser: filter questions, hear the clip, see what the model sees.

Clips are decoded when they are shown, so that thousands of questions open at once. Without a
kernel the output is one question of each task as HTML.
"""

import base64
import math
from collections.abc import Sequence

import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
from transformers import WhisperFeatureExtractor

from r1aqa_helpers.course.figures.style import png, spectrogram
from r1aqa_helpers.course.widgets import column, fold, note, show
from r1aqa_helpers.course.widgets.player import Player
from r1aqa_helpers.data import AudioQuestion
from r1aqa_helpers.data.audio import SAMPLE_RATE, load_audio, log_mel
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.untrusted import html

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
    """Questions one at a time, filtered by task and by type, chosen by number."""

    def __init__(self, questions: Sequence[AudioQuestion]) -> None:
        self.questions = list(questions)
        tasks = {q.task for q in self.questions if q.task}
        kinds = {kind_of(q) for q in self.questions} - {""}
        self.task = ipywidgets.Dropdown(description="task", options=[ALL, *sorted(tasks)])
        self.kind = ipywidgets.Dropdown(description="type", options=[ALL, *sorted(kinds)])
        self.number = ipywidgets.BoundedIntText(description="question", min=1, max=1)
        self.page = note()
        for control in (self.task, self.kind):
            control.observe(lambda _: self._filter(), names="value")
        self.number.observe(lambda _: self._draw(), names="value")
        controls = ipywidgets.HBox([self.task, self.kind, self.number])
        self.widget = column([controls, self.page])
        self._filter()

    @property
    def chosen(self) -> list[AudioQuestion]:
        """The questions that pass the two filters."""
        by_task = [q for q in self.questions if self.task.value in (ALL, q.task)]
        return [q for q in by_task if self.kind.value in (ALL, kind_of(q))]

    def _filter(self) -> None:
        if self.number.value == 1:
            self._draw()
        else:
            self.number.value = 1  # which draws
        self.number.max = max(1, len(self.chosen))

    def _draw(self) -> None:
        chosen = self.chosen
        if not chosen:
            self.page.value = "<p>No question has both; choose another task or type.</p>"
            return
        try:
            self.page.value = _page(chosen, self.number.value)
        except UserError as error:  # a clip that cannot be read; browsing goes on
            self.page.value = f"<p><b>No sound:</b> {html(error)}</p>"


def browse(questions: Sequence[AudioQuestion]) -> None:
    """Show the browser; without a kernel, a question of each task.

    Raises:
        UserError: the clip of one of these examples cannot be read.
    """
    examples = list({q.task: q for q in reversed(questions)}.values())[::-1]
    pages = "".join(_page(examples, number) for number in range(1, len(examples) + 1))
    told = f"{len(examples)} of {len(questions)} questions; a live notebook browses them all."
    plain = f"Question browser: {len(questions)} questions"
    show(Browser(questions).widget, f"<p>{told}</p>{pages}", plain)


def spectrogram_png(wave: np.ndarray) -> bytes:
    """The log-mel spectrogram of samples at 16 kHz as a small picture, 128 channels high."""
    # No longer window than the clip needs: padding costs as much as sound.
    window = min(_WINDOW, math.ceil(len(wave) / SAMPLE_RATE))
    extractor = WhisperFeatureExtractor(feature_size=128, chunk_length=window)
    fig, ax = plt.subplots(figsize=_SIZE)
    spectrogram(ax, log_mel(wave, extractor))
    return png(fig, _DPI, _COLOURS)


def _page(questions: Sequence[AudioQuestion], number: int) -> str:
    """The question with this number, from 1, as HTML without a script, its answer folded away."""
    question = questions[number - 1]
    place = f"{number} of {len(questions)}"
    labels = filter(None, [place, question.task, kind_of(question), question.difficulty])
    wave = load_audio(question.audio)
    seconds = f"{len(wave) / SAMPLE_RATE:.1f} s"
    picture = base64.b64encode(spectrogram_png(wave)).decode("ascii")
    alt = html(f"Log-mel spectrogram of {question.id}, {seconds}")
    choices = "".join(f"<li>{html(text)}</li>" for text in question.choices)
    answer = f"<p>{html(question.answer or 'hidden')}</p>"
    return (
        f"<p>{html(' · '.join(labels))}</p>"
        + Player(wave, f"{question.id}, {seconds}").html()
        + f'<img alt="{alt}" src="data:image/png;base64,{picture}" '
        + f'width="{int(_SIZE[0] * _DPI)}">'
        + f"<p><b>{html(question.question)}</b></p><ol>{choices}</ol>"
        + fold(f"Answer to question {number}", answer)
    )
