"""The listening browser: filters, paging, answers on demand, and nothing unescaped."""

import base64
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from r1aqa_helpers.audio import load_audio
from r1aqa_helpers.course.widgets import question_browser as browser
from r1aqa_helpers.course.widgets.player import PLAYER_LIMIT
from r1aqa_helpers.course.widgets.question_browser import Browser
from r1aqa_helpers.questions import AudioQuestion, read_questions

EVIL = "<script>alert('x')</script>"


@pytest.fixture
def questions(make_questions: Callable[..., tuple[Path, Path]]) -> list[AudioQuestion]:
    """Six questions, sound, music, speech, twice; the types are count and tempo in turn."""
    asked = read_questions(make_questions(6)[1])
    kinds = ("count", "tempo")
    return [replace(q, extra={"question-type": kinds[i % 2]}) for i, q in enumerate(asked)]


def pressed(live: Browser, name: str) -> None:
    buttons = live.widget.children[2].children
    next(b for b in buttons if b.description == name).click()


def test_paging_goes_round(questions: list[AudioQuestion]) -> None:
    live = Browser(questions)
    assert live.shown == questions[0] and "1 of 6" in live._page.value
    pressed(live, "Next")
    assert live.shown == questions[1] and "2 of 6" in live._page.value
    pressed(live, "Previous")
    pressed(live, "Previous")
    assert live.shown == questions[5] and "6 of 6" in live._page.value


def test_a_page_has_player_spectrogram_and_choices(questions: list[AudioQuestion]) -> None:
    page = Browser(questions)._page.value
    assert "<audio controls" in page and 'alt="Log-mel spectrogram of q0, 0.5 s"' in page
    assert all(f"<li>{choice}</li>" in page for choice in questions[0].choices)
    picture = re.search(r'src="data:image/png;base64,([^"]+)"', page)
    assert picture and base64.b64decode(picture[1]).startswith(b"\x89PNG")


def test_filters_by_task_and_type(questions: list[AudioQuestion]) -> None:
    live = Browser(questions)
    task, kind = live.widget.children[1].children
    task.value = "music"
    assert [q.id for q in live.chosen] == ["q1", "q4"] and "1 of 2" in live._page.value
    kind.value = "tempo"
    assert [q.id for q in live.chosen] == ["q1"]
    task.value = "all"  # the type stays, as questions have it
    assert [q.id for q in live.chosen] == ["q1", "q3", "q5"]
    assert live.shown == questions[1]


def test_a_type_that_the_task_has_not_is_let_go(questions: list[AudioQuestion]) -> None:
    few = [questions[0], questions[1]]  # sound: count; music: tempo
    live = Browser(few)
    live.filter(kind="tempo")
    live.widget.children[1].children[0].value = "sound"
    assert live.chosen == [questions[0]]
    assert live.widget.children[1].children[1].options == ("all", "count")
    with pytest.raises(ValueError, match="no question has"):
        live.filter("sound", "tempo")
    live.filter("music", "tempo")
    assert live.chosen == [questions[1]]


def test_the_answer_comes_on_demand_and_goes_with_the_page(questions: list[AudioQuestion]) -> None:
    live = Browser(questions)
    assert live._answer.value == ""
    pressed(live, "Show the answer")
    assert "Answer: <b>dog</b>" in live._answer.value
    pressed(live, "Next")
    assert live._answer.value == ""


def test_types_fall_back_on_sub_categories(questions: list[AudioQuestion]) -> None:
    plain = replace(questions[0], extra={}, sub_category="Counting")
    assert browser.kind_of(plain) == "Counting"
    assert browser.kind_of(replace(plain, extra={"question_type": "Happening"})) == "Happening"


def test_a_missing_clip_is_told_and_browsing_goes_on(questions: list[AudioQuestion]) -> None:
    gone = replace(questions[0], audio=Path("/nowhere/a.wav"))
    live = Browser([gone, questions[1]])
    assert "No sound:" in live._page.value and "no such file" in live._page.value
    live.move(1)
    assert "<audio controls" in live._page.value


def test_texts_of_files_are_escaped(questions: list[AudioQuestion]) -> None:
    evil = replace(
        questions[0],
        id=EVIL,
        question=EVIL,
        choices=(EVIL, "b"),
        answer=EVIL,
        task=EVIL,
        difficulty=EVIL,
        extra={"question-type": EVIL},
    )
    live = Browser([evil])
    live.reveal()
    html = live._page.value + live._answer.value + browser.static_browser([evil], 1)
    assert "<script" not in html and "&lt;script&gt;" in html


def test_without_a_kernel_one_of_each_task_stands_there(questions: list[AudioQuestion]) -> None:
    examples = browser.one_of_each_task(questions)
    assert [q.id for q in examples] == ["q0", "q1", "q2"]
    html = browser.static_browser(examples, len(questions))
    assert html.count("<audio controls") == html.count("<details>") == 3
    assert "3 of 6 questions" in html and "<script" not in html
    assert all(len(m) <= PLAYER_LIMIT for m in re.findall(r"<audio[^>]*>", html))
    assert html == browser.static_browser(examples, len(questions))


def test_pictures_are_small(questions: list[AudioQuestion]) -> None:
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 64_000).astype(np.float32)
    assert len(browser.spectrogram_png(noise)) < 40_000
    assert len(browser.spectrogram_png(load_audio(questions[0].audio))) < 15_000


def test_browse_displays_all_three_forms(
    questions: list[AudioQuestion], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = []
    monkeypatch.setattr(browser, "show", lambda *given: shown.append(given))
    browser.browse(questions)
    [(widget, fallback, plain)] = shown
    assert widget.children and "<audio" in fallback
    assert plain == "Listening browser: 6 questions"
    with pytest.raises(ValueError, match="no questions"):
        browser.browse([])
