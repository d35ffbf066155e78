"""The report: one self-contained web page with tables, training curves, and clips to listen to.

``report.html.jinja`` is the page. Jinja escapes whatever a model or a file wrote; only figures,
which are drawn here, enter as markup. The page holds no script and fetches nothing.
"""

import base64
import io
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import matplotlib
import numpy as np
from matplotlib.figure import Figure

from r1aqa_helpers.data import AudioQuestion, QuestionSet
from r1aqa_helpers.data.audio import audio_file, load_audio
from r1aqa_helpers.reporting.breakdown import COLUMNS, NOTE, group_cells, group_name, groups_figure
from r1aqa_helpers.reporting.rows import Published, comparison_text, read_row
from r1aqa_helpers.reporting.tables import (
    MEASURED,
    PUBLISHED,
    VERDICTS,
    measured_cells,
    published_cells,
    verdict_cells,
)
from r1aqa_helpers.reporting.verdict import MEANING, UNLIKE, no_verdict
from r1aqa_helpers.scoring import Score
from r1aqa_helpers.scoring.text import number_text
from r1aqa_helpers.utils.io import write_text
from r1aqa_helpers.utils.untrusted import plain_lines

_SMOOTHING = 10  # steps in a running mean
#: Columns of ``metrics.jsonl`` that are drawn: key, title, label and colour (Okabe and Ito's).
CURVES = {
    "GRPO": (
        ("accuracy", "Accuracy reward", "mean reward", "#0072B2"),
        ("format", "Format reward", "mean reward", "#009E73"),
        ("reward_std", "Reward deviation", "mean standard deviation in a group", "#E69F00"),
        ("kl", "KL from the base model", "nats per token", "#D55E00"),
        ("completion_length", "Completion length", "tokens", "#CC79A7"),
    ),
    "SFT": (("loss", "SFT loss", "nats per token", "#0072B2"),),
}


@dataclass(frozen=True)
class Answer:
    """What one method said to one question."""

    method: str
    response: str
    correct: bool


@dataclass(frozen=True)
class Clip:
    """A question to listen to, with every method's answer to it."""

    question: AudioQuestion
    answers: tuple[Answer, ...]

    @property
    def audio(self) -> str:
        """The recording as a data address: what the model is given, 16 kHz mono, as FLAC."""
        data = audio_file(load_audio(self.question.audio), "FLAC")
        return "data:audio/flac;base64," + base64.b64encode(data).decode("ascii")


def choose_clips(
    questions: Sequence[AudioQuestion],
    correct: Mapping[str, int],
    seed: int,
    per_task: int = 4,
) -> list[AudioQuestion]:
    """``per_task`` questions of each task, drawn with ``seed``: half answered correctly, half not.

    ``correct`` tells by question id whether the method of interest was; where one kind is too
    rare, the other fills its places. Tasks come in the order of their first question.
    """
    draw = random.Random(seed)
    by_task: dict[str, list[AudioQuestion]] = {}
    for question in questions:
        by_task.setdefault(question.task, []).append(question)
    chosen = []
    for members in by_task.values():
        members = draw.sample(members, len(members))
        wrong = [q for q in members if not correct[q.id]]
        fine = [q for q in members if correct[q.id]]
        n_wrong = max(min(per_task // 2, len(wrong)), per_task - len(fine))
        picked = fine[: per_task - n_wrong] + wrong[:n_wrong]
        chosen += [q for q in members if q in picked]
    return chosen


def write_report(
    path: Path,
    results: Mapping[str, Any],
    published: Published,
    *,
    test_set: QuestionSet,
    training: Mapping[str, Sequence[Mapping[str, Any]]],
    clips: Sequence[Clip],
    chosen_by: str,
    score: Score | None = None,
) -> None:
    """Write the page to ``path``, whole or not at all.

    ``results`` is the content of ``results.json``; ``training`` holds for "GRPO" and "SFT", as
    far as there was any, the rows of their ``metrics.jsonl``; ``chosen_by`` is the row by whose
    answers ``clips`` were chosen, and whose ``score`` is shown by group of questions, with its
    commonest confusions (correct answer, what was said, how often).

    Raises ``UserError`` where ``path`` cannot be written or a clip's recording cannot be read.
    """
    groups = score.groups() if score else []
    rows = [read_row(path.with_name("results.json"), row) for row in results["rows"]]
    text = Path(__file__).with_name("report.html.jinja").read_text(encoding="utf-8")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, finalize=_printable
    )
    page = environment.from_string(text).render(
        title=f"R1-AQA reproduced: profile {results['profile']}, seed {results['seed']}",
        measured_columns=[*MEASURED, "training, s"],
        measured=[[*measured_cells(row), number_text(row.train_seconds, 0)] for row in rows],
        test_set=test_set,
        comparisons=[*map(comparison_text, results["comparisons"])],
        no_verdict=no_verdict(published, test_set),
        verdict_columns=VERDICTS,
        verdicts=results.get("verdicts", ()),
        verdict_rows=[*verdict_cells(results.get("verdicts", ()))],
        meaning=f"{MEANING} {UNLIKE}",
        published=published,
        published_columns=PUBLISHED,
        card=[*map(published_cells, published.card)],
        paper=[*map(published_cells, published.paper)],
        training={name: _curves(name, logged) for name, logged in training.items()},
        chosen_by=chosen_by,
        group_columns=["group", "by", *COLUMNS],
        groups=[[group_name(group), group.grouping, *group_cells(group)] for group in groups],
        groups_svg=_svg(groups_figure(groups), "groups") if groups else None,
        group_note=NOTE,
        confused=[(*pair, times) for pair, times in score.confusions().most_common(10)]
        if score
        else [],
        clips=clips,
        settings=[*_flat(results)],
    )
    write_text(path, page)


def _printable(value: object) -> object:
    """What the page shows: markup as it is, text without what cannot be printed."""
    return value if hasattr(value, "__html__") else plain_lines(value, None)


def _flat(results: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Names and values of the settings; what stands elsewhere on the page is left out."""
    for name, value in results.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}: ")
        elif not isinstance(value, list):
            yield prefix + name, value


def _curves(name: str, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Of each curve that ``rows`` have values for: the figure, and a sentence that tells it."""
    found = []
    for key, title, label, colour in CURVES[name]:
        points = [(row["step"], row[key]) for row in rows if row.get(key) is not None]
        if points:
            steps, values = zip(*points, strict=True)
            summary = (
                f"{title}: {values[0]:.3g} at step {steps[0]:g}, {values[-1]:.3g} at step "
                f"{steps[-1]:g}; lowest {min(values):.3g}, highest {max(values):.3g}."
            )
            svg = _svg(_curve(steps, values, title, label, colour), title)
            found.append({"summary": summary, "svg": svg})
    return found


def _curve(
    steps: Sequence[float], values: Sequence[float], title: str, label: str, colour: str
) -> Figure:
    """``values[i]`` was logged at ``steps[i]``."""
    with matplotlib.rc_context({"font.size": 11}):
        figure = Figure(figsize=(4.2, 2.8), layout="constrained")
        axes = figure.add_subplot()
        many = len(values) > 2 * _SMOOTHING
        faint: dict[str, Any] = {"alpha": 0.35, "linewidth": 0.8} if many else {"linewidth": 1.8}
        axes.plot(steps, values, color=colour, marker="o" if len(values) == 1 else None, **faint)
        if many:
            mean = np.convolve(values, np.ones(_SMOOTHING) / _SMOOTHING, mode="valid")
            axes.plot(steps[_SMOOTHING // 2 :][: len(mean)], mean, color=colour, linewidth=1.8)
        axes.set(title=title, xlabel="step", ylabel=label)
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        return figure


def _svg(figure: Figure, salt: str) -> str:
    """The figure as inline SVG, as wide as its place; ``salt`` differs among those of a page."""
    # Text stays text (small files, readable aloud); a salt of its own keeps the ids of the
    # figures of one page apart and the file the same on every run.
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": salt}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    # The page decides the width, so that a figure fits a phone.
    return re.sub(r'<svg ([^>]*?)width="[^"]*" ?', r"<svg \1", svg, count=1)
