"""Questions to listen to, with every method's answer."""

import base64
import io
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..audio import SAMPLE_RATE, load_audio
from ..questions import AudioQuestion
from .markup import Html, fill, join

CLIP = """\
<article>
<h3>$number. $question</h3>
<p class="note">$task, $id</p>
<audio controls preload="metadata" src="$audio" aria-label="Recording of question $number"></audio>
<ul>$choices</ul>
<div class="wide"><table><caption>Answers to question $number</caption>
<thead><tr><th scope="col">Method</th><th scope="col">Match</th>\
<th scope="col">Response</th></tr></thead>
<tbody>$answers</tbody></table></div>
</article>"""


@dataclass(frozen=True)
class Answer:
    """What one method said to one question."""

    method: str
    response: str
    right: bool


@dataclass(frozen=True)
class Clip:
    """A question to listen to, with every method's answer to it."""

    question: AudioQuestion
    answers: tuple[Answer, ...]


def choose_clips(
    questions: Sequence[AudioQuestion],
    right: Mapping[str, bool],
    seed: int,
    per_task: int = 4,
) -> list[AudioQuestion]:
    """``per_task`` questions of each task, drawn with ``seed``: half answered right, half wrong.

    ``right`` tells by question id whether the method of interest was right; where one kind is
    too rare, the other fills its places. Tasks come in the order of their first question.
    """
    draw = random.Random(seed)
    by_task: dict[str, list[AudioQuestion]] = {}
    for question in questions:
        by_task.setdefault(question.task, []).append(question)
    chosen = []
    for members in by_task.values():
        members = draw.sample(members, len(members))
        wrong = [q for q in members if not right[q.id]]
        fine = [q for q in members if right[q.id]]
        n_wrong = max(min(per_task // 2, len(wrong)), per_task - len(fine))
        picked = fine[: per_task - n_wrong] + wrong[:n_wrong]
        chosen += [q for q in members if q in picked]
    return chosen


def clip_article(number: int, clip: Clip) -> Html:
    """A question with its recording, its choices, and what each method answered."""
    question = clip.question
    answers = join(
        fill(
            '<tr><th scope="row">$method</th><td class="$kind">$mark</td><td>$response</td></tr>',
            method=answer.method,
            kind="right" if answer.right else "wrong",
            mark="✓ right" if answer.right else "✗ wrong",
            response=answer.response,
        )
        for answer in clip.answers
    )
    choices = join(
        fill(
            "<li>$choice$gold</li>",
            choice=choice,
            gold=Html(" <strong>(gold answer)</strong>" if choice == question.answer else ""),
        )
        for choice in question.choices
    )
    return fill(
        CLIP,
        number=number,
        task=question.task,
        id=question.id,
        question=question.question,
        audio=_audio(question.audio),
        choices=choices,
        answers=answers,
    )


def _audio(path: Path) -> Html:
    """The recording as a data address: what the model is given, 16 kHz mono, as 16-bit FLAC."""
    import soundfile

    buffer = io.BytesIO()
    soundfile.write(buffer, load_audio(path), SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    return Html("data:audio/flac;base64," + base64.b64encode(buffer.getvalue()).decode("ascii"))
