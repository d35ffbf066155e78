"""Figures of notebook 01 show the numbers that they are given."""

import matplotlib.pyplot as plt
import pytest
import torch

from r1aqa_helpers.course import inference_figures as draw


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def test_the_strip_has_every_token_of_the_prompt() -> None:
    fig = draw.token_strip(torch.tensor([1, 2, 9, 9, 9, 3, 4, 5]), audio_id=9)
    (ax,) = fig.axes
    assert [(bar.get_x(), bar.get_width()) for bar in ax.patches] == [(0, 2), (2, 3), (5, 3)]
    assert "the clip: 3" in [text.get_text() for text in fig.legends[0].get_texts()]


def test_padding_stands_where_it_is_said_to() -> None:
    fig = draw.padding([[7], [1, 2, 3]])
    written = [[text.get_text() for text in ax.texts] for ax in fig.axes]
    assert written[0] == ["7", "pad", "pad", "?", "1", "2", "3", "?"]
    assert written[1] == ["pad", "pad", "7", "?", "1", "2", "3", "?"]


def test_bars_are_as_high_as_the_numbers() -> None:
    scores = {"clip": torch.log(torch.tensor([0.5, 0.25])), "silence": torch.zeros(2)}
    heights = [bar.get_height() for bar in draw.choices_heard(scores, ["a", "b"]).axes[0].patches]
    assert heights == pytest.approx([0.5, 0.25, 1.0, 1.0])
    panels = {"plain": torch.tensor([0.9, 0.1])}
    fig = draw.word_chances(["x", "y"], panels, torch.tensor([1]))
    assert [bar.get_height() for bar in fig.axes[0].patches] == pytest.approx([0.9, 0.1])
    assert fig.axes[0].patches[1].get_hatch() == "//"
    fig = draw.against_chance({"deaf": 6, "hearing": 33}, 60, 17.0)
    assert [bar.get_width() for bar in fig.axes[0].patches] == [6, 33]


def test_the_line_is_the_counts() -> None:
    fig = draw.tokens_by_length([1.0, 2.0, 3.0], [25, 50, 50], 2.0)
    assert fig.axes[0].lines[0].get_ydata().tolist() == [25, 50, 50]
