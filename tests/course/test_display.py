"""What a notebook shows: players, pictures, the map, cards, predictions."""

import re
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest

from r1aqa_helpers import course
from r1aqa_helpers.audio import SAMPLE_RATE, save_audio
from r1aqa_helpers.course import cards, predictions
from r1aqa_helpers.course.figures import style as plots
from r1aqa_helpers.course.notebooks import STAGES, stage
from r1aqa_helpers.course.widgets.player import PLAYER_LIMIT
from r1aqa_helpers.files import write_json
from r1aqa_helpers.profiles import PROFILES


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[tuple[dict, dict]]:
    """Every picture shown, as a notebook gets it: data and metadata by kind."""
    seen: list[tuple[dict, dict]] = []
    monkeypatch.setattr(plots, "display", lambda data, metadata, raw: seen.append((data, metadata)))
    return seen


@pytest.mark.parametrize("seconds", [0.3, 4.0, 30.0])
def test_a_player_is_small_even_for_noise(seconds: float) -> None:
    rng = np.random.default_rng(0)
    wave = rng.uniform(-1, 1, int(seconds * SAMPLE_RATE)).astype(np.float32)
    page = course.Player(wave, "noise").html()
    assert len(page) <= PLAYER_LIMIT


def test_a_player_takes_a_file_and_escapes_its_caption(tmp_path: Path) -> None:
    save_audio(tmp_path / "a.wav", np.zeros(SAMPLE_RATE, np.float32))
    player = course.Player(tmp_path / "a.wav", '<script>"x"')
    assert repr(player) == 'Audio, 1.0 s: <script>"x"'
    assert "<script>" not in player.html() and "&lt;script&gt;" in player.html()


def test_a_figure_is_shown_with_its_text_and_closed(shown: list[tuple[dict, dict]]) -> None:
    before = plt.get_fignums()
    fig, ax = plt.subplots()
    course.waveform(ax, np.zeros(SAMPLE_RATE, np.float32))
    assert ax.get_xlim() == (0, 1)
    course.figure(fig, alt="A flat line.")
    data, metadata = shown[0]
    assert data["image/png"] and data["text/plain"] == "Figure: A flat line."
    assert metadata["image/png"]["alt"] == "A flat line."
    assert plt.get_fignums() == before


def test_the_map_shows_any_notebook_and_no_other(shown: list[tuple[dict, dict]]) -> None:
    for s in (STAGES[0], STAGES[-1]):
        course.roadmap(s.number)
        assert f"notebook {s.number}, {s.title}, is lit" in shown[-1][0]["text/plain"]
    with pytest.raises(KeyError, match="13"):
        stage("13")


def test_a_card_says_what_was_measured_and_what_was_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = {"seconds": 150.0, "peak_gb": 1.25, "hardware": "a <CPU>", "date": "2026-01-01"}
    write_json(tmp_path / "m.json", {"06": {"tiny": measured}})
    monkeypatch.setattr(cards, "MEASURED", tmp_path / "m.json")
    card = cards.Card("06")
    lines = repr(card).split("\n")
    assert lines[1] == "tiny: 2.5 min, 1.2 GB (a <CPU>, 2026-01-01)"
    others = ", ".join(name for name in PROFILES if name != "tiny")
    assert lines[2:] == [f"{others}: –, – (not measured)"]
    assert "a &lt;CPU&gt;" in card._repr_html_()


def test_predictions_are_kept_and_compared(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predictions, "_made", {})
    course.predict("a", "How many?", 3)
    course.predict("b", "How much?", None)
    course.reveal("a", 5)
    course.reveal("b", 2)
    course.calibration()
    out = capsys.readouterr().out
    assert "It is 5; you guessed 3, -2 off." in out and "It is 2.\n" in out
    assert re.search(r"Predictions made: 1 of 2\n- How many\? guessed 3, found 5\n$", out)
    with pytest.raises(KeyError, match="asks for this prediction"):
        course.reveal("c", 1)
    with pytest.raises(TypeError, match="a number is wanted"):
        course.predict("d", "Really?", True)
