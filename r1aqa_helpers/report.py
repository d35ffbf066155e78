"""One self-contained web page about a reproduction: tables, curves, and clips to listen to.

Whatever a model or a file wrote passes through :func:`fill`, which escapes it; the page holds
no script and fetches nothing. Colours are Okabe and Ito's, told apart by colour-blind readers
(Okabe & Ito, "Color Universal Design", 2008).
"""

import base64
import html
import io
import random
import re
import string
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from r1aqa_helpers.audio import SAMPLE_RATE, load_audio
from r1aqa_helpers.files import write_text
from r1aqa_helpers.questions import AudioQuestion, QuestionSet
from r1aqa_helpers.results import (
    COLUMNS,
    DOMAINS,
    MEANING,
    NOTE,
    Published,
    group_cells,
    group_name,
    groups_figure,
    no_verdict,
)
from r1aqa_helpers.scoring import Group

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, VERMILLION, PURPLE = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7"
SMOOTHING = 10  # steps in a running mean


class Html(str):
    """Text that is markup already; every other string is escaped by :func:`fill`."""


def fill(template: str, **values: Any) -> Html:
    """``template`` with each ``$name`` replaced: escaped, unless it is :class:`Html`."""
    safe = {
        name: value if isinstance(value, Html) else html.escape(str(value))
        for name, value in values.items()
    }
    return Html(string.Template(template).substitute(safe))


def join(parts: Iterable[Html]) -> Html:
    """The parts, one after another."""
    return Html("\n".join(parts))


@dataclass(frozen=True)
class Curve:
    """One line of a training figure: ``values[i]`` was logged at ``steps[i]``."""

    title: str
    y_label: str
    steps: Sequence[float]
    values: Sequence[float]
    colour: str = BLUE


@dataclass(frozen=True)
class Axis:
    """A column of ``metrics.jsonl`` that is drawn."""

    key: str
    title: str
    label: str
    colour: str


GRPO_CURVES = (
    Axis("accuracy", "Accuracy reward", "mean reward", BLUE),
    Axis("format", "Format reward", "mean reward", GREEN),
    Axis("reward_std", "Reward spread", "mean deviation in a group", ORANGE),
    Axis("kl", "KL from the base model", "nats per token", VERMILLION),
    Axis("completion_length", "Completion length", "tokens", PURPLE),
)
SFT_CURVES = (Axis("loss", "SFT loss", "nats per token", BLUE),)
CURVES = {"GRPO": GRPO_CURVES, "SFT": SFT_CURVES}


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


def write_report(
    path: Path,
    results: Mapping[str, Any],
    published: Published,
    *,
    test_set: QuestionSet,
    training: Mapping[str, Sequence[Mapping[str, Any]]],
    clips: Sequence[Clip],
    chosen_by: str,
    groups: Sequence[Group] = (),
    confused: Sequence[tuple[str, str, int]] = (),
) -> None:
    """Write the page to ``path``, whole or not at all.

    ``results`` is the content of ``results.json``; ``training`` holds for "GRPO" and "SFT", as
    far as there was any, the rows of their ``metrics.jsonl``; ``chosen_by`` is the row by whose
    right and wrong answers ``clips`` were chosen, and whose ``groups`` of questions and commonest
    confusions (right answer, what was said, how often) are shown.

    Raises ``UserError`` where ``path`` cannot be written or a clip's recording cannot be read.
    """
    page = fill(
        PAGE,
        title=f"R1-AQA reproduced: profile {results['profile']}, seed {results['seed']}",
        questions=test_set.text,
        measured=_measured_table(results["rows"]),
        comparisons=join(
            fill("<li>$text</li>", text=_comparison(test)) for test in results["comparisons"]
        ),
        verdicts=_verdicts(results.get("verdicts", ()), no_verdict(published, test_set)),
        published=_published_tables(published),
        training=join(_training(name, rows) for name, rows in training.items()),
        chosen_by=chosen_by,
        groups=_groups(chosen_by, groups, confused),
        clips=join(_clip(number, clip) for number, clip in enumerate(clips, 1)),
        settings=join(
            fill('<tr><th scope="row">$name</th><td>$value</td></tr>', name=name, value=value)
            for name, value in _flat(results)
        ),
    )
    write_text(path, page)


def curves(rows: Sequence[Mapping[str, Any]], wanted: Sequence[Axis]) -> list[Curve]:
    """The wanted curves of those that the rows, with a "step" each, have values for."""
    found = []
    for axis in wanted:
        points = [(row["step"], row[axis.key]) for row in rows if row.get(axis.key) is not None]
        if points:
            steps, values = zip(*points, strict=True)
            found.append(Curve(axis.title, axis.label, steps, values, axis.colour))
    return found


def _measured_table(rows: Sequence[Mapping[str, Any]]) -> Html:
    return table(
        "Accuracy in percent by MMAU's match; the interval is the average's",
        ["Method", "Prompt", *DOMAINS, "average", "95 % interval", "n", "seconds", "training, s"],
        [
            [
                row["method"],
                f"<{row['prompt']}>",
                *(_number(row[name], 2) for name in (*DOMAINS, "average")),
                "–".join(_number(end, 1) for end in row["ci95"]),
                str(row["n"]),
                _number(row["seconds"], 0),
                _number(row.get("train_seconds"), 0),
            ]
            for row in rows
        ],
    )


def _published_tables(published: Published) -> Html:
    note = fill(
        "<p>$benchmark. * From the MMAU site, not run again by the authors.</p>",
        benchmark=published.benchmark,
    )
    parts = (("The model card's rows", published.card), ("Only in the paper", published.paper))
    tables = (
        table(
            caption,
            ["Model", "Method", *DOMAINS, "average"],
            [
                [
                    row.model or "–",
                    row.method + ("*" if row.from_mmau_site else ""),
                    *(_number(getattr(row, name), 2) for name in (*DOMAINS, "average")),
                ]
                for row in rows
            ],
        )
        for caption, rows in parts
    )
    return join([note, *tables])


def _groups(method: str, groups: Sequence[Group], confused: Sequence[tuple[str, str, int]]) -> Html:
    """Where one method is right: a figure, the table behind it, and its confusions."""
    if not groups:
        return Html("")
    rows = [[group_name(group), group.grouping, *group_cells(group)] for group in groups]
    told = fill(
        '<figure><div role="img" aria-label="$label">$svg</div>'
        "<figcaption>$label</figcaption></figure>",
        label=f"{method}: accuracy of each group of questions; the table below has the figures.",
        svg=svg_of(groups_figure(groups), "groups"),
    )
    shown = table(f"{method} by group of questions", ["Group", "by", *COLUMNS], rows)
    parts = [
        fill("<h2>By category, sub-category and difficulty</h2>$figure", figure=told),
        fill('$table<p class="note">$note</p>', table=shown, note=NOTE),
    ]
    if confused:
        head = ["Right answer", "What was said", "times"]
        cells = [[gold, said, str(times)] for gold, said, times in confused]
        parts.append(table(f"{method}: taken for another choice most often", head, cells))
    return join(parts)


def _verdicts(found: Sequence[Mapping[str, Any]], reason: str | None) -> Html:
    """The verdict on each published row, or why there is none."""
    if reason is not None:
        return fill("<p>$reason</p>", reason=reason)
    rows = [
        [
            f"{row['method']} <{row['prompt']}>",
            name,
            _number(part["published"], 2),
            _number(part["measured"], 2),
            "–".join(_number(end, 1) for end in part["ci95"]),
            str(part["n"]),
            part["verdict"],
        ]
        for row in found
        for name, part in row["parts"].items()
    ]
    sources = join(
        fill(
            "<li>$label: $model, $method; $note</li>",
            label=f"{row['method']} <{row['prompt']}>",
            model=row["published"]["model"],
            method=row["published"]["method"],
            note=row["published"]["note"],
        )
        for row in found
    )
    head = ["Row", "Part", "published", "measured", "95 % interval", "n", "verdict"]
    return join(
        [
            table("Published accuracy beside the measured one, in percent", head, rows),
            fill('<p class="note">$meaning</p><ul>$sources</ul>', meaning=MEANING, sources=sources),
        ]
    )


def _training(name: str, rows: Sequence[Mapping[str, Any]]) -> Html:
    """The curves of one method's training."""
    return fill(
        '<h2>$name training</h2>\n<p class="note">Each step\'s mean over its answers; the bold line'
        ' is the mean of ten steps.</p>\n<div class="figures">$figures</div>',
        name=name,
        figures=join(_figure(curve) for curve in curves(rows, CURVES[name])),
    )


def _comparison(test: Mapping[str, Any]) -> str:
    return (
        f"{test['a']} <{test['a_prompt']}> against {test['b']} <{test['b_prompt']}>:"
        f" {test['difference']:+.1f} points, McNemar's exact test p = {test['mcnemar_p']:.2g}"
    )


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _flat(results: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Names and values of the settings; what stands elsewhere on the page is left out."""
    for name, value in results.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}: ")
        elif not isinstance(value, list):
            yield prefix + name, value


def table(caption: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> Html:
    """A table with a caption; the first cell of each row is its heading."""
    return fill(
        '<div class="wide"><table><caption>$caption</caption>\n<thead><tr>$header</tr></thead>\n'
        "<tbody>$rows</tbody></table></div>",
        caption=caption,
        header=join(fill('<th scope="col">$cell</th>', cell=cell) for cell in header),
        rows=join(
            fill(
                '<tr><th scope="row">$first</th>$rest</tr>',
                first=row[0],
                rest=join(fill("<td>$cell</td>", cell=cell) for cell in row[1:]),
            )
            for row in rows
        ),
    )


def _figure(curve: Curve) -> Html:
    """The curve as inline SVG, with a sentence for those who do not see it."""
    values = list(curve.values)
    summary = (
        f"{curve.title}: {values[0]:.3g} at step {curve.steps[0]:g}, "
        f"{values[-1]:.3g} at step {curve.steps[-1]:g}; "
        f"lowest {min(values):.3g}, highest {max(values):.3g}."
    )
    return fill(
        '<figure><div role="img" aria-label="$summary">$svg</div>'
        "<figcaption>$summary</figcaption></figure>",
        summary=summary,
        svg=_svg(curve),
    )


def _svg(curve: Curve) -> Html:
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context({"font.size": 11}):
        figure = Figure(figsize=(4.2, 2.8), layout="constrained")
        axes = figure.add_subplot()
        marker = "o" if len(curve.values) == 1 else None
        many = len(curve.values) > 2 * SMOOTHING
        faint = {"alpha": 0.35, "linewidth": 0.8} if many else {"linewidth": 1.8}
        axes.plot(curve.steps, curve.values, color=curve.colour, marker=marker, **faint)
        if many:
            mean = np.convolve(curve.values, np.ones(SMOOTHING) / SMOOTHING, mode="valid")
            middle = curve.steps[SMOOTHING // 2 :][: len(mean)]
            axes.plot(middle, mean, color=curve.colour, linewidth=1.8)
        axes.set(title=curve.title, xlabel="step", ylabel=curve.y_label)
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        return svg_of(figure, curve.title)


def svg_of(figure: "Figure", salt: str) -> Html:
    """A figure as inline SVG, as wide as its place; ``salt`` differs among those of a page."""
    import matplotlib

    # Text stays text (small files, readable aloud); a salt of its own keeps the ids of the
    # figures of one page apart and the file the same on every run.
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": salt}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    # The page decides the width, so that a figure fits a phone.
    return Html(re.sub(r'<svg ([^>]*?)width="[^"]*" ?', r"<svg \1", svg, count=1))


def _clip(number: int, clip: Clip) -> Html:
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

PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" \
content="default-src 'none'; style-src 'unsafe-inline'; media-src data:; img-src data:">
<title>$title</title>
<style>
:root { color-scheme: light; }
body { font: 1rem/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff;
  max-width: 64rem; margin: 0 auto; padding: 1rem; overflow-wrap: anywhere; }
h1, h2, h3 { line-height: 1.25; }
h2 { margin-top: 2.5rem; border-bottom: 2px solid #0072B2; padding-bottom: .25rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: .75rem 0; overflow-wrap: normal; }
caption { text-align: left; font-weight: 600; padding-bottom: .25rem; }
th, td { text-align: left; vertical-align: top; padding: .3rem .7rem;
  border-bottom: 1px solid #ccc; font-variant-numeric: tabular-nums; }
thead th { border-bottom: 2px solid #444; }
.published { background: #f4f4f4; padding: .5rem 1rem; border-left: 4px solid #595959; }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr));
  gap: 1rem; }
figure { margin: 0; }
figure svg { width: 100%; height: auto; }
figcaption, .note { color: #4d4d4d; font-size: .9rem; margin: 0; }
article { border: 1px solid #bbb; border-radius: .4rem; padding: .25rem 1rem; margin: 1rem 0; }
audio { width: 100%; max-width: 28rem; }
.right { color: #00573f; white-space: nowrap; }
.wrong { color: #9a3f00; white-space: nowrap; }
</style>
</head>
<body>
<main>
<h1>$title</h1>
<h2>Measured in this run</h2>
$measured
<p>Questions: $questions</p>
<h3>Paired tests on the same questions</h3>
<ul>$comparisons</ul>
<h2>Reproduced?</h2>
$verdicts
<h2>Published, not measured here</h2>
<div class="published">$published</div>
$training
$groups
<h2>Clips to listen to</h2>
<p>Drawn with the seed of the run, for each task among those that $chosen_by answered right and
those that it answered wrong.</p>
$clips
<h2>Settings</h2>
<div class="wide"><table><caption>What was run, and where</caption><tbody>$settings</tbody></table>\
</div>
</main>
</body>
</html>
"""
