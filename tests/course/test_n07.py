"""What notebook 07 counts in a recorded run: states of groups, kinds of questions."""

import matplotlib.pyplot as plt
import pytest

from r1aqa_helpers.course.figures.n07 import groups_figure
from r1aqa_helpers.course.lessons.n07 import STATES, by_kind, counts_by_block, first_above, state
from r1aqa_helpers.course.recorded_run import RecordedRun, Rollout
from r1aqa_helpers.data import AudioQuestion


def rollout(step: int, *rewards: float) -> Rollout:
    return Rollout(step, "q", ("a",) * len(rewards), rewards, {}, (0.0,) * len(rewards))


GROUPS = [rollout(1, 2.0, 0.0), rollout(10, 2.0, 2.0), rollout(11, 1.0, 1.0), rollout(12, 0.0, 0.0)]
RUN = RecordedRun(None, [], GROUPS, {})


def test_a_group_is_alive_or_has_died_in_one_of_two_ways():
    alive, perfect, short = STATES
    assert [state(r) for r in RUN.rollouts] == [alive, perfect, short, short]
    assert counts_by_block(RUN) == {
        10: {alive: 1, perfect: 1, short: 0},
        20: {alive: 0, perfect: 0, short: 2},
    }
    ax = groups_figure(RUN).axes[0]
    assert sum(bar.get_height() for bar in ax.patches) == len(RUN.rollouts)
    assert [t.get_text() for t in ax.get_xticklabels()] == ["1–10", "11–20"]
    plt.close("all")


def test_the_first_step_above_a_level_is_that_of_the_moving_mean():
    assert first_above([0.0] * 20 + [1.0] * 20, 0.9) == 25
    with pytest.raises(ValueError, match="never above"):
        first_above([0.0, 0.1], 0.9)


def test_kinds_are_counted_and_tasks_where_there_are_none():
    def question(key: str, **extra: str) -> AudioQuestion:
        return AudioQuestion(key, "q.flac", "?", ("a", "b"), "a", task="sound", extra=extra)

    kind = {"question-type": "count"}
    questions = [question("q1", **kind), question("q2", **kind), question("q3")]
    found = by_kind(questions, {"q1": 1, "q2": 0, "q3": 1})
    assert found == {"count": (1, 2), "sound": (1, 1)}
