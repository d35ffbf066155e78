"""The capstone's rubric: does a folder hold a project from one's own sounds to a model card?

A folder that passes holds::

    train.jsonl, test.json    questions in the formats of R1-AQA and MMAU, with their clips
    reward.py                 one's own reward function, called ``reward``
    run/                      what `train_grpo` wrote with it
    evaluation/results.json   what ``r1aqa reproduce --questions test.json --trained run/model``
                              wrote: the base and the trained model, with intervals
    run/model/README.md       the model card with that table (`add_results`), and a section on
                              where the recordings come from

Questions may list the ``takes`` that their clip was made of; then none may be on both sides.
``reward.py`` is run: it is the learner's own, and so is the machine.
"""

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from r1aqa_helpers.course.tables import Table
from r1aqa_helpers.course.widgets.playground import compile_reward
from r1aqa_helpers.course.widgets.reward_hacking_tests import attack_suite
from r1aqa_helpers.data import AudioQuestion, QuestionSet, identify, read_questions
from r1aqa_helpers.data.audio import load_audio
from r1aqa_helpers.models import CARD
from r1aqa_helpers.scoring import best_position, chance, fixed_position, score
from r1aqa_helpers.scoring.text_only import text_only_answers
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import read_bytes, read_json, read_log, shown, shown_value

#: Fewer questions say nothing.
LEAST_TRAINING, LEAST_TEST = 24, 20
#: Quieter than this a clip is taken for silence: root mean square, in decibels of full scale.
SILENCE_DB = -60.0
#: Points above chance that always naming one place may reach.
MOST_ABOVE_CHANCE = 15.0
#: Cosine of two waves of one length from which they are the same sound, at whatever level.
SAME_SOUND = 0.999
#: What the card's section on the recordings is called.
RECORDINGS = "## Recordings"


@dataclass(frozen=True)
class Verdict:
    """One line of the rubric."""

    name: str
    passed: bool
    text: str  #: what was found, or what is missing and what to do


class Rubric(Table):
    """All lines for one folder, shown as a table.

    Attributes:
        verdicts: one for each part.
        passed: whether nothing is missing.
        summary: the result in a line.
    """

    def __init__(self, verdicts: Sequence[Verdict]) -> None:
        self.verdicts = tuple(verdicts)
        self.passed = all(verdict.passed for verdict in verdicts)
        done = sum(verdict.passed for verdict in verdicts)
        self.summary = f"{done} of {len(verdicts)} parts done"
        rows = [("✓" if v.passed else "✗", v.name, v.text) for v in verdicts]
        super().__init__(self.summary, rows, ("done", "part", "what was found, or is missing"))


def judge_folder(folder: Path | str) -> Rubric:
    """Look at a capstone's folder, part by part; a part that fails does not hide the next.

    Raises:
        UserError: there is no such folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"{shown(folder)}: no such folder; give the one of your project")
    verdicts = []
    for part in PARTS:
        name = part.__name__.replace("_", " ")
        try:
            verdicts.append(Verdict(name, True, part(folder)))
        except UserError as fault:
            # Files are named from the project's folder, so that a line is the same everywhere.
            text = str(fault).replace(f"{shown(folder)}{os.sep}", "")
            verdicts.append(Verdict(name, False, text))
    return Rubric(verdicts)


def training_questions(folder: Path) -> str:
    """``train.jsonl``: enough labelled questions, clips that sound, choices in no fixed order."""
    questions = _questions(folder / "train.jsonl", LEAST_TRAINING)
    clips = _check(folder / "train.jsonl", questions)
    return f"{len(questions)} questions about {clips} clips"


def test_questions(folder: Path) -> str:
    """``test.json``: the same, about sounds that are not in training, and not to be guessed."""
    path = folder / "test.json"
    questions = _questions(path, LEAST_TEST)
    clips = _check(path, questions)
    training = _questions(folder / "train.jsonl", 1)
    _check_apart(path, questions, training)
    read = score(questions, text_only_answers(questions, training)).overall
    if read.ci95[0] > chance(questions):
        raise UserError(
            f"{shown(path)}: a text-only baseline, which hears nothing, gets {read.percent:.0f} % "
            f"(chance: {chance(questions):.0f} %): something in the words gives answers away; see "
            "r1aqa_helpers.evaluation.probes.text_baselines"
        )
    return f"{len(questions)} questions about {clips} clips, none of them in training"


def reward(folder: Path) -> str:
    """``reward.py``: right answers earn more than wrong ones, and no attack pays."""
    path = folder / "reward.py"
    source = read_bytes(path).decode("utf-8", errors="replace")
    try:
        function = compile_reward(source)
        card = attack_suite(function, 2)
    except UserError as fault:
        raise UserError(f"{shown(path)}: {fault}") from None
    if function.__name__ != "reward":
        raise UserError(f"{shown(path)}: its last function is {function.__name__}; call it reward")
    if not card.tells_right_from_wrong:
        raise UserError(f"{shown(path)}: a wrong answer earns as much as a right one")
    if card.paying:
        names = ", ".join(shot.case.name for shot in card.paying)
        raise UserError(f"{shown(path)}: attacks pay: {names}; see course.attack_suite(reward)")
    return card.summary


def run(folder: Path) -> str:
    """``run/``: a GRPO run that ended, with the reward of ``reward.py``."""
    known = read_json(folder / "run" / "run.json")
    names = known.get("rewards") if isinstance(known, dict) else None
    if not isinstance(names, list) or "reward" not in names:
        raise UserError(
            f"{shown(folder / 'run' / 'run.json')}: the run was not paid by your reward; train "
            "with train_grpo(..., rewards=[reward])"
        )
    rows = read_log(folder / "run" / "metrics.jsonl")
    steps, done = known.get("settings", {}).get("steps"), rows[-1].get("step") if rows else 0
    if not (folder / "run" / "model").is_dir() or done != steps:
        raise UserError(
            f"{shown(folder / 'run')}: {done} of {steps} steps are done; run the training again"
        )
    return f"{done} steps, paid by {', '.join(map(str, names))}"


def evaluation(folder: Path) -> str:
    """``evaluation/results.json``: base and trained model on ``test.json``, with intervals."""
    path = folder / "evaluation" / "results.json"
    stored = read_json(path)
    asked = identify(_questions(folder / "test.json", 1), folder / "test.json")
    try:
        answered = QuestionSet.from_dict(stored["test_set"])
        rows = {(row["method"], row["prompt"]): row for row in stored["rows"]}
        trained = next(row for row in stored["rows"] if row["method"] == "trained")
        before, after = (
            f"{row['average']:.1f} % ({row['ci95'][0]:.1f}–{row['ci95'][1]:.1f})"
            for row in (rows["direct", 2], trained)
        )
        test = next(t for t in stored["comparisons"] if t["b"] == "direct" and t["b_prompt"] == 2)
        difference = f"{test['difference']:+.1f} points, p = {test['mcnemar_p']:.2g}"
    except (KeyError, TypeError, IndexError, StopIteration):
        raise UserError(
            f"{shown(path)}: has no rows of the base and of the trained model; run r1aqa reproduce "
            "--questions test.json --trained run/model --out evaluation"
        ) from None
    if answered.sha256 != asked.sha256:
        raise UserError(f"{shown(path)}: is of other questions than test.json; evaluate again")
    return f"before {before}, after {after}, n {answered.n}: {difference}"


def model_card(folder: Path) -> str:
    """``run/model/README.md``: the card, with the evaluation's table and the sounds' origin."""
    path = folder / "run" / "model" / CARD
    text = read_bytes(path).decode("utf-8", errors="replace")
    stored = read_json(folder / "evaluation" / "results.json")
    rows = stored.get("rows") if isinstance(stored, dict) else None
    wanted = [f"{row['average']:.1f}" for row in rows or [] if isinstance(row, dict)]
    if not wanted or not all(figure in text for figure in wanted):
        raise UserError(
            f"{shown(path)}: does not show the evaluation's table; call add_results on run/model "
            "with evaluation/results.json"
        )
    if not re.search(rf"^{RECORDINGS} *\n+(?!#)\S", text, re.MULTILINE):
        raise UserError(
            f"{shown(path)}: has no section {RECORDINGS!r}; say there who made the sounds, how, "
            "and what others may do with them"
        )
    return f"{len(text.splitlines())} lines, with the table of {len(wanted)} rows"


#: In the order in which they are made; a part is called as its function.
PARTS: tuple[Callable[[Path], str], ...] = (
    training_questions,
    test_questions,
    reward,
    run,
    evaluation,
    model_card,
)


def _questions(path: Path, least: int) -> list[AudioQuestion]:
    questions = read_questions(path)
    score(questions, {})  # finds a question without a gold answer
    if len(questions) < least:
        raise UserError(f"{shown(path)}: has {len(questions)} questions; write {least} or more")
    return questions


def _check(path: Path, questions: Sequence[AudioQuestion]) -> int:
    """How many clips there are: each can be heard, and no place is right too often."""
    clips = {question.audio: question.id for question in questions}
    for audio, id in clips.items():
        level = 20 * np.log10(max(float(np.sqrt(np.mean(load_audio(audio) ** 2))), 1e-9))
        if level < SILENCE_DB:
            raise UserError(
                f"{shown(path)}: question {shown_value(id)}: its clip is silent ({level:.0f} dB); "
                "record or render it again"
            )
    place, level = best_position(questions), chance(questions)
    said = score(questions, fixed_position(questions, place)).average
    if said > level + MOST_ABOVE_CHANCE:
        raise UserError(
            f"{shown(path)}: choice {place + 1} is right in {said:.0f} % (chance: {level:.0f} %); "
            "put the choices in random order"
        )
    return len(clips)


def _check_apart(
    path: Path, questions: Sequence[AudioQuestion], training: Sequence[AudioQuestion]
) -> None:
    """No question is about a take, or a sound, of the training questions."""
    known = {take for question in training for take in _takes(question)}
    heard = [_unit(load_audio(audio)) for audio in {question.audio for question in training}]
    for question in questions:
        shared = [take for take in _takes(question) if take in known]
        if shared:
            raise UserError(
                f"{shown(path)}: question {shown_value(question.id)} is about take "
                f"{shown_value(shared[0])}, which is in training, too; split takes before you "
                "make clips of them"
            )
        wave = _unit(load_audio(question.audio))
        if any(len(wave) == len(other) and wave @ other > SAME_SOUND for other in heard):
            raise UserError(
                f"{shown(path)}: question {shown_value(question.id)} is about a clip of the "
                "training questions; make new clips for the test"
            )


def _takes(question: AudioQuestion) -> list[str]:
    """The takes that a question's clip was made of, where it says so."""
    takes = question.extra.get("takes", [])
    return [str(take) for take in takes] if isinstance(takes, list) else [str(takes)]


def _unit(wave: np.ndarray) -> np.ndarray:
    """The wave at length 1 as a vector, so that a cosine is a product."""
    return wave / max(float(np.linalg.norm(wave)), 1e-9)
