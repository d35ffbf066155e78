"""What notebook 09 reads and shows: every method's answers, what kind each is, tables."""

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from IPython.display import display

from r1aqa_helpers.course.recorded_run import REFERENCE, recorded_answers
from r1aqa_helpers.course.session import Lab
from r1aqa_helpers.course.tables import Table
from r1aqa_helpers.course.widgets.player import Player
from r1aqa_helpers.data import AudioQuestion, QuestionSet, identify, read_questions
from r1aqa_helpers.data.mmau.releases import read_source
from r1aqa_helpers.reporting import DOMAINS, MEANING, ResultRow, load_measured
from r1aqa_helpers.reporting.tables import VERDICTS, verdict_cells
from r1aqa_helpers.scoring import (
    KINDS,
    Accuracy,
    Verdict,
    check_predictions,
    extract_answer,
    read_predictions,
)
from r1aqa_helpers.scoring.text import interval_text, number_text
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.paths import DATA
from r1aqa_helpers.utils.untrusted import html, plain_lines, shown

#: Folder of a method's answers in a run -> its label in tables.
METHODS = {
    "direct-1": "direct <1>",
    "direct-2": "direct <2>",
    "zero-shot-cot": "zero-shot-cot <3>",
    "cota": "cota <3>",
    "grpo-3": "grpo <3>",
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
    reproduce = f"r1aqa reproduce --profile {lab.profile.name} --questions {MMAU}"
    for needed, command in (
        (source, "r1aqa data fetch mmau --version v1"),
        (folder / "results.json", reproduce),
    ):
        if not needed.exists():
            raise UserError(f"{shown(needed)}: is not here yet; make it with: {command}")
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
    found = Counter(Verdict(q, answers.get(q.id)).kind for q in questions)
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


def listen(question: AudioQuestion, answers: Mapping[str, Mapping[str, str]]) -> None:
    """Show a question's clip as a player and, folded, its choices and what each method said."""
    clip = Player(question.audio, f"{question.id}: {question.question}")
    lines = [f"choices: {', '.join(question.choices)}; correct: {question.answer}"]
    lines += [f"{method}: {said.get(question.id, '–')}" for method, said in answers.items()]
    fold = "<br>".join(map(html, lines))
    page = f"{clip.html()}<details><summary>choices and answers</summary>{fold}</details>"
    text = plain_lines("\n".join([repr(clip), *lines]))
    display({"text/html": page, "text/plain": text}, raw=True)


def verdicts_table(found: Sequence[Mapping[str, Any]]) -> None:
    """Show what `reporting.verdicts` found, and print what the words mean."""
    if found:
        display(Table("Published beside measured, in percent", [*verdict_cells(found)], VERDICTS))
        print(MEANING)


def rows_table(rows: Sequence[Mapping[str, Any]], caption: str) -> None:
    """Show rows of `leaderboard.load_table`: what was reported, then what was run here."""
    names = (*DOMAINS, "average")
    cells = []
    for row in rows:
        reported, own = row["reported"] or {}, row["reproduced"]
        line = [", ".join(part for part in (row["model"], row["method"]) if part)]
        line += [number_text(reported.get(name), 2) for name in names]
        if own is None:
            line += ["not run", *["–"] * 6]
        else:
            line += [
                f"{own['track']}: {own['method']}",
                *(number_text(own[name], 1) for name in names),
            ]
            line += [interval_text(own["ci95"]), f"{own['n']:,}"]
        cells.append(line)
    own_columns = ("own run, on the test of its track", *names, "95 % interval", "n")
    display(Table(caption, cells, ("reported", *names, *own_columns)))
