"""Notebook 04: the published reward and the repaired one, what a run was rewarded for."""

from pathlib import Path

from r1aqa_helpers.course import attack_suite
from r1aqa_helpers.course.lessons import n04
from r1aqa_helpers.course.recorded_run import RecordedRun, Rollout
from r1aqa_helpers.data import AudioQuestion


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
