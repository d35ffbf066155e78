"""The question browser: filters, pages, answers on demand, and nothing unescaped."""

import base64
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

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


def test_a_page_has_player_spectrogram_choices_and_a_folded_answer(questions):
    live = Browser(questions)
    page = live.page.value
    assert "1 of 6" in page and "<audio controls" in page
    assert 'alt="Log-mel spectrogram of q0, 0.5 s"' in page
    assert all(f"<li>{choice}</li>" in page for choice in questions[0].choices)
    picture = re.search(r'src="data:image/png;base64,([^"]+)"', page)
    assert picture and base64.b64decode(picture[1]).startswith(b"\x89PNG")
    assert "<details><summary>Answer to question 1</summary><p>dog</p></details>" in page
    live.number.value = 6
    assert "6 of 6" in live.page.value and questions[5].question in live.page.value


def test_filters_by_task_and_type(questions):
    live = Browser(questions)
    live.number.value = 5
    live.task.value = "music"
    assert [q.id for q in live.chosen] == ["q1", "q4"] and "1 of 2" in live.page.value
    live.number.value = 5
    assert live.number.value == 2 and "2 of 2" in live.page.value
    live.kind.value = "tempo"
    assert [q.id for q in live.chosen] == ["q1"] and "1 of 1" in live.page.value
    live = Browser(questions[:2])  # sound: count; music: tempo
    live.task.value, live.kind.value = "sound", "tempo"
    assert "No question has both" in live.page.value


def test_a_missing_clip_is_reported_and_browsing_goes_on(questions):
    live = Browser([replace(questions[0], audio=Path("/nowhere/a.wav")), questions[1]])
    assert "No sound:" in live.page.value and "no such file" in live.page.value
    live.number.value = 2
    assert "<audio controls" in live.page.value


def test_texts_of_files_are_escaped(questions):
    texts = dict.fromkeys(("id", "question", "answer", "task", "difficulty"), EVIL)
    evil = replace(questions[0], choices=(EVIL, "b"), extra={"question-type": EVIL}, **texts)
    page = Browser([evil]).page.value
    assert "<script" not in page and "&lt;script&gt;" in page


def test_without_a_kernel_there_is_one_question_of_each_task(questions, monkeypatch):
    shown = []
    monkeypatch.setattr(browser, "show", lambda *given: shown.append(given))
    browser.browse(questions)
    [(widget, html, plain)] = shown
    assert widget.children and plain == "Question browser: 6 questions"
    assert html.count("<audio controls") == html.count("<details>") == 3
    assert "3 of 6 questions" in html and "<script" not in html
