"""Score tables: how one system did, over all and by task, difficulty and sub-category."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from r1aqa_helpers.errors import UserError
from r1aqa_helpers.files import shown_value
from r1aqa_helpers.questions import AudioQuestion

from .matching import accepted_choices, strict_match, string_match
from .statistics import wilson_interval


@dataclass(frozen=True)
class Accuracy:
    """``correct`` answers of ``n``."""

    correct: int
    n: int

    @property
    def percent(self) -> float:
        """The share that was right, in percent."""
        return 100 * self.correct / self.n

    @property
    def ci95(self) -> tuple[float, float]:
        """Wilson's interval in percent."""
        return wilson_interval(self.correct, self.n)

    def as_dict(self) -> dict:
        """As ``r1aqa score --json`` prints it."""
        return {"accuracy": self.percent, "n": self.n, "ci95": list(self.ci95)}


@dataclass(frozen=True)
class Score:
    """How one system did on a set of questions."""

    overall: Accuracy
    strict: Accuracy  #: by `strict_match`: the gold answer itself, with nothing beside it
    missing: int  #: questions without a prediction; they count as wrong
    unparsed: int  #: predictions that match none of the choices: parse failures
    tasks: dict[str, Accuracy]
    difficulty: dict[str, Accuracy]
    sub_category: dict[str, Accuracy]
    matches: dict[str, int]  #: question id to 1 (right) or 0

    @property
    def average(self) -> float:
        """Share of all questions answered right, in percent: not the mean over the tasks."""
        return self.overall.percent

    @property
    def n(self) -> int:
        """How many questions there are."""
        return self.overall.n

    @property
    def ci95(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the average, in percent."""
        return self.overall.ci95

    @property
    def unparsed_percent(self) -> float:
        """Parse failures as a share of the predictions that there are, in percent."""
        return 100 * self.unparsed / max(1, self.n - self.missing)

    def as_dict(self) -> dict:
        """The score as ``r1aqa score --json`` prints it; accuracies in percent."""

        def tables(groups: dict[str, Accuracy]) -> dict[str, dict]:
            return {name: accuracy.as_dict() for name, accuracy in groups.items()}

        return {
            "average": self.average,
            "n": self.n,
            "missing": self.missing,
            "unparsed": self.unparsed,
            "tasks": tables(self.tasks),
            "difficulty": tables(self.difficulty),
            "sub-category": tables(self.sub_category),
            "matches": dict(self.matches),
        }


def _by(names: Iterable[str], matches: Iterable[int]) -> dict[str, Accuracy]:
    """Accuracies per name, in order of first appearance; questions without a name are left out."""
    groups: dict[str, list[int]] = {}
    for name, match in zip(names, matches, strict=True):
        if name:
            groups.setdefault(name, []).append(match)
    return {name: Accuracy(sum(group), len(group)) for name, group in groups.items()}


def score(questions: Sequence[AudioQuestion], predictions: Mapping[str, str]) -> Score:
    """Score extracted answers, ``predictions`` by question id, with ``string_match``.

    Every question counts: one without a prediction is wrong and counted as missing (MMAU's
    script leaves such questions out). A prediction is counted as unparsed when ``string_match``
    would accept it for none of the question's choices. Raises ``UserError`` for a prediction
    of an unknown id, a question without a gold answer, or no questions at all.
    """
    if not questions:
        raise UserError("scoring: there are no questions; give a file that has some")
    unknown = sorted(predictions.keys() - {question.id for question in questions})
    if unknown:
        raise UserError(
            f"predictions: id {shown_value(unknown[0])} is not among the questions"
            f" ({len(unknown)} such ids); score with the questions that were answered"
        )
    matches: dict[str, int] = {}
    strict = unparsed = 0
    for question in questions:
        if question.answer is None:
            raise UserError(
                f"question {shown_value(question.id)}: has no gold answer; score labelled questions"
            )
        said = predictions.get(question.id, "")
        match = string_match(question.answer, said, question.choices)
        matches[question.id] = int(match)
        strict += strict_match(question.answer, said)
        if question.id in predictions and not match:
            unparsed += not accepted_choices(said, question.choices)
    verdicts = matches.values()
    return Score(
        overall=Accuracy(sum(verdicts), len(matches)),
        strict=Accuracy(strict, len(matches)),
        missing=len(matches) - len(predictions),
        unparsed=unparsed,
        tasks=_by((q.task for q in questions), verdicts),
        difficulty=_by((q.difficulty for q in questions), verdicts),
        sub_category=_by((q.sub_category for q in questions), verdicts),
        matches=matches,
    )
