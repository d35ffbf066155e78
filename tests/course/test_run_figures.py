"""What a recorded run shows: states of groups, kinds of questions, figures that show the counts."""

import matplotlib.pyplot as plt
import pytest

from r1aqa_helpers.course import run_figures as figures
from r1aqa_helpers.course.lessons.n07 import Checkpoint
from r1aqa_helpers.course.recorded_run import RecordedRun, Rollout
from r1aqa_helpers.questions import AudioQuestion
from r1aqa_helpers.scoring import Accuracy


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def rollout(step: int, *rewards: float) -> Rollout:
    zeros = tuple(0.0 for _ in rewards)
    return Rollout(step, "q", tuple("a" for _ in rewards), rewards, {}, zeros)


RUN = RecordedRun(
    None,
    [],
    [
        rollout(1, 2.0, 0.0),
        rollout(10, 2.0, 2.0),
        rollout(11, 1.0, 1.0),
        rollout(12, 0.0, 0.0),
    ],
    {},
)


def test_a_group_is_alive_or_has_died_in_one_of_two_ways():
    alive, perfect, short = figures.STATES
    assert [figures.state(r) for r in RUN.rollouts] == [alive, perfect, short, short]
    assert figures.counts_by_block(RUN) == {
        10: {alive: 1, perfect: 1, short: 0},
        20: {alive: 0, perfect: 0, short: 2},
    }


def test_the_bars_hold_every_group():
    ax = figures.groups_figure(RUN).axes[0]
    assert sum(bar.get_height() for bar in ax.patches) == len(RUN.rollouts)
    assert [t.get_text() for t in ax.get_xticklabels()] == ["1–10", "11–20"]


def test_the_first_step_above_a_level_is_that_of_the_moving_mean():
    assert figures.first_above([0.0] * 20 + [1.0] * 20, 0.9) == 25
    with pytest.raises(ValueError, match="never above"):
        figures.first_above([0.0, 0.1], 0.9)


def question(number: int, kind: str | None) -> AudioQuestion:
    return AudioQuestion(
        id=f"q{number}",
        audio="q.flac",
        question="?",
        choices=("a", "b"),
        answer="a",
        task="sound",
        extra={} if kind is None else {"question-type": kind},
    )


def test_kinds_are_counted_and_tasks_where_there_are_none():
    questions = [question(1, "count"), question(2, "count"), question(3, None)]
    found = figures.by_kind(questions, {"q1": 1, "q2": 0, "q3": 1})
    assert found == {"count": (1, 2), "sound": (1, 1)}


def test_kinds_are_drawn_by_what_they_gained():
    fig = figures.kinds_figure({"a": (1, 10), "b": (5, 10)}, {"a": (9, 10), "b": (4, 10)})
    assert [t.get_text() for t in fig.axes[0].get_yticklabels()] == ["b", "a"]
    fig.canvas.draw()


def test_checkpoints_are_drawn_with_their_intervals():
    some = [Checkpoint(0, Accuracy(50, 100)), Checkpoint(10, Accuracy(70, 100))]
    ax = figures.checkpoints_figure(some).axes[0]
    line = ax.lines[0]
    assert list(line.get_xdata()) == [0, 10]
    assert list(line.get_ydata()) == [50, 70]


def test_clips_of_other_questions_are_crossed_out():
    fig = figures.pairing_figure([[0, 1, 0, 1], [0, 0, 1, 1]], ["wrong", "right"])
    crosses = [sum(t.get_text() == "✗" for t in ax.texts) for ax in fig.axes]
    assert crosses == [2, 0]
