"""What does the clip contribute? The same questions with silence, and with another's clip."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from r1aqa_helpers.questions import AudioQuestion
from r1aqa_helpers.scoring import McNemar, Score, bootstrap_difference, mcnemar, score


@dataclass(frozen=True)
class Contribution:
    """One system with its clips, and with something else in their place."""

    heard: Score  #: with the clips
    instead: Score  #: with the other thing
    changed: float  #: answers that differ between the two, in percent of the questions
    test: McNemar  #: heard against instead
    ci95: tuple[float, float]  #: bootstrap interval of the difference, in points

    def as_dict(self) -> dict:
        """As JSON has it; accuracies in percent, differences in points."""
        return {
            "heard": self.heard.overall.as_dict(),
            "instead": self.instead.overall.as_dict(),
            "tasks": {name: part.as_dict() for name, part in self.instead.tasks.items()},
            "changed": self.changed,
            "difference": self.test.difference,
            "difference_ci95": list(self.ci95),
            "mcnemar_p": self.test.p,
        }


def contribution(
    questions: Sequence[AudioQuestion], heard: Mapping[str, str], instead: Mapping[str, str]
) -> Contribution:
    """Compare answers (extracted, by id) to the same questions with clips and without.

    Raises:
        UserError: as ``scoring.score``.
    """
    with_clip, without = score(questions, heard), score(questions, instead)
    same = sum(heard.get(q.id) == instead.get(q.id) for q in questions)
    return Contribution(
        heard=with_clip,
        instead=without,
        changed=100 * (1 - same / len(questions)),
        test=mcnemar(with_clip.matches, without.matches),
        ci95=bootstrap_difference(with_clip.matches, without.matches),
    )
