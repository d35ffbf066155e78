"""Notebook 04: the published reward's habits, a repaired one, what a run was rewarded for."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from r1aqa_helpers.course.answer_groups import apply_reward
from r1aqa_helpers.course.recorded_run import RecordedRun
from r1aqa_helpers.data import AudioQuestion
from r1aqa_helpers.evaluation.local import Prediction
from r1aqa_helpers.scoring import extract_answer
from r1aqa_helpers.training.rewards import RewardFunction, format_reward, match_reward


def as_published(
    completions: Sequence[str], solution: Sequence[str], **columns: object
) -> list[float]:
    """Accuracy with the habits of R1-AQA's code.

    The first number in each text stands in for the formula that its mathematics library reads.
    """
    rewards = []
    for text, gold in zip(completions, solution, strict=True):
        said, wanted = (re.search(r"\d+(?:\.\d+)?", one) for one in (text, gold))
        same_formula = said and wanted and float(said[0]) == float(wanted[0])
        found = re.search(r"<answer>(.*?)</answer>", text)  # no DOTALL
        answer = found[1] if found else text
        rewards.append(float(bool(same_formula) or answer.strip() == gold))
    return rewards


def fair_reward(
    completions: Sequence[str], solution: Sequence[str], **columns: object
) -> list[float]:
    """One for the format of prompt <2>, two more for a correct answer in it.

    Case, white space and a full stop do not count.
    """

    def plain(text: str) -> str:
        return text.strip().lower().rstrip(".")

    rewards = []
    for text, gold, kept in zip(completions, solution, format_reward(2)(completions), strict=True):
        correct = plain(extract_answer(text)) == plain(gold)
        rewards.append(kept + 2.0 * kept * correct)
    return rewards


@dataclass(frozen=True)
class StepMeans:
    """Of one training step: means over all sampled answers."""

    step: int
    #: That the run was trained on, as a share of the highest that it gave; NaN where it abstained.
    reward: float
    correct: float  #: by MMAU's match


def reward_and_truth(run: RecordedRun) -> list[StepMeans]:
    """What the run was rewarded for, and how many of its answers MMAU's match accepts, by step.

    Args:
        run: a GRPO run with its questions.
    """
    judged = [one for rollout in run.rollouts for one in rollout.rewards if one is not None]
    most = max(judged, default=1.0) or 1.0
    rows = []
    for step in run.steps:
        accepted, given = [], []
        for rollout in run.groups(step):
            group = rollout.judged(run.questions[rollout.id]).group
            accepted += apply_reward(match_reward, group)
            given += [one / most for one in rollout.rewards if one is not None]
        rows.append(StepMeans(step, fmean(given) if given else math.nan, fmean(accepted)))
    return rows


def rewarded(
    reward: RewardFunction,
    questions: Sequence[AudioQuestion],
    answers: Sequence[Prediction],
) -> int:
    """How many of the answers earn more than nothing, in the order of the questions."""
    texts, gold = [one.response for one in answers], [q.answer or "" for q in questions]
    choices = [list(q.choices) for q in questions]
    given = reward(completions=texts, solution=gold, choices=choices)
    return sum(one is not None and one > 0 for one in given)
