"""The course's table and pictures say what the files of results say, and keep the two apart."""

import pytest

from r1aqa_helpers.course.lessons import n00 as overview
from r1aqa_helpers.scoring import wilson_interval


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts of the figures that are shown; nothing is drawn on a page."""
    texts: list[str] = []
    monkeypatch.setattr(overview, "figure", lambda fig, alt: texts.append(alt))
    return texts


def test_lines_carry_reported_and_measured_figures_with_intervals() -> None:
    by_name = {line.name: line for line in overview.lines()}
    grpo = by_name["GRPO, prompt <2>"]
    assert str(grpo.published) == "64.5 (61.5 to 67.4)"
    assert grpo.measured.percent == 81.3 and grpo.measured.interval == wilson_interval(813, 1000)
    assert by_name["SFT, full, prompt <1>"].measured is None
    assert str(by_name["people"].published) == "82.2"  # how many questions is not given


def test_the_table_escapes_and_says_which_column_is_what() -> None:
    page = overview.ResultsTable()._repr_html_()
    assert "SFT, prompt &lt;2&gt;" in page and "<2>" not in page
    assert "reported: Qwen2-Audio-7B on MMAU test-mini" in page
    assert "measured: tiny model on tiny-mmau" in page
    assert page.count("<tr>") == 1 + len(overview.lines())


def test_pictures_are_told_in_words(told: list[str]) -> None:
    overview.results_picture()
    overview.training_picture()
    assert "SFT 81.0, GRPO 81.3" in told[0] and "SFT full 51.8" in told[0]
    assert told[1].startswith("A GRPO run of 100 steps")


def test_means_over_ten_steps() -> None:
    assert overview._smoothed([1.0] * 20) == [1.0] * 20
    assert overview._smoothed([0.0, 1.0]) == [0.5, 0.5]
