"""Curves: what is drawn is what the log holds; live ones keep to the time."""

import base64
import math

import matplotlib.pyplot as plt
import pytest

from r1aqa_helpers.course import REFERENCE, LiveCurves
from r1aqa_helpers.course import training_curves as module
from r1aqa_helpers.course.figures.style import use_style
from r1aqa_helpers.course.training_curves import curves, is_live, smoothed
from r1aqa_helpers.utils.io import read_log

ROWS = read_log(REFERENCE / "metrics.jsonl")


@pytest.fixture(autouse=True)
def closed():
    use_style()
    yield
    plt.close("all")


def test_smoothing_keeps_a_constant_and_leaves_gaps_out():
    assert smoothed([2.0] * 5, 3) == [2.0] * 5
    assert smoothed([0.0, 3.0, None, 3.0], 3) == [1.5, 1.5, 3.0, 3.0]
    assert math.isnan(smoothed([None, None], 1)[0])


def test_every_panel_shows_the_logs_values():
    fig = curves(ROWS)
    assert [ax.get_title(loc="left") for ax in fig.axes][0::3] == ["Rewards", "Length"]
    assert list(fig.axes[0].lines[0].get_ydata()) == [row["accuracy"] for row in ROWS]
    own = curves([{**row, "format": None} for row in ROWS])
    assert list(own.axes[0].lines[0].get_ydata()) == [row["reward"] for row in ROWS]
    assert len(curves([{"step": 1, "loss": 0.5}]).axes) == 1
    with pytest.raises(ValueError, match="no step yet"):
        curves([])


class Handle:
    def __init__(self):
        self.updates = []

    def update(self, data, metadata, raw):
        assert is_live({"metadata": metadata})
        self.updates.append(data)


def test_live_curves_draw_in_place_seldom_and_leave_nothing(monkeypatch):
    handle, now = Handle(), [0.0]
    monkeypatch.setattr(module, "display", lambda *_, **__: handle)
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    live = LiveCurves(steps=6)
    assert live.caption() == "no step yet"
    for step, row in enumerate(ROWS[:6], start=1):
        now[0] = 0.5 * step
        live({**row, "seconds": 3.0})
    assert len(handle.updates) == 2  # the first, and the one 2 s later
    assert handle.updates[0]["text/plain"] == "step 1 of 6, about 15 s left"
    assert base64.b64decode(handle.updates[-1]["image/png"]).startswith(b"\x89PNG")
    live.close()
    assert handle.updates[-1] == {"text/plain": ""}


def test_live_curves_leave_the_time_to_the_training(monkeypatch):
    handle, now = Handle(), [0.0]
    monkeypatch.setattr(module, "display", lambda *_, **__: handle)
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])

    def slow(fig):
        now[0] += 1.0
        return png(fig)

    png = module.png
    monkeypatch.setattr(module, "png", slow)
    live = LiveCurves(steps=100)
    for row in (ROWS * 100)[:100]:
        now[0] += 1.0
        live(row)
    assert now[0] <= 1.05 * 100 + 1, "drawing took no more than a twentieth, and the first picture"
    assert len(handle.updates) == 5
