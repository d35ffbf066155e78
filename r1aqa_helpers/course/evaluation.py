"""For the notebook on evaluation: every road's answers, what kind each is, tables and figures."""

import html
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import display
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.console import Console
from rich.text import Text

from r1aqa_helpers.course.figures.style import BLUE, GREEN, GREY, ORANGE, RED, SKY
from r1aqa_helpers.course.recorded_run import REFERENCE, recorded_answers
from r1aqa_helpers.course.session import Lab
from r1aqa_helpers.course.widgets.player import Player
from r1aqa_helpers.errors import UserError
from r1aqa_helpers.files import shown
from r1aqa_helpers.paths import DATA
from r1aqa_helpers.questions import AudioQuestion, QuestionSet, identify, read_questions
from r1aqa_helpers.questions.mmau.releases import read_source
from r1aqa_helpers.results import (
    DOMAINS,
    MEANING,
    ResultRow,
    check_predictions,
    load_measured,
    verdict_table,
)
from r1aqa_helpers.scoring import (
    KINDS,
    Accuracy,
    answer_kind,
    chance,
    extract_answer,
    read_predictions,
)
from r1aqa_helpers.scoring import confusions as confusions  # the notebook counts them, too

#: Folder of a method's answers in a run -> its label in tables.
ROADS = {
    "direct-1": "direct <1>",
    "direct-2": "direct <2>",
    "zero-shot-cot": "zero-shot-cot <3>",
    "sft": "sft <2>",
    "grpo": "grpo <2>",
    "r1-aqa": "r1-aqa <2>",
    "trained": "trained <2>",
}
#: The release that the published rows are of, as `r1aqa data fetch mmau` names it.
MMAU = "mmau-test-mini-v1"
RUNS = DATA.parent / "runs"


@dataclass(frozen=True)
class Evaluated:
    """A run and the questions that it answered."""

    questions: list[AudioQuestion]
    test_set: QuestionSet
    rows: tuple[ResultRow, ...]
    answers: dict[str, dict[str, str]]  #: road to extracted answers by question id


def evaluated(lab: Lab, runs: Path = RUNS) -> Evaluated:
    """All roads of the profile's run on its test: the committed one on the tiny track.

    On the full track those of ``r1aqa reproduce --profile NAME --questions mmau-test-mini-v1``,
    from ``runs``.

    Raises:
        UserError: the run or its questions are not there, or do not belong together.
    """
    if lab.profile.tiny_questions:
        questions = lab.test_questions()
        test_set = identify(questions, "tiny-mmau.json")
        answers = {
            label: {k: extract_answer(v) for k, v in recorded_answers(name).items()}
            for name, label in ROADS.items()
            if (REFERENCE / "answers" / f"{name}.jsonl").exists()
        }
        return Evaluated(questions, test_set, load_measured(), answers)
    source, folder = runs / MMAU / "source.json", runs / f"{lab.profile.name}-{MMAU}"
    for needed, command in (
        (source, "r1aqa data fetch mmau --version v1"),
        (folder / "results.json", f"r1aqa reproduce --profile {lab.profile.name} --questions MMAU"),
    ):
        if not needed.exists():
            told = command.replace("MMAU", MMAU)
            raise UserError(f"{shown(needed)}: is not here yet; make it with: {told}")
    path = source.parent / read_source(source.parent)["questions"]
    questions = read_questions(path)
    test_set, answers = identify(questions, path), {}
    for name, label in ROADS.items():
        predictions = folder / name / "predictions.json"
        if predictions.exists():
            check_predictions(predictions, test_set)
            answers[label] = read_predictions(predictions)
    return Evaluated(questions, test_set, load_measured(folder / "results.json"), answers)


def kinds(questions: Sequence[AudioQuestion], answers: Mapping[str, str]) -> dict[str, int]:
    """How many answers are of each kind; a question without an answer names no choice."""
    found = Counter(answer_kind(q, answers.get(q.id, "")) for q in questions)
    return {kind: found[kind] for kind in KINDS}


def by(
    questions: Sequence[AudioQuestion],
    matches: Mapping[str, int],
    name: Callable[[AudioQuestion], Hashable],
) -> dict[Any, Accuracy]:
    """Accuracies by whatever ``name`` says of a question, in order of first appearance."""
    groups: dict[Any, list[int]] = {}
    for question in questions:
        groups.setdefault(name(question), []).append(matches[question.id])
    return {key: Accuracy(sum(group), len(group)) for key, group in groups.items()}


def kinds_figure(counted: Mapping[str, Mapping[str, int]]) -> Figure:
    """Each road's answers by kind, as a bar of parts, in percent."""
    fig, ax = plt.subplots(figsize=(8.6, 0.5 * len(counted) + 1.7))
    styles = ((BLUE, ""), (SKY, "//"), (ORANGE, ".."), (GREY, "xx"))
    places = np.arange(len(counted))[::-1]
    left = np.zeros(len(counted))
    totals = np.array([sum(parts.values()) for parts in counted.values()])
    for kind, (colour, hatch) in zip(KINDS, styles, strict=True):
        share = 100 * np.array([parts[kind] for parts in counted.values()]) / totals
        ax.barh(places, share, 0.66, left, color=colour, hatch=hatch, edgecolor="white", label=kind)
        left += share
    ax.set_yticks(places, list(counted))
    ax.set(xlim=(0, 100), xlabel="answers, %")
    ax.grid(axis="y", visible=False)
    ax.legend(ncols=4, loc="lower center", bbox_to_anchor=(0.45, 1.0), fontsize=10.5)
    return fig


def groups_figure(
    questions: Sequence[AudioQuestion],
    matches: Mapping[str, Mapping[str, int]],
    name: Callable[[AudioQuestion], Hashable],
    order: Sequence[Hashable] | None = None,
) -> Figure:
    """Accuracy with interval for each group of questions and each road, chance as a tick.

    Args:
        matches: road to verdict by question id; at most three roads.
        name: of a question's group.
        order: of the groups, from the top; by default the last road's best first.
    """
    found = {road: by(questions, verdicts, name) for road, verdicts in matches.items()}
    last = found[list(found)[-1]]
    order = list(order or sorted(last, key=lambda group: -last[group].percent))
    fig, ax = plt.subplots(figsize=(8.6, 0.36 * len(order) * max(1, len(found) / 2) + 1.3))
    places = np.arange(len(order))[::-1]
    styles = ((ORANGE, "s"), (BLUE, "o"), (GREEN, "^"))
    for index, (road, groups) in enumerate(found.items()):
        colour, marker = styles[index]
        shift = 0.24 * ((len(found) - 1) / 2 - index)
        _bars(ax, [groups[group] for group in order], places + shift, colour, marker, road)
    levels = {group: chance([q for q in questions if name(q) == group]) for group in order}
    ax.plot([levels[g] for g in order], places, "|", color=RED, markersize=13, label="chance")
    ax.set_yticks(places, [f"{group} ({last[group].n})" for group in order], fontsize=10.5)
    ax.set(xlim=(-2, 102), ylim=(-0.6, len(order) - 0.4), xlabel="accuracy, %; bars: 95 % interval")
    ax.grid(axis="y", visible=False)
    ax.legend(
        ncols=4, loc="lower right", bbox_to_anchor=(1.0, 1.0), fontsize=10.5, borderaxespad=0.2
    )
    return fig


def _bars(
    ax: Axes,
    cells: Sequence[Accuracy],
    places: np.ndarray,
    colour: str,
    marker: str,
    label: str,
) -> None:
    shares = np.array([cell.percent for cell in cells])
    ends = np.array([cell.ci95 for cell in cells])
    lengths = np.abs(ends - shares[:, None]).T
    ax.errorbar(
        shares, places, xerr=lengths, fmt=marker, color=colour, capsize=2.5, lw=1.5, label=label
    )


def differences_figure(rows: Mapping[str, tuple[float, tuple[float, float]]]) -> Figure:
    """Differences in points with their intervals, one line each, the first on top; zero marked."""
    fig, ax = plt.subplots(figsize=(8.6, 0.42 * len(rows) + 1.2))
    places = np.arange(len(rows))[::-1]
    middle = np.array([found for found, _ in rows.values()])
    ends = np.array([interval for _, interval in rows.values()])
    lengths = np.abs(ends - middle[:, None]).T
    ax.errorbar(middle, places, xerr=lengths, fmt="D", color=BLUE, capsize=4)
    ax.axvline(0, color=RED, linestyle="--")
    ax.set_yticks(places, list(rows))
    ax.set(xlabel="difference, points; bars: 95 % bootstrap interval", ylim=(-0.6, len(rows) - 0.4))
    ax.grid(axis="y", visible=False)
    return fig


class Heard:
    """A question to listen to, with what each road answered."""

    def __init__(self, question: AudioQuestion, said: Mapping[str, str]) -> None:
        self.question, self.said = question, dict(said)
        self.player = Player(question.audio, f"{question.id}: {question.question}")

    def lines(self) -> list[str]:
        """Choices, gold answer, and a line for each road."""
        return [
            f"choices: {', '.join(self.question.choices)}; right is: {self.question.answer}",
            *(f"{road}: {said}" for road, said in self.said.items()),
        ]

    def __repr__(self) -> str:
        return "\n".join([repr(self.player), *self.lines()])

    def _repr_html_(self) -> str:
        first, *rest = (html.escape(line) for line in self.lines())
        told = f"<details><summary>what the roads said</summary>{'<br>'.join(rest)}</details>"
        return f"{self.player.html()}<p>{first}</p>{told}"


def listen(question: AudioQuestion, answers: Mapping[str, Mapping[str, str]]) -> None:
    """Show a question's clip as a player, and what each road said, folded."""
    display(Heard(question, {road: said.get(question.id, "–") for road, said in answers.items()}))


def print_verdicts(found: Sequence[Mapping[str, Any]]) -> None:
    """Print what `results.verdicts` found as plain text, with what the words mean."""
    if found:
        console = Console(width=92, force_jupyter=False, force_terminal=False)
        console.print(verdict_table(found))
        console.print(Text(MEANING))


class RowsTable:
    """Rows of `r1aqa_helpers.table`: what was reported left, what was run right of a rule.

    Where none of the rows was run, the right side is left out, and the caption says so.
    """

    _NAMES = (*DOMAINS, "average")

    def __init__(self, rows: Sequence[Mapping[str, Any]], caption: str) -> None:
        self.rows = list(rows)
        self.run = any(row["reproduced"] is not None for row in self.rows)
        self.caption = caption if self.run else f"{caption}; none of them was run here"

    def cells(self) -> list[tuple[str, list[str], list[str]]]:
        """Name of the row; the reported figures, as printed; the own ones with interval and n."""
        found = []
        for row in self.rows:
            reported, own = row["reported"], row["reproduced"]
            left = [_figure((reported or {}).get(name), 2) for name in self._NAMES]
            right = ["not run", *["–"] * 6]
            if own is not None:
                low, high = own["ci95"]
                right = [f"{own['track']}: {own['method']}"]
                right += [_figure(own[name], 1) for name in self._NAMES]
                right += [f"{low:.1f} to {high:.1f}", f"{own['n']:,}"]
            name = ", ".join(part for part in (row["model"], row["method"]) if part)
            found.append((name, left, right if self.run else []))
        return found

    def __repr__(self) -> str:
        lines = [self.caption]
        for name, left, right in self.cells():
            lines.append(f"{name}: {' '.join(left)}" + (f" | {' '.join(right)}" if right else ""))
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        figures = [*self._NAMES]
        own = ["track: road", *figures, "95 % interval", "n"] if self.run else []
        top = f'<th colspan="{len(figures)}" style="text-align:center">reported</th>'
        if own:
            ruled = f"text-align:center;border-left:2px solid {GREY}"
            told = "own runs, on the test of their track"
            top += f'<th colspan="{len(own)}" style="{ruled}">{told}</th>'
        head = _row("th", "row", figures, own)
        body = "".join(_row("td", *cells) for cells in self.cells())
        return (
            f'<table><caption style="text-align:left">{html.escape(self.caption)}</caption>'
            f"<thead><tr><th></th>{top}</tr>{head}</thead><tbody>{body}</tbody></table>"
        )


def rows_table(rows: Sequence[Mapping[str, Any]], caption: str) -> None:
    """Show rows of `r1aqa_helpers.table.load_table`."""
    display(RowsTable(rows, caption))


def _figure(value: float | None, decimals: int) -> str:
    return "–" if value is None else f"{value:.{decimals}f}"


def _row(kind: str, name: str, left: Sequence[str], right: Sequence[str]) -> str:
    def cell(text: str, style: str) -> str:
        return f'<{kind} style="padding:2px 10px 2px {style}">{html.escape(text)}</{kind}>'

    cells = [cell(name, "0;text-align:left")]
    cells += [cell(text, "0;text-align:right") for text in left]
    cells += [
        cell(text, f"10px;text-align:left;border-left:2px solid {GREY}") for text in right[:1]
    ]
    cells += [cell(text, "0;text-align:right") for text in right[1:]]
    return f"<tr>{''.join(cells)}</tr>"
