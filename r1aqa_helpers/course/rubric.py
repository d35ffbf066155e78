"""The capstone's rubric: checks that a folder holds a project from own sounds to a model card.

A folder that passes holds::

    train.jsonl, test.json    questions in the formats of R1-AQA and MMAU, with their clips
    reward.py                 your reward function, called ``reward``
    run/                      what `train_grpo` wrote with it
    evaluation/results.json   what ``r1aqa reproduce --questions test.json --trained run/model``
                              wrote: the base and the trained model, with intervals
    run/model/README.md       the model card with that table (`add_results`), and a section on
                              where the recordings come from

Questions may list the ``takes`` that their clip was made of; then none may be on both sides.
``reward.py`` is executed.
"""

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from r1aqa_helpers.course.tables import Table
from r1aqa_helpers.course.widgets.playground import compile_reward
from r1aqa_helpers.course.widgets.reward_hacking_tests import attack_suite
from r1aqa_helpers.data import AudioQuestion, QuestionSet, identify, read_questions
from r1aqa_helpers.data.audio import load_audio
from r1aqa_helpers.models import CARD
from r1aqa_helpers.reporting import load_measured, read_comparisons
from r1aqa_helpers.scoring import best_position, chance, fixed_position, score
from r1aqa_helpers.scoring.text_only import text_only_answers
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import read_bytes, read_json, read_log
from r1aqa_helpers.utils.untrusted import shown, shown_value

#: Fewer questions give intervals too wide to conclude anything.
LEAST_TRAINING, LEAST_TEST = 24, 20
#: A clip quieter than this counts as silent: root mean square, in decibels of full scale.
SILENCE_DB = -60.0
#: Points above chance that always naming one place may reach.
MOST_ABOVE_CHANCE = 15.0
#: Two waves of one length with at least this cosine are the same sound, at any level.
SAME_SOUND = 0.999
#: The card's section on the recordings.
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
    """Check a capstone's folder, part by part; a part that fails does not hide the next.

    Raises:
        UserError: there is no such folder.
    """
    folder = Path(folder)
    if not os.path.isdir(folder):
        raise UserError(f"{shown(folder)}: no such folder; give the one of your project")
    verdicts = []
    for part in PARTS:
        name = part.__name__.replace("_", " ")
        try:
            verdicts.append(Verdict(name, True, part(folder)))
        except UserError as fault:
            # Paths relative to the project's folder, so that a line is the same everywhere.
            text = str(fault).replace(f"{shown(folder)}{os.sep}", "")
            verdicts.append(Verdict(name, False, text))
    return Rubric(verdicts)


def training_questions(folder: Path) -> str:
    """``train.jsonl``: enough labelled questions, clips that sound, choices in no fixed order."""
    questions = _questions(folder / "train.jsonl", LEAST_TRAINING)
    return f"{len(questions)} questions about {_check(folder / 'train.jsonl', questions)} clips"


def test_questions(folder: Path) -> str:
    """``test.json``: the same, with sounds that are not in training and answers not guessable."""
    path = folder / "test.json"
    questions = _questions(path, LEAST_TEST)
    clips = _check(path, questions)
    training = _questions(folder / "train.jsonl", 1)
    _check_apart(path, questions, training)
    read = score(questions, text_only_answers(questions, training)).overall
    _require(
        read.ci95[0] <= chance(questions),
        path,
        f"a text-only baseline, which hears nothing, gets {read.percent:.0f} % "
        f"(chance: {chance(questions):.0f} %): something in the words gives answers away; see "
        "r1aqa_helpers.evaluation.text_baselines",
    )
    return f"{len(questions)} questions about {clips} clips, none of them in training"


def reward(folder: Path) -> str:
    """``reward.py``: correct answers earn more than wrong ones, and no attack succeeds."""
    path = folder / "reward.py"
    source = read_bytes(path).decode("utf-8", errors="replace")
    try:
        function = compile_reward(source)
        card = attack_suite(function, 2)
    except UserError as fault:
        raise UserError(f"{shown(path)}: {fault}") from None
    name = function.__name__
    _require(name == "reward", path, f"its last function is {name}; call it reward")
    _require(card.ranks_correct_first, path, "a wrong answer earns as much as a correct one")
    names = ", ".join(shot.case.name for shot in card.successful)
    _require(not names, path, f"attacks succeed: {names}; see course.attack_suite(reward)")
    return card.summary


def run(folder: Path) -> str:
    """``run/``: a GRPO run that ended, with the reward of ``reward.py``."""
    path = folder / "run" / "run.json"
    known = read_json(path)
    names = known.get("rewards") if isinstance(known, dict) else None
    names = names if isinstance(names, list) else []
    _require(
        "reward" in names,
        path,
        "the run did not use your reward; train with train_grpo(..., rewards=[reward])",
    )
    rows = read_log(folder / "run" / "metrics.jsonl")
    settings, done = known.get("settings"), rows[-1].get("step") if rows else 0
    steps = settings.get("steps") if isinstance(settings, dict) else None
    finished = (folder / "run" / "model").is_dir() and done == steps
    _require(finished, path.parent, f"{done} of {steps} steps are done; run the training again")
    return f"{done} steps, rewarded by {', '.join(map(str, names))}"


def evaluation(folder: Path) -> str:
    """``evaluation/results.json``: base and trained model on ``test.json``, with intervals."""
    path = folder / "evaluation" / "results.json"
    stored = read_json(path)
    asked = identify(_questions(folder / "test.json", 1), folder / "test.json")
    rows = load_measured(path)
    tests = read_comparisons(path, stored.get("comparisons"))
    answered = QuestionSet.from_dict(stored.get("test_set"))
    try:
        base = next(row for row in rows if (row.method, row.prompt) == ("direct", 2))
        trained = next(row for row in rows if row.method == "trained")
        test = next(one for one in tests if (one["b"], one["b_prompt"]) == ("direct", 2))
    except StopIteration:
        raise UserError(
            f"{shown(path)}: has no rows of the base and of the trained model; run r1aqa reproduce "
            "--questions test.json --trained run/model --out evaluation"
        ) from None
    same = answered.sha256 == asked.sha256
    _require(same, path, "is of other questions than test.json; evaluate again")
    before, after = (f"{row.average:.1f} % ({row.interval})" for row in (base, trained))
    difference = f"{test['difference']:+.1f} points, p = {test['mcnemar_p']:.2g}"
    return f"before {before}, after {after}, n {answered.n}: {difference}"


def model_card(folder: Path) -> str:
    """``run/model/README.md``: the card, with the evaluation's table and the sounds' origin."""
    path = folder / "run" / "model" / CARD
    text = read_bytes(path).decode("utf-8", errors="replace")
    rows = load_measured(folder / "evaluation" / "results.json")
    wanted = [f"{row.average:.1f}" for row in rows]
    _require(
        wanted and all(figure in text for figure in wanted),
        path,
        "does not show the evaluation's table; call add_results on run/model with "
        "evaluation/results.json",
    )
    _require(
        re.search(rf"^{RECORDINGS} *\n+(?!#)\S", text, re.MULTILINE),
        path,
        f"has no section {RECORDINGS!r}; say there who made the sounds, how, and what others may "
        "do with them",
    )
    return f"{len(text.splitlines())} lines, with the table of {len(wanted)} rows"


#: In the order in which they are made.
PARTS: tuple[Callable[[Path], str], ...] = (
    training_questions,
    test_questions,
    reward,
    run,
    evaluation,
    model_card,
)


def _require(condition: Any, path: Path, message: str) -> None:
    if not condition:
        raise UserError(f"{shown(path)}: {message}")


def _questions(path: Path, least: int) -> list[AudioQuestion]:
    questions = read_questions(path)
    score(questions, {})  # finds a question without a gold answer
    n = len(questions)
    _require(n >= least, path, f"has {n} questions; write {least} or more")
    return questions


def _check(path: Path, questions: Sequence[AudioQuestion]) -> int:
    """The number of clips; none may be silent, and no place correct too often."""
    clips = {question.audio: question.id for question in questions}
    for audio, id in clips.items():
        level = 20 * np.log10(max(float(np.sqrt(np.mean(load_audio(audio) ** 2))), 1e-9))
        silent = f"its clip is silent ({level:.0f} dB); record or render it again"
        _require(level >= SILENCE_DB, path, f"question {shown_value(id)}: {silent}")
    place, level = best_position(questions), chance(questions)
    said = score(questions, fixed_position(questions, place)).average
    _require(
        said <= level + MOST_ABOVE_CHANCE,
        path,
        f"choice {place + 1} is correct in {said:.0f} % (chance: {level:.0f} %); put the choices "
        "in random order",
    )
    return len(clips)


def _check_apart(
    path: Path, questions: Sequence[AudioQuestion], training: Sequence[AudioQuestion]
) -> None:
    """No question may be about a take, or a sound, of the training questions."""

    def takes(question: AudioQuestion) -> list[str]:
        listed = question.extra.get("takes", [])
        return [str(take) for take in listed] if isinstance(listed, list) else [str(listed)]

    def unit(audio: Path) -> np.ndarray:
        """The wave as a vector of length 1, so that a product is a cosine."""
        wave = load_audio(audio)
        return wave / max(float(np.linalg.norm(wave)), 1e-9)

    known = {take for question in training for take in takes(question)}
    heard = [unit(audio) for audio in {question.audio for question in training}]
    for question in questions:
        start = f"question {shown_value(question.id)} is about"
        for take in takes(question):
            told = f"{start} take {shown_value(take)}, which is in training, too"
            _require(take not in known, path, f"{told}; split takes before you make clips of them")
        wave = unit(question.audio)
        same = any(len(wave) == len(other) and wave @ other > SAME_SOUND for other in heard)
        told = f"{start} a clip of the training questions; make new clips for the test"
        _require(not same, path, told)
