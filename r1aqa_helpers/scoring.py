"""From what a model said to how well it did: extraction, MMAU's matching, scores, tests.

Nothing here loads a model or reads audio.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist

from scipy.stats import binomtest

from r1aqa_helpers.errors import UserError
from r1aqa_helpers.files import PathLike, read_json, read_jsonl, shown, shown_value
from r1aqa_helpers.questions import AudioQuestion

_ANSWER = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)
_WORD = re.compile(r"\b\w+\b")
_Z_95 = NormalDist().inv_cdf(0.975)


def extract_answer(response: str) -> str:
    """The content of the first complete ``<answer> </answer>`` pair, trimmed.

    The content may span lines. Without a complete pair, for instance when the closing tag is
    missing, the whole response is the answer, trimmed, as in the R1-AQA reference code: the
    matcher then judges what was said, and a model is not failed for its manners alone.
    """
    tagged = _ANSWER.search(response)
    return (tagged.group(1) if tagged else response).strip()


def _words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text.lower()))


def string_match(answer: str, prediction: str, choices: Sequence[str]) -> bool:
    """MMAU's official verdict: does ``prediction`` say ``answer`` and no other choice?

    Texts are compared as sets of lower-case words. The prediction must have every word of the
    gold answer and none of the words that stand in a wrong choice but not in the gold answer.
    An empty prediction is wrong; word order and repetition do not count, so a permutation of
    the gold answer's words is right. Source: evaluation.py of
    https://github.com/Sakshi113/MMAU.
    """
    said, gold = _words(prediction), _words(answer)
    if not said:
        return False
    foreign = frozenset().union(*map(_words, choices)) - gold
    return gold <= said and not said & foreign


def wilson_interval(correct: int, n: int) -> tuple[float, float]:
    """Wilson's 95 % score interval of the accuracy ``correct / n``, in percent.

    Source: E. B. Wilson, Probable inference, the law of succession, and statistical
    inference, JASA 22 (1927). Raises ``ValueError`` unless ``0 <= correct <= n`` and ``n > 0``.
    """
    if not 0 <= correct <= n or n == 0:
        raise ValueError(f"{correct} correct of {n} is not an accuracy")
    share, z2 = correct / n, _Z_95**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z_95 * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    # At the ends the formula gives 0 and 1 exactly; floating point may miss them by a hair.
    low = 0.0 if correct == 0 else 100 * (centre - half)
    high = 100.0 if correct == n else 100 * (centre + half)
    return low, high


@dataclass(frozen=True)
class McNemar:
    """A paired comparison of systems a and b on the same ``n`` questions."""

    a_only: int  #: questions that only a answered right
    b_only: int  #: questions that only b answered right
    n: int
    difference: float  #: accuracy of a minus accuracy of b, in percentage points
    p: float  #: exact, two-sided


def mcnemar(a: Mapping[str, int], b: Mapping[str, int]) -> McNemar:
    """McNemar's exact test: ``a`` and ``b`` say for each question id whether it was right (1).

    Under the null hypothesis each question that exactly one system answered right is a fair
    coin; p is the two-sided binomial probability, 1 where there is no such question. Raises
    ``UserError`` unless both were asked the same questions.
    """
    if a.keys() != b.keys() or not a:
        odd = sorted(a.keys() ^ b.keys())
        fault = f"{shown_value(odd[0])} is scored in one only" if odd else "no question is scored"
        raise UserError(f"paired test: {fault}; score both on the same questions")
    a_only = sum(1 for key in a if a[key] and not b[key])
    b_only = sum(1 for key in a if b[key] and not a[key])
    discordant = a_only + b_only
    p = float(binomtest(a_only, discordant).pvalue) if discordant else 1.0
    return McNemar(a_only, b_only, len(a), 100 * (a_only - b_only) / len(a), p)


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
    missing: int  #: questions without a prediction; they count as wrong
    unparsed: int  #: predictions that match none of the choices
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
    unparsed = 0
    for question in questions:
        if question.answer is None:
            raise UserError(
                f"question {shown_value(question.id)}: has no gold answer; score labelled questions"
            )
        said = predictions.get(question.id, "")
        match = string_match(question.answer, said, question.choices)
        matches[question.id] = int(match)
        if question.id in predictions and not match:
            unparsed += not any(
                string_match(choice, said, question.choices) for choice in question.choices
            )
    verdicts = matches.values()
    return Score(
        overall=Accuracy(sum(verdicts), len(matches)),
        missing=len(matches) - len(predictions),
        unparsed=unparsed,
        tasks=_by((q.task for q in questions), verdicts),
        difficulty=_by((q.difficulty for q in questions), verdicts),
        sub_category=_by((q.sub_category for q in questions), verdicts),
        matches=matches,
    )


def read_predictions(path: PathLike) -> dict[str, str]:
    """Extracted answers by question id.

    A ``.jsonl`` file has lines ``{"id", "response"}`` whose raw responses go through
    ``extract_answer``. Any other file is MMAU's JSON list; an item's ``model_prediction``, or
    else its ``model_output`` (the name depends on the release of the official script), is
    taken as it stands, and an item with neither has no prediction.

    Raises:
        UserError: with line, or item (from 0): a row or field of a wrong type, a line without
            response, an id that comes twice; a file that cannot be read or has no prediction.
    """
    predictions: dict[str, str] = {}
    if Path(path).suffix.lower() == ".jsonl":
        for number, row in read_jsonl(path):
            place = f"{shown(path)}:{number}"
            key, response = _prediction(place, row, ("response",))
            if response is None:
                raise UserError(f'{place}: field "response" is missing; give the raw response')
            _add(predictions, place, key, extract_answer(response))
    else:
        rows = read_json(path)
        if not isinstance(rows, list):
            raise UserError(f"{shown(path)}: not a list; give MMAU's JSON with predictions")
        for number, row in enumerate(rows):
            place = f"{shown(path)}: item {number}"
            key, answer = _prediction(place, row, ("model_prediction", "model_output"))
            if answer is not None:
                _add(predictions, place, key, answer)
    if not predictions:
        raise UserError(
            f"{shown(path)}: holds no prediction; give model_prediction or model_output in each "
            "item, or name it .jsonl and give id and response in each line"
        )
    return predictions


def _prediction(place: str, row: object, fields: Sequence[str]) -> tuple[str, str | None]:
    """A row's id and the first of ``fields`` that it has; None where it has none of them."""
    if not isinstance(row, dict):
        raise UserError(f"{place}: {shown_value(row)} is not an object; give one per question")
    key = row.get("id")
    if isinstance(key, bool) or not isinstance(key, str | int):
        raise UserError(f'{place}: field "id" is {shown_value(key)}; give the id of a question')
    name = next((name for name in fields if name in row), None)
    if name is not None and not isinstance(row[name], str):
        raise UserError(f'{place}: field "{name}" is {shown_value(row[name])}; give a text')
    return str(key), None if name is None else row[name]


def _add(predictions: dict[str, str], place: str, key: str, answer: str) -> None:
    if key in predictions:
        raise UserError(f"{place}: id {shown_value(key)} comes twice; keep one prediction of it")
    predictions[key] = answer
