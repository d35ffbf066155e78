"""The attack suite's answers, and the honest ones that they are held against.

They stand in ``data/course/attacks.json``: of each a completion by prompt, ``{prompt}`` for the
prompt's own text; ``names`` is the wrong choice that an attack itself names.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Any

from r1aqa_helpers.course.answer_groups import AnswerGroup
from r1aqa_helpers.data.prompts import build_prompt
from r1aqa_helpers.utils.io import read_json
from r1aqa_helpers.utils.paths import DATA


class AttackKind(Enum):
    """What an attack lacks, which sets what it may earn."""

    IGNORANT = "says no more than a wrong answer: may earn what that earns"
    MALFORMED = "correct, but breaks the format: must earn less than an honest correct answer"
    PADDED = "honest but for needless words: must not earn more than without them"


@dataclass(frozen=True)
class Case:
    """One answer to put to a reward, with the honest answers to the same question.

    Attributes:
        name: a few words; the same for both prompts.
        why: what it exploits, in a sentence.
        asked: question, choices, correct answer and prompt; no completions.
        correct: the plain honest correct answer.
        wrong: honest answers for wrong choices, the attack's own left out.
    """

    name: str
    why: str
    kind: AttackKind
    completion: str
    asked: AnswerGroup
    correct: str
    wrong: tuple[str, ...]


def attacks(prompt: int) -> tuple[Case, ...]:
    """All attacks for prompt 2 or 3. Raises ``ValueError`` for another prompt."""
    return _cases("attacks", prompt)


def honest_answers(prompt: int) -> tuple[Case, ...]:
    """Correct answers that a fair reward gives its full value; the plain one comes first.

    Raises ``ValueError`` for another prompt than 2 and 3.
    """
    return _cases("honest", prompt)


def _cases(part: str, prompt: int) -> tuple[Case, ...]:
    if prompt not in (2, 3):
        raise ValueError(f"prompt {prompt!r} asks for no format that could be attacked")
    kept = read_json(DATA / "course" / "attacks.json")
    return tuple(
        _case(row, kept["questions"][row.get("question", "sound")], prompt)
        for row in kept[part]
        if str(prompt) in row["completions"]
    )


def _case(row: dict[str, Any], asked: dict[str, Any], prompt: int) -> Case:
    def honest(choice: str) -> str:
        thought = f"<think>What I hear first is {choice}.</think>" if prompt == 3 else ""
        return f"{thought}<answer>{choice}</answer>"

    question, choices, gold = asked["question"], tuple(asked["choices"]), asked["answer"]
    kind = AttackKind["MALFORMED" if row["kind"] == "honest" else row["kind"].upper()]
    completion = row["completions"][str(prompt)]
    if completion == "{prompt}":
        completion = build_prompt(question, choices, prompt)
    group = AnswerGroup("attack", question, choices, gold, prompt, ())
    wrong = tuple(honest(one) for one in choices if one not in (gold, row.get("names")))
    return Case(row["name"], row["why"], kind, completion, group, honest(gold), wrong)
