"""How one system did: over all questions, and by task, difficulty, category and sub-category.

Each question is judged once. Each group of questions has the official verdict, the strict one,
the answers that name no choice, and its baselines.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from r1aqa_helpers.data import AudioQuestion
from r1aqa_helpers.scoring.baselines import chance, correct_by_position
from r1aqa_helpers.scoring.matching import accepted_choices, strict_match, string_match
from r1aqa_helpers.scoring.statistics import wilson_interval
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.untrusted import shown_value

#: What questions are grouped by: its name as in files -> the group of a question.
GROUPINGS: dict[str, Callable[[AudioQuestion], str]] = {
    "task": lambda question: question.task,
    "difficulty": lambda question: question.difficulty,
    "category": lambda question: (
        question.category if isinstance(question.category, str) else ", ".join(question.category)
    ),
    "sub-category": lambda question: question.sub_category,
}

#: What an answer can be, from best to worst; see `Verdict.kind`.
KINDS = ("correct, bare", "correct, wrapped", "another choice", "no choice")


@dataclass(frozen=True)
class Accuracy:
    """``correct`` answers of ``n``."""

    correct: int
    n: int

    @property
    def percent(self) -> float:
        """The share that was correct, in percent."""
        return 100 * self.correct / self.n

    @property
    def ci95(self) -> tuple[float, float]:
        """Wilson's interval in percent."""
        return wilson_interval(self.correct, self.n)

    def as_dict(self) -> dict[str, Any]:
        """As ``r1aqa score --json`` prints it."""
        return {"accuracy": self.percent, "n": self.n, "ci95": list(self.ci95)}


@dataclass(frozen=True)
class Verdict:
    """One question, the extracted answer (None where there is none), and what it is worth."""

    question: AudioQuestion
    answer: str | None

    @cached_property
    def correct(self) -> bool:
        """By MMAU's `string_match`."""
        return string_match(self.question.answer or "", self.answer or "", self.question.choices)

    @cached_property
    def strict(self) -> bool:
        """By `strict_match`: the gold answer itself, with nothing beside it."""
        return strict_match(self.question.answer or "", self.answer or "")

    @cached_property
    def named(self) -> list[int]:
        """Places of the choices that the answer is accepted for; several count as none."""
        return accepted_choices(self.answer or "", self.question.choices)

    @property
    def unparsed(self) -> bool:
        """Whether there is an answer, and it matches none of the choices: a parse failure."""
        return self.answer is not None and not self.correct and not self.named

    @property
    def letter(self) -> bool:
        """Whether the answer is only the letter of a choice, such as "B" or "(B)."."""
        said = "".join(filter(str.isalnum, self.answer or "")).upper()
        letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[: len(self.question.choices)]
        return self.unparsed and len(said) == 1 and said in letters

    @property
    def kind(self) -> str:
        """One of `KINDS`; an answer that names several choices counts as naming none."""
        if self.correct:
            return KINDS[0] if self.strict else KINDS[1]
        return KINDS[2] if self.named else KINDS[3]


@dataclass(frozen=True)
class Score:
    """How one system did on a set of questions, or on one group of them."""

    verdicts: tuple[Verdict, ...]
    grouping: str = "all"  #: of `GROUPINGS`, or "all"
    name: str = "all"  #: of the group

    @property
    def n(self) -> int:
        """How many questions there are."""
        return len(self.verdicts)

    @cached_property
    def overall(self) -> Accuracy:
        """Correct answers by MMAU's `string_match`."""
        return Accuracy(sum(verdict.correct for verdict in self.verdicts), self.n)

    @cached_property
    def strict(self) -> Accuracy:
        """Correct answers by `strict_match`: the gold answer itself, with nothing beside it."""
        return Accuracy(sum(verdict.strict for verdict in self.verdicts), self.n)

    @property
    def average(self) -> float:
        """Share of all questions answered correctly, in percent: not the mean over the tasks."""
        return self.overall.percent

    @property
    def ci95(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the average, in percent."""
        return self.overall.ci95

    @property
    def missing(self) -> int:
        """Questions without a prediction; they count as wrong."""
        return sum(verdict.answer is None for verdict in self.verdicts)

    @cached_property
    def unparsed(self) -> int:
        """Predictions that match none of the choices, or several: parse failures."""
        return sum(verdict.unparsed for verdict in self.verdicts)

    @cached_property
    def letters(self) -> int:
        """Parse failures that are only the letter of a choice."""
        return sum(verdict.letter for verdict in self.verdicts)

    @cached_property
    def constant(self) -> Accuracy:
        """Always the choice at the place that is correct most often in these questions."""
        return Accuracy(max(correct_by_position(self._questions)), self.n)

    @cached_property
    def chance(self) -> float:
        """What a random choice reaches on average, in percent."""
        return chance(self._questions)

    @cached_property
    def matches(self) -> dict[str, int]:
        """Question id to 1 (correct) or 0."""
        return {verdict.question.id: int(verdict.correct) for verdict in self.verdicts}

    @property
    def tasks(self) -> dict[str, Accuracy]:
        """Accuracy by task."""
        return {part.name: part.overall for part in self.by("task")}

    def by(self, grouping: str) -> "list[Score]":
        """The score of each group of a grouping, in order of first appearance.

        Questions without a label are in no group.
        """
        groups: dict[str, list[Verdict]] = {}
        for verdict in self.verdicts:
            if name := GROUPINGS[grouping](verdict.question):
                groups.setdefault(name, []).append(verdict)
        return [Score(tuple(part), grouping, name) for name, part in groups.items()]

    def groups(self) -> "list[Score]":
        """All questions as one group, then those of each of `GROUPINGS`."""
        return [self, *(part for grouping in GROUPINGS for part in self.by(grouping))]

    def confusions(self) -> Counter[tuple[str, str]]:
        """Gold choice and the one wrong choice that was named instead, with how often."""
        return Counter(
            (v.question.answer or "", v.question.choices[v.named[0]])
            for v in self.verdicts
            if not v.correct and len(v.named) == 1
        )

    def as_dict(self) -> dict[str, Any]:
        """The score as ``r1aqa score --json`` prints it; accuracies in percent."""
        keys = {"tasks": "task", "difficulty": "difficulty", "sub-category": "sub-category"}
        parts = {
            key: {part.name: part.overall.as_dict() for part in self.by(grouping)}
            for key, grouping in keys.items()
        }
        counts = {name: getattr(self, name) for name in ("average", "n", "missing", "unparsed")}
        return counts | parts | {"matches": dict(self.matches)}

    def row_dict(self) -> dict[str, Any]:
        """A row of results: accuracies overall and by task, and answers that name no choice."""
        tasks = {name: part.as_dict() for name, part in self.tasks.items()}
        return {**self.overall.as_dict(), "tasks": tasks, "unparsed": self.unparsed}

    def group_dict(self) -> dict[str, Any]:
        """The score of a group as ``r1aqa score --json`` prints it; accuracies in percent."""
        return {
            "grouping": self.grouping,
            "name": self.name,
            **self.overall.as_dict(),
            "strict": self.strict.as_dict(),
            "unparsed": self.unparsed,
            "constant": self.constant.as_dict(),
            "chance": self.chance,
        }

    @property
    def _questions(self) -> list[AudioQuestion]:
        return [verdict.question for verdict in self.verdicts]


def score(questions: Sequence[AudioQuestion], predictions: Mapping[str, str]) -> Score:
    """Score extracted answers, ``predictions`` by question id, with ``string_match``.

    Every question counts: one without a prediction is wrong and counted as missing (MMAU's
    script leaves such questions out).

    Raises:
        UserError: a prediction of an unknown id, a question without a gold answer, or no
            questions at all.
    """
    if not questions:
        raise UserError("scoring: there are no questions; give a file that has some")
    unknown = sorted(predictions.keys() - {question.id for question in questions})
    if unknown:
        raise UserError(
            f"predictions: id {shown_value(unknown[0])} is not among the questions"
            f" ({len(unknown)} such ids); score with the questions that were answered"
        )
    for question in questions:
        if question.answer is None:
            raise UserError(
                f"question {shown_value(question.id)}: has no gold answer; score labelled questions"
            )
    return Score(tuple(Verdict(question, predictions.get(question.id)) for question in questions))


def confusions(
    questions: Sequence[AudioQuestion], answers: Mapping[str, str]
) -> Counter[tuple[str, str]]:
    """As `Score.confusions`, of some of the questions that ``answers`` are about."""
    return Score(tuple(Verdict(q, answers.get(q.id)) for q in questions)).confusions()
