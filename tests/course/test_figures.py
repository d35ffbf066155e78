"""The notebooks' figures draw the numbers that they are given, and name them."""

from collections.abc import Iterator

import matplotlib.pyplot as plt
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from r1aqa_helpers.course.figures import n09
from r1aqa_helpers.course.figures.parts import error_bars
from r1aqa_helpers.hardware.budgets import budget
from r1aqa_helpers.hardware.gpus import GPUS
from r1aqa_helpers.scoring import Accuracy


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    plt.close("all")


@pytest.fixture
def ax() -> Axes:
    return plt.subplots()[1]


def texts(drawn: Figure | Axes) -> list[str]:
    axes = drawn.axes if isinstance(drawn, Figure) else [drawn]
    return [text.get_text() for ax in axes for text in ax.texts]


def ticks(fig: Figure | Axes) -> list[str]:
    ax = fig.axes[0] if isinstance(fig, Figure) else fig
    return [label.get_text() for label in ax.get_yticklabels()]


def test_03_error_bars_stand_in_the_order_given(ax):
    error_bars(ax, {"first": Accuracy(9, 10), "second": Accuracy(1, 10)})
    assert ticks(ax) == ["first", "second"] and list(ax.get_yticks()) == [1, 0]
    assert list(ax.containers[0].lines[0].get_xdata()) == [90, 10]


def test_09_bars_are_as_long_as_their_parts_and_points_lie_on_the_roof(ax):
    stages = budget("t4").stages
    n09.memory_bars(ax, stages, dict.fromkeys(stages, 16e9))
    ends = max(patch.get_x() + patch.get_width() for patch in ax.patches)
    assert ends == pytest.approx(max(sum(x.values()) for x in stages.values()) / 1e9)
    assert ax.lines[0].get_xdata()[0] == pytest.approx(14.4)
    gpu = GPUS["A100 40 GB"]
    _, ax = plt.subplots()
    n09.roofline(ax, [gpu], {"low": 1.0, "high": 1e4})
    low, high = (line.get_ydata()[0] for line in ax.lines[1:])
    assert (low, high) == pytest.approx((gpu.bandwidth / 1e12, gpu.sixteen / 1e12))
