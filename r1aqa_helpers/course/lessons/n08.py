"""What notebook 08 reads and shows: rows of a table, what kind each answer is, clips to hear."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from IPython.display import display

from r1aqa_helpers.course.session import RUNS, Lab
from r1aqa_helpers.course.tables import Table
from r1aqa_helpers.course.widgets.player import Player
from r1aqa_helpers.data import AudioQuestion, QuestionSet, identify
from r1aqa_helpers.data.audio import load_audio, save_audio
from r1aqa_helpers.data.mmau.prepare import find_questions
from r1aqa_helpers.evaluation.local import answer_questions
from r1aqa_helpers.models import LoadedModel
from r1aqa_helpers.reporting import DOMAINS, MEANING, ResultRow, measured_row
from r1aqa_helpers.reporting.rows import Published
from r1aqa_helpers.reporting.tables import VERDICTS, verdict_cells
from r1aqa_helpers.scoring import KINDS, Accuracy, Score, Verdict
from r1aqa_helpers.scoring.text import interval_text
from r1aqa_helpers.utils.paths import DATA
from r1aqa_helpers.utils.untrusted import html, plain_lines

#: The release that the published rows are of, as `r1aqa data fetch mmau` names it.
MMAU = "mmau-test-mini-v1"
#: Counts of both releases of MMAU test-mini, written by ``r1aqa data audit``.
AUDIT = DATA / "course" / "mmau_audit.json"
#: Greedy and sampled answers of the untrained model, recorded on the tiny track.
SAMPLED = DATA / "results" / "tiny" / "sampled.json"


def test_set(lab: Lab) -> QuestionSet:
    """Which questions the profile's test is: of a release of MMAU, or of none.

    Raises:
        UserError: the test cannot be read.
    """
    if lab.profile.tiny_questions:
        return identify(lab.test_questions(), "tiny-mmau.json")
    return identify(lab.test_questions(), lab.profile.test or find_questions(MMAU, RUNS))


def own_rows(lab: Lab, scores: Mapping[str, Score]) -> list[ResultRow]:
    """A row for each score; their names are methods with their prompt, such as ``sft <2>``."""
    asked, rows = test_set(lab), []
    for label, result in scores.items():
        method, _, prompt = label.partition(" <")
        row = measured_row(method, int(prompt.rstrip(">")), result, None, asked)
        rows.append(replace(row, track=lab.profile.name, source=asked.name))
    return rows


def results_table(published: Published, own: Sequence[ResultRow]) -> Table:
    """The published rows of Qwen2-Audio on MMAU, and below them the own rows on their own test."""
    reported = [row for row in (*published.card, *published.paper) if "Qwen2" in row.model]
    cells = [["Qwen2-Audio-7B, reported", row.method, "MMAU v1", *row.cells()] for row in reported]
    cells = [[*line, "not reported", "1,000"] for line in cells]
    for row in own:
        line = [f"{row.track}, measured here", row.label, row.source, *row.cells(1)]
        cells.append([*line, interval_text(row.ci95), f"{row.n:,}"])
    head = ("model", "method", "test", *DOMAINS, "all", "95 % interval", "n")
    return Table("Accuracies in percent. Compare rows of one model and one test only.", cells, head)


def invented() -> tuple[list[ResultRow], QuestionSet]:
    """A row that nobody measured, of a run on all of MMAU v1, to show what verdicts look like."""
    correct, asked = {"sound": 219, "music": 211, "speech": 179}, {"music": 334}
    parts = {task: Accuracy(k, asked.get(task, 333)) for task, k in correct.items()}
    whole = Accuracy(sum(correct.values()), 1000)
    row = ResultRow(
        "r1-aqa",
        2,
        **{task: part.percent for task, part in parts.items()},
        average=whole.percent,
        ci95=whole.ci95,
        n=1000,
        tasks={task: part.as_dict() for task, part in parts.items()},
    )
    return [row], QuestionSet("invented", "v1", True, 1000, "", "")


def verdicts_table(found: Sequence[Mapping[str, Any]]) -> None:
    """Show what `reporting.verdicts` found, and print what the words mean."""
    if found:
        display(Table("Published beside measured, in percent", [*verdict_cells(found)], VERDICTS))
        print(MEANING)


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


def changed_clips(
    questions: Sequence[AudioQuestion],
    folder: Path,
    change: Callable[[np.ndarray], np.ndarray],
) -> list[AudioQuestion]:
    """The same questions about clips that ``change`` made of theirs, written to ``folder``.

    Args:
        change: takes and gives float32 samples at 16 kHz, shape (n,).

    Raises:
        UserError: a clip cannot be read, or the folder not be written.
    """

    def changed() -> Iterator[AudioQuestion]:
        for number, question in enumerate(questions):
            path = Path(folder) / f"{number:04}.wav"
            save_audio(path, change(load_audio(question.audio)).astype(np.float32))
            yield replace(question, audio=path)

    return list(changed())


def ask(lab: Lab, loaded: LoadedModel, questions: Sequence[AudioQuestion]) -> dict[str, str]:
    """Greedy answers by question id, with prompt <2>; kept nowhere, for questions that were made.

    Raises:
        UserError: a clip cannot be read.
    """
    profile = lab.profile
    said = answer_questions(
        loaded,
        questions,
        batch_tokens=profile.eval_tokens,
        max_new_tokens=profile.max_new_tokens,
    )
    return {one.id: one.answer for one in said}
