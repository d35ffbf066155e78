"""Block masks and positions of packed rows, and that the figures can be drawn."""

import matplotlib.pyplot as plt
import torch

from r1aqa_helpers.course.figures import n06 as masks


def test_a_token_sees_the_prompt_and_its_own_answer_so_far():
    seen = masks.block_mask(2, [2, 1])
    expected = [
        [1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [1, 1, 1, 0, 0],
        [1, 1, 1, 1, 0],
        [1, 1, 0, 0, 1],
    ]
    assert seen.dtype == torch.bool and seen.int().tolist() == expected


def test_every_answer_counts_on_from_the_prompt():
    assert masks.packed_positions(3, [2, 0, 3]).tolist() == [0, 1, 2, 3, 4, 3, 4, 5]
    assert masks.owners(3, [2, 0, 3]).tolist() == [0, 0, 0, 1, 1, 3, 3, 3]


def test_the_figures_show_what_they_are_about():
    for fig, words in (
        (masks.packing_figure(4, [3, 2, 3]), ("packed", "plain")),
        (masks.round_figure(), ("advantages", "next group")),
    ):
        texts = " ".join(text.get_text() for ax in fig.axes for text in ax.texts)
        assert all(word in texts for word in words)
        plt.close(fig)
