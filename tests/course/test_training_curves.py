"""Curves: what is drawn is what the log holds; live ones keep to the time."""

import math

import matplotlib.pyplot as plt
import pytest

from r1aqa_helpers.course import REFERENCE, LiveCurves, curves
from r1aqa_helpers.course import training_curves as module
from r1aqa_helpers.course.training_curves import OWN_PANELS, smoothed
from r1aqa_helpers.utils.io import read_log

ROWS = read_log(REFERENCE / "metrics.jsonl")


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def test_smoothing_keeps_a_constant_and_leaves_gaps_out():
    assert smoothed([2.0] * 5, 3) == [2.0] * 5
    assert smoothed([0.0, 3.0, None, 3.0], 3) == [1.5, 1.5, 3.0, 3.0]
    assert math.isnan(smoothed([None, None], 1)[0])


def test_every_panel_shows_the_logs_values():
    own = curves(ROWS, OWN_PANELS)
    assert list(own.axes[0].lines[0].get_ydata()) == [row["reward"] for row in ROWS]
    thin = curves(ROWS).axes[0].lines[0]
    assert list(thin.get_ydata()) == [row["accuracy"] for row in ROWS]


class Handle:
    def __init__(self):
        self.updates = []

    def update(self, data, raw):
        self.updates.append(data)


def test_live_curves_draw_in_place_seldom_and_at_the_end(monkeypatch, tmp_path):
    handle, now = Handle(), [0.0]
    monkeypatch.setattr(module, "display", lambda *_, **__: handle)
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    picture = tmp_path / "new" / "curves.png"
    live = LiveCurves(steps=6, picture=picture)
    assert live.caption() == "no step yet"
    for step, row in enumerate(ROWS[:6], start=1):
        now[0] = 0.5 * step
        live({**row, "seconds": 3.0})
    assert len(handle.updates) == 3  # the first, the one 2 s later, the last
    assert handle.updates[0]["text/plain"] == "step 1 of 6, about 15 s left"
    assert handle.updates[-1]["text/plain"].startswith("step 6 of 6")
    assert handle.updates[-1]["image/png"].startswith(b"\x89PNG")
    assert picture.read_bytes() == handle.updates[-1]["image/png"]
