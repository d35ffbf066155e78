"""The course's table and pictures say what the files of results say, and keep the two apart."""

import pytest

from r1aqa_helpers.course.lessons import n00
from r1aqa_helpers.scoring import wilson_interval


def test_lines_carry_reported_and_measured_figures_with_intervals() -> None:
    found = n00.lines()
    assert found["GRPO, prompt <2>"] == (
        (64.5, wilson_interval(645, 1000)),
        (81.3, wilson_interval(813, 1000)),
    )
    assert found["SFT, full, prompt <1>"][1] is None and found["SFT, prompt <2>"][0] is None
    assert found["people"] == ((82.23, None), None)


def test_pictures_and_table_are_told_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    texts: list[str] = []
    monkeypatch.setattr(n00, "figure", lambda fig, alt: texts.append(alt))
    monkeypatch.setattr(n00, "display", lambda table: texts.append(repr(table)))
    n00.results_picture()
    n00.training_picture()
    n00.results_table()
    assert "SFT 81.0, GRPO 81.3" in texts[0] and "SFT full 51.8" in texts[0]
    assert texts[1].startswith("A GRPO run of 100 steps, means over ten steps: answer in tags from")
    assert "GRPO, prompt <2>; 64.5 (61.5 to 67.4); 81.3 (78.8 to 83.6)" in texts[2]
