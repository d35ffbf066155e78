"""Notebook 04: the published reward and the repaired one, what a run was rewarded for."""

import math
from pathlib import Path

import matplotlib.pyplot as plt

from r1aqa_helpers.course import attack_suite
from r1aqa_helpers.course.answer_groups import recorded_groups
from r1aqa_helpers.course.figures import n04 as figures
from r1aqa_helpers.course.lessons import n04
from r1aqa_helpers.course.recorded_run import RecordedRun, Rollout
from r1aqa_helpers.data import AudioQuestion
from r1aqa_helpers.evaluation.local import Prediction


def test_the_repaired_reward_blocks_what_the_published_one_does_not():
    assert attack_suite(n04.fair_reward).passed
    beaten = {shot.case.name for shot in attack_suite(n04.as_published).successful}
    assert {"same number", "no tags"} <= beaten


def test_reward_and_truth_are_means_over_the_answers_of_a_step():
    question = AudioQuestion("q", Path("a.wav"), "Which?", ("rain", "wind"), "rain")
    said, given = ("rain", "rain or wind", "wind", "wind"), (3.0, 3.0, 0.0, 0.0)
    rollouts = [Rollout(step, "q", said, given, {}, given) for step in (1, 2)]
    run = RecordedRun(Path("none"), [], rollouts, {"q": question})
    assert n04.reward_and_truth(run) == [n04.StepMeans(step, 0.5, 0.25) for step in (1, 2)]


def test_a_reward_may_abstain_from_answers(monkeypatch):
    def careful(completions, **columns):
        return [None if "rain" in text else 1.0 for text in completions]

    question = AudioQuestion("q", Path("a.wav"), "Which?", ("rain", "wind"), "rain")
    said = [Prediction("q", text, 0.0) for text in ("rain", "wind")]
    assert n04.rewarded(careful, [question] * 2, said) == 1
    steps = [
        Rollout(step, "q", ("rain", "wind"), given, {}, (0.0, 0.0))
        for step, given in ((1, (None, 2.0)), (2, (None, None)))
    ]
    first, second = n04.reward_and_truth(RecordedRun(Path("none"), [], steps, {"q": question}))
    assert first == n04.StepMeans(1, 1.0, 0.5)
    assert math.isnan(second.reward) and second.correct == 0.5

    drawn = []
    monkeypatch.setattr(figures, "figure", lambda fig, alt: drawn.append(fig))
    groups = recorded_groups(prompt=2)
    figures.reward_grid(groups, {"careful": careful})
    squares = sum(len(dots.get_offsets()) for dots in drawn[0].axes[0].collections)
    judged = sum("rain" not in text for group in groups for text in group.completions)
    assert 0 < judged < sum(len(group.completions) for group in groups)
    assert squares == 2 * judged  # an outline and a filling each
    plt.close("all")
