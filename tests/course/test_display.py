"""What a notebook shows: players, pictures, tables, cards, widgets, predictions, failures."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from r1aqa_helpers import course
from r1aqa_helpers.course import notebooks, predictions
from r1aqa_helpers.course.figures import style
from r1aqa_helpers.course.notebooks import card_table
from r1aqa_helpers.course.tables import Table
from r1aqa_helpers.course.widgets.player import PLAYER_LIMIT
from r1aqa_helpers.data.audio import SAMPLE_RATE
from r1aqa_helpers.utils.io import write_json


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[tuple[dict, dict]]:
    """Every picture shown, as a notebook gets it: data and metadata by kind."""
    seen: list[tuple[dict, dict]] = []

    def display(data: dict, metadata: dict | None = None, raw: bool = False) -> None:
        assert raw
        seen.append((data, metadata or {}))

    monkeypatch.setattr(style, "display", display)
    return seen


@pytest.mark.parametrize("seconds", [0.3, 30.0])
def test_a_player_is_small_even_for_noise_and_escapes_its_caption(seconds):
    rng = np.random.default_rng(0)
    wave = rng.uniform(-1, 1, int(seconds * SAMPLE_RATE)).astype(np.float32)
    page = course.Player(wave, '<script>"x"').html()
    assert len(page) <= PLAYER_LIMIT and "<script>" not in page and "&lt;script&gt;" in page


def test_a_figure_is_shown_with_its_text_and_closed(shown):
    before = plt.get_fignums()
    fig, ax = plt.subplots()
    course.waveform(ax, np.zeros(SAMPLE_RATE, np.float32))
    assert ax.get_xlim() == (0, 1)
    course.figure(fig, alt="A flat line.")
    data, metadata = shown[0]
    assert data["image/png"] and data["text/plain"] == "Figure: A flat line."
    assert metadata["image/png"]["alt"] == "A flat line."
    assert plt.get_fignums() == before


def test_a_card_has_a_row_for_each_profile_that_was_measured(tmp_path, monkeypatch):
    measured = {"seconds": 150.0, "peak_gb": 1.25, "hardware": "a CPU", "date": "2026-01-01"}
    write_json(tmp_path / "m.json", {"06": {"tiny": measured}})
    monkeypatch.setattr(notebooks, "MEASURED", tmp_path / "m.json")
    rows = card_table("06").frame.to_numpy().tolist()
    assert rows == [["tiny", "2.5 min", "1.2 GB", "a CPU, 2026-01-01"]]


def test_a_table_is_escaped_and_whole_and_may_have_no_head():
    long = "word " * 40
    table = Table("a <caption>", [("<b>x</b>", 1.5), (long, None)], ["name", "<i>number</i>"])
    page = table._repr_html_()
    assert "<b>x" not in page and "<i>" not in page and "a &lt;caption&gt;</b></caption>" in page
    assert long.strip() in page and page.count("<tr") == 3 and page.count('scope="col"') == 2
    assert repr(table).splitlines()[:3] == ["a <caption>", "name; <i>number</i>", "<b>x</b>; 1.5"]
    assert "<thead" not in Table("caption", [("a", "b")])._repr_html_()
    assert repr(Table("caption", [], ["a"])) == "caption\na"


def test_predictions_are_kept_and_compared(capsys, monkeypatch):
    monkeypatch.setattr(predictions, "_guesses", {})
    course.predict("a", "How many?", 3)
    course.predict("b", "How much?", None)
    course.reveal("a", 5)
    course.reveal("b", 2)
    out = capsys.readouterr().out
    assert "It is 5; you guessed 3, -2 off." in out and "It is 2.\n" in out
    with pytest.raises(KeyError, match="asks for this prediction"):
        course.reveal("c", 1)
    with pytest.raises(TypeError, match="a number is wanted"):
        course.predict("d", "Really?", True)
