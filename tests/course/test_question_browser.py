"""The question browser: filters, paging, answers on demand, and nothing unescaped."""

import base64
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from r1aqa_helpers.course.widgets import question_browser as browser
from r1aqa_helpers.course.widgets.question_browser import Browser
from r1aqa_helpers.data import AudioQuestion, read_questions

EVIL = "<script>alert('x')</script>"


@pytest.fixture
def questions(make_questions: Callable[..., tuple[Path, Path]]) -> list[AudioQuestion]:
    """Six questions, sound, music, speech, twice; the types are count and tempo in turn."""
    asked = read_questions(make_questions(6)[1])
    kinds = ("count", "tempo")
    return [replace(q, extra={"question-type": kinds[i % 2]}) for i, q in enumerate(asked)]


def pressed(live: Browser, name: str) -> None:
    next(b for b in live.widget.children[2].children if b.description == name).click()


def test_a_page_has_player_spectrogram_and_choices_and_paging_goes_round(
    questions: list[AudioQuestion],
) -> None:
    live = Browser(questions)
    page = live._page.value
    assert "1 of 6" in page and "<audio controls" in page
    assert 'alt="Log-mel spectrogram of q0, 0.5 s"' in page
    assert all(f"<li>{choice}</li>" in page for choice in questions[0].choices)
    picture = re.search(r'src="data:image/png;base64,([^"]+)"', page)
    assert picture and base64.b64decode(picture[1]).startswith(b"\x89PNG")
    pressed(live, "Show the answer")
    assert "Answer: <b>dog</b>" in live._answer.value
    for button, place in (("Next", 1), ("Previous", 0), ("Previous", 5)):
        pressed(live, button)
        assert live.shown == questions[place] and f"{place + 1} of 6" in live._page.value
    assert live._answer.value == ""  # it goes with the page


def test_filters_by_task_and_type(questions: list[AudioQuestion]) -> None:
    live = Browser(questions)
    task, kind = live.widget.children[1].children
    task.value = "music"
    assert [q.id for q in live.chosen] == ["q1", "q4"] and "1 of 2" in live._page.value
    kind.value = "tempo"
    assert [q.id for q in live.chosen] == ["q1"]
    task.value = "all"  # the type stays, as questions have it
    assert [q.id for q in live.chosen] == ["q1", "q3", "q5"] and live.shown == questions[1]
    live = Browser(questions[:2])  # sound: count; music: tempo
    task, kind = live.widget.children[1].children
    kind.value = "tempo"
    task.value = "sound"  # which has no such type
    assert live.chosen == [questions[0]] and kind.options == ("all", "count")


def test_types_fall_back_on_sub_categories(questions: list[AudioQuestion]) -> None:
    plain = replace(questions[0], extra={}, sub_category="Counting")
    assert browser.kind_of(plain) == "Counting"
    assert browser.kind_of(replace(plain, extra={"question_type": "Happening"})) == "Happening"


def test_a_missing_clip_is_told_and_browsing_goes_on(questions: list[AudioQuestion]) -> None:
    live = Browser([replace(questions[0], audio=Path("/nowhere/a.wav")), questions[1]])
    assert "No sound:" in live._page.value and "no such file" in live._page.value
    live.move(1)
    assert "<audio controls" in live._page.value


def test_texts_of_files_are_escaped(questions: list[AudioQuestion]) -> None:
    texts = dict.fromkeys(("id", "question", "answer", "task", "difficulty"), EVIL)
    evil = replace(questions[0], choices=(EVIL, "b"), extra={"question-type": EVIL}, **texts)
    live = Browser([evil])
    live.reveal()
    html = live._page.value + live._answer.value + browser.static_browser([evil])
    assert "<script" not in html and "&lt;script&gt;" in html


def test_without_a_kernel_one_of_each_task_stands_there(
    questions: list[AudioQuestion], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = []
    monkeypatch.setattr(browser, "show", lambda *given: shown.append(given))
    browser.browse(questions)
    [(widget, html, plain)] = shown
    assert widget.children and plain == "Listening browser: 6 questions"
    assert html.count("<audio controls") == html.count("<details>") == 3
    assert "3 of 6 questions" in html and "<script" not in html
    with pytest.raises(ValueError, match="no questions"):
        browser.browse([])


def test_pictures_are_small() -> None:
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 64_000).astype(np.float32)
    assert len(browser.spectrogram_png(noise)) < 40_000
