"""Does the answer depend on the order of the choices? Each question under all rotations.

What a model knows does not depend on the place of the correct choice. MMAU is scored in one order
only, so that a habit (the first choice, where nothing was understood) hides in the accuracy.
Source: P. Pezeshkpour and E. Hruschka, Large language models sensitivity to the order of options
in multiple-choice questions, arXiv 2308.11483.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from r1aqa_helpers.data import AudioQuestion
from r1aqa_helpers.scoring import Accuracy, accepted_choices, string_match
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import shown_value

_MARK = "@"


def rotations(questions: Sequence[AudioQuestion]) -> list[AudioQuestion]:
    """Each question k times, k being the number of its choices; in copy r they begin with the r-th.

    Copy r of question ``q`` has the id ``q@r``; copy 0 has the choices as they were.
    """
    return [
        replace(q, id=f"{q.id}{_MARK}{r}", choices=q.choices[r:] + q.choices[:r])
        for q in questions
        for r in range(len(q.choices))
    ]


@dataclass(frozen=True)
class OrderReport:
    """How one system did on all rotations of a set of questions."""

    as_given: Accuracy  #: copy 0 alone: the accuracy that is usually reported
    all_right: Accuracy  #: questions answered correctly under every rotation
    any_right: Accuracy  #: questions answered correctly under one rotation or more
    mean: float  #: mean over the questions of the share of rotations answered correctly, percent
    positions: dict[int, list[float]]
    """Number of choices to the percentages of answers at position 0, 1, …; 100 / k each
    where position does not matter, since each choice is at each position once."""
    unparsed: int  #: answers that name no choice, or several
    asked: int  #: rotations in all

    def as_dict(self) -> dict:
        """As JSON has it; accuracies in percent."""
        return {
            "as_given": self.as_given.as_dict(),
            "all_right": self.all_right.as_dict(),
            "any_right": self.any_right.as_dict(),
            "mean": self.mean,
            "positions": {str(k): shares for k, shares in self.positions.items()},
            "unparsed": self.unparsed,
            "asked": self.asked,
        }


def order_report(questions: Sequence[AudioQuestion], answers: Mapping[str, str]) -> OrderReport:
    """What ``answers`` (extracted, by the ids of `rotations`) say of the order's influence.

    Raises:
        UserError: there are no questions, one has no gold answer, or a rotation no answer.
    """
    if not questions:
        raise UserError("choice order: there are no questions; give some")
    given, right = [], []
    chosen: dict[int, list[int]] = {}
    unparsed = 0
    for question in questions:
        if question.answer is None:
            raise UserError(
                f"question {shown_value(question.id)}: has no gold answer; give labelled questions"
            )
        verdicts = []
        for copy in rotations([question]):
            if copy.id not in answers:
                raise UserError(f"choice order: no answer for {shown_value(copy.id)}; ask it")
            said = answers[copy.id]
            verdicts.append(string_match(question.answer, said, copy.choices))
            places = accepted_choices(said, copy.choices)
            if len(places) == 1:
                chosen.setdefault(len(copy.choices), [0] * len(copy.choices))[places[0]] += 1
            else:
                unparsed += 1
        given.append(verdicts[0])
        right.append(verdicts)
    n = len(questions)
    return OrderReport(
        as_given=Accuracy(sum(given), n),
        all_right=Accuracy(sum(map(all, right)), n),
        any_right=Accuracy(sum(map(any, right)), n),
        mean=100 * sum(sum(v) / len(v) for v in right) / n,
        positions={
            k: [100 * count / sum(counts) for count in counts]
            for k, counts in sorted(chosen.items())
        },
        unparsed=unparsed,
        asked=sum(map(len, right)),
    )
