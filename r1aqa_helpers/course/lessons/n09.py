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

from r1aqa_helpers.course.recorded_run import REFERENCE, recorded_answers
from r1aqa_helpers.course.session import Lab
from r1aqa_helpers.course.tables import Table
from r1aqa_helpers.course.widgets.player import Player
from r1aqa_helpers.data import AudioQuestion, QuestionSet, identify, read_questions
from r1aqa_helpers.data.mmau.releases import read_source
from r1aqa_helpers.reporting import (
    DOMAINS,
    MEANING,
    ResultRow,
    check_predictions,
    load_measured,
    verdict_table,
)
from r1aqa_helpers.scoring import KINDS, Accuracy, answer_kind, extract_answer, read_predictions
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import shown
from r1aqa_helpers.utils.paths import DATA

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
    """A question to listen to, with what each method answered, folded."""

    def __init__(self, question: AudioQuestion, said: Mapping[str, str]) -> None:
        self.player = Player(question.audio, f"{question.id}: {question.question}")
        self.choices = f"choices: {', '.join(question.choices)}; right is: {question.answer}"
        self.said = [f"{method}: {answer}" for method, answer in said.items()]

    def __repr__(self) -> str:
        return "\n".join([repr(self.player), self.choices, *self.said])

    def _repr_html_(self) -> str:
        said = "<br>".join(map(html.escape, self.said))
        told = f"<details><summary>what the roads said</summary>{said}</details>"
        return f"{self.player.html()}<p>{html.escape(self.choices)}</p>{told}"


def listen(question: AudioQuestion, answers: Mapping[str, Mapping[str, str]]) -> None:
    """Show a question's clip as a player, and what each method said, folded."""
    display(Heard(question, {name: said.get(question.id, "–") for name, said in answers.items()}))


def print_verdicts(found: Sequence[Mapping[str, Any]]) -> None:
    """Print what `results.verdicts` found as plain text, with what the words mean."""
    if found:
        console = Console(width=92, force_jupyter=False, force_terminal=False)
        console.print(verdict_table(found))
        console.print(Text(MEANING))


def rows_table(rows: Sequence[Mapping[str, Any]], caption: str) -> None:
    """Show rows of `leaderboard.load_table`: what was reported, then what was run here.

    Where none of the rows was run, the second part is left out, and the caption says so.
    """
    names = (*DOMAINS, "average")
    run = any(row["reproduced"] for row in rows)
    cells = []
    for row in rows:
        reported, own = row["reported"] or {}, row["reproduced"]
        line = [", ".join(part for part in (row["model"], row["method"]) if part)]
        line += [f"{reported[name]:.2f}" if reported.get(name) else "–" for name in names]
        if own:
            line += [f"{own['track']}: {own['method']}", *(f"{own[name]:.1f}" for name in names)]
            line += ["{:.1f} to {:.1f}".format(*own["ci95"]), f"{own['n']:,}"]
        elif run:
            line += ["not run", *["–"] * 6]
        cells.append(line)
    columns = ["reported", *names]
    if run:
        columns += ["own run, on the test of its track", *names, "95 % interval", "n"]
    caption = caption if run else f"{caption}; none of them was run here"
    display(Table(caption, cells, columns))
