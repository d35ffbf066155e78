"""The figure of notebook 04: from a response to an accuracy."""

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from r1aqa_helpers.course.figures.parts import boxes


def scoring_steps() -> Figure:
    """The steps from a response to an accuracy, as boxes with one example below."""
    fig, ax = plt.subplots(figsize=(9.2, 1.9))
    steps = {
        "response": "<think>high</think>\n<answer>Flute</answer>",
        "extract": "Flute",
        "match": "flute = flute:\n1",
        "count": "1 of 1,\n57 of 100, …",
        "interval": "57 %\n47 to 66 %",
    }
    boxes(ax, list(steps), list(steps.values()))
    return fig
