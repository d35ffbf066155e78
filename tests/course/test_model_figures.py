"""The figures about the model: they draw what they are told, in words too."""

import matplotlib.pyplot as plt
import pytest

from r1aqa_helpers.course import model_figures as figures


@pytest.fixture
def ax():
    fig, ax = plt.subplots()
    yield ax
    plt.close(fig)


def texts(ax):
    return [text.get_text() for text in ax.texts]


def test_stages_carry_names_and_shapes(ax):
    figures.stages(ax, [("wave", "64,000"), ("log-mel", "128 x 400")])
    assert {"wave", "64,000", "log-mel", "128 x 400"} <= set(texts(ax))


def test_a_token_hears_its_four_frames_and_three_more(ax):
    """Pool of 2, stride 2 with kernel 3, kernel 3: positions 2i-1 to 2i+5 of the frames."""
    figures.tree_of_frames(ax, tokens=3)
    lit = [dots for dots in ax.collections if dots.get_offsets()[0][1] == 0]
    marked = [i for i, dots in enumerate(lit) if len(dots.get_paths()[0].vertices) == 5]
    assert marked == [2, 3, 4, 5, 6, 7, 8]


def test_token_row_has_a_cell_per_token(ax):
    figures.token_row(ax, [("text", 5, False), ("clip", 7, True)])
    assert len(ax.patches) == 12
    assert texts(ax) == ["text: 5", "clip: 7"]


def test_shares_add_up_and_small_ones_have_no_figure(ax):
    figures.shares(ax, {"a": {"x": 97.0, "y": 3.0}, "b": {"x": 1.0, "y": 1.0}}, "GB")
    assert sum(bar.get_width() for bar in ax.patches) == pytest.approx(2)
    assert texts(ax) == ["50 %", "50 %", "2 GB", "97 %", "100 GB"]
    assert [label.get_text() for label in ax.get_legend().get_texts()] == ["x", "y"]
