"""What notebook 09 reads and shows: every method's answers, what kind each is, tables."""

import html
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from IPython.display import display
from rich.console import Console
from rich.text import Text

from r1aqa_helpers.course.figures.style import GREY
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
    extract_answer,
    read_predictions,
)

#: Folder of a method's answers in a run -> its label in tables.
METHODS = {
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
    answers: dict[str, dict[str, str]]  #: method to extracted answers by question id


def evaluated(lab: Lab, runs: Path = RUNS) -> Evaluated:
    """All methods of the profile's run on its test: the committed one on the tiny track.

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
            for name, label in METHODS.items()
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
    for name, label in METHODS.items():
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


class Heard:
    """A question to listen to, with what each method answered."""

    def __init__(self, question: AudioQuestion, said: Mapping[str, str]) -> None:
        self.question, self.said = question, dict(said)
        self.player = Player(question.audio, f"{question.id}: {question.question}")

    def lines(self) -> list[str]:
        """Choices, gold answer, and a line for each method."""
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
    """Show a question's clip as a player, and what each method said, folded."""
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
            reported, own = row["reported"] or {}, row["reproduced"]
            left = [f"{reported[k]:.2f}" if reported.get(k) else "–" for k in self._NAMES]
            right = ["not run", *["–"] * 6]
            if own is not None:
                right = [
                    f"{own['track']}: {own['method']}",
                    *(f"{own[k]:.1f}" for k in self._NAMES),
                ]
                right += ["{:.1f} to {:.1f}".format(*own["ci95"]), f"{own['n']:,}"]
            name = ", ".join(part for part in (row["model"], row["method"]) if part)
            found.append((name, left, right if self.run else []))
        return found

    def __repr__(self) -> str:
        rows = [(name, *map(" ".join, sides)) for name, *sides in self.cells()]
        lines = [f"{name}: {left}" + (f" | {right}" if right else "") for name, left, right in rows]
        return "\n".join([self.caption, *lines])

    def _repr_html_(self) -> str:
        own = ["track: road", *self._NAMES, "95 % interval", "n"] if self.run else []
        top = f'<th colspan="{len(self._NAMES)}" style="text-align:center">reported</th>'
        if own:
            ruled = f"text-align:center;border-left:2px solid {GREY}"
            told = "own runs, on the test of their track"
            top += f'<th colspan="{len(own)}" style="{ruled}">{told}</th>'
        head = _row("th", "row", self._NAMES, own)
        body = "".join(_row("td", *cells) for cells in self.cells())
        return (
            f'<table><caption style="text-align:left">{html.escape(self.caption)}</caption>'
            f"<thead><tr><th></th>{top}</tr>{head}</thead><tbody>{body}</tbody></table>"
        )


def rows_table(rows: Sequence[Mapping[str, Any]], caption: str) -> None:
    """Show rows of `r1aqa_helpers.table.load_table`."""
    display(RowsTable(rows, caption))


def _row(kind: str, name: str, left: Sequence[str], right: Sequence[str]) -> str:
    styles = ["0;text-align:left", *["0;text-align:right"] * len(left)]
    styles += [f"10px;text-align:left;border-left:2px solid {GREY}"] * bool(right)
    styles += ["0;text-align:right"] * (len(right) - 1)
    cells = [
        f'<{kind} style="padding:2px 10px 2px {style}">{html.escape(text)}</{kind}>'
        for style, text in zip(styles, [name, *left, *right], strict=True)
    ]
    return f"<tr>{''.join(cells)}</tr>"
