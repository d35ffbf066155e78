"""Where one system is right: by task, difficulty, category and sub-category, beside two floors.

Each group of questions has the official verdict, the strict one, and the answers that name no
choice, so that wording and knowledge come apart; and what its questions give to a system that
always says the same.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from r1aqa_helpers.questions import AudioQuestion

from .floors import best_position, chance, fixed_position
from .matching import accepted_choices, strict_match, string_match
from .tables import Accuracy, score

#: What questions are grouped by: its name as in files -> the group of a question.
GROUPINGS: dict[str, Callable[[AudioQuestion], str]] = {
    "task": lambda question: question.task,
    "difficulty": lambda question: question.difficulty,
    "category": lambda question: (
        question.category if isinstance(question.category, str) else ", ".join(question.category)
    ),
    "sub-category": lambda question: question.sub_category,
}


@dataclass(frozen=True)
class Group:
    """One group of questions and how one system did on it."""

    grouping: str  #: of `GROUPINGS`, or "all"
    name: str
    official: Accuracy  #: by MMAU's `string_match`
    strict: Accuracy  #: by `strict_match`
    unparsed: int  #: predictions that name no choice, or several
    constant: Accuracy  #: always the choice at the place that is right most often in this group
    chance: float  #: what a blind pick reaches on average, in percent

    def as_dict(self) -> dict[str, Any]:
        """As ``r1aqa score --json`` prints it; accuracies in percent."""
        return {
            "grouping": self.grouping,
            "name": self.name,
            **self.official.as_dict(),
            "strict": self.strict.as_dict(),
            "unparsed": self.unparsed,
            "constant": self.constant.as_dict(),
            "chance": self.chance,
        }


def breakdown(questions: Sequence[AudioQuestion], predictions: Mapping[str, str]) -> list[Group]:
    """All questions as one group, then those of each grouping in order of first appearance.

    ``predictions`` are extracted answers by question id. Questions without a label are in no
    group of that kind.

    Raises:
        UserError: as `score`.
    """
    groups = {("all", "all"): list(questions)}
    for grouping, name_of in GROUPINGS.items():
        for question in questions:
            if name := name_of(question):
                groups.setdefault((grouping, name), []).append(question)
    score(questions, predictions)  # finds what cannot be scored, and says so
    return [_group(*key, members, predictions) for key, members in groups.items()]


def _group(
    grouping: str, name: str, questions: list[AudioQuestion], predictions: Mapping[str, str]
) -> Group:
    said = {q.id: predictions[q.id] for q in questions if q.id in predictions}
    result = score(questions, said)
    constant = score(questions, fixed_position(questions, best_position(questions)))
    return Group(
        grouping,
        name,
        result.overall,
        result.strict,
        result.unparsed,
        constant.overall,
        chance(questions),
    )


#: What an answer can be, from best to worst; see `answer_kind`.
KINDS = ("right, bare", "right, wrapped", "another choice", "no choice")


def answer_kind(question: AudioQuestion, said: str) -> str:
    """One of `KINDS`: the gold answer alone, or in other words; another choice named, or none.

    An answer that names several choices counts as naming none: the official match takes it for
    none of them.
    """
    if string_match(question.answer or "", said, question.choices):
        return KINDS[0] if strict_match(question.answer or "", said) else KINDS[1]
    return KINDS[2] if accepted_choices(said, question.choices) else KINDS[3]


def confusions(
    questions: Sequence[AudioQuestion], answers: Mapping[str, str]
) -> Counter[tuple[str, str]]:
    """Gold choice and the one wrong choice that was named instead, with how often."""
    found: Counter[tuple[str, str]] = Counter()
    for question in questions:
        said = answers.get(question.id, "")
        named = accepted_choices(said, question.choices)
        if len(named) == 1 and not string_match(question.answer or "", said, question.choices):
            found[question.answer or "", question.choices[named[0]]] += 1
    return found
