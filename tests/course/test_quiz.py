"""The quiz: its files, its widget without a browser, and its static form."""

import json
from collections import Counter
from pathlib import Path

import pytest

from r1aqa_helpers.course.widgets.quiz import QUIZZES, QuizWidget, load_quiz, static_quiz
from r1aqa_helpers.utils.errors import UserError


def question(number: int) -> dict:
    options = [
        {"text": f"<i>{letter}</i> {number}", "right": o == 1, "why": f"Because {letter}."}
        for o, letter in enumerate("abc")
    ]
    return {"question": f"What is {number} & `a < {number}`?", "options": options}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "42.json").write_text(json.dumps([question(n) for n in range(1, 6)]))
    return tmp_path


@pytest.mark.parametrize("content", [{}, "text", [1], [{"question": "?"}], [{"options": []}]])
def test_a_file_that_is_no_quiz_is_named(tmp_path: Path, content: object) -> None:
    if content:
        (tmp_path / "42.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match="42.json: "):
        load_quiz("42", tmp_path)


def test_the_first_choice_counts_and_every_choice_is_explained(folder: Path) -> None:
    shown = QuizWidget(load_quiz("42", folder))
    shown._buttons[0][0].click()
    said = shown._feedback[0].value
    assert 'role="status"' in said and "Not right." in said and "Because a." in said
    shown._buttons[0][1].click()
    assert "✓ Right." in shown._feedback[0].value and "Because b." in shown._feedback[0].value
    assert shown._score.value == "<p>1 of 5 answered.</p>"
    for q in range(1, 5):
        shown._buttons[q][1].click()
    assert "4 of 5 right at the first choice." in shown._score.value
    assert [button.icon for button in shown._buttons[0]][:2] == ["times", "check"]


def test_texts_are_escaped(folder: Path) -> None:
    static = static_quiz(load_quiz("42", folder))
    assert "What is 1 &amp; <code>a &lt; 1</code>?" in static
    assert "&lt;i&gt;b&lt;/i&gt; 1" in static and "<i>b" not in static
    assert static.count("<details>") == 5 and static.count("Because") == 15


@pytest.mark.parametrize("path", sorted(QUIZZES.glob("*.json")), ids=lambda path: path.stem)
def test_every_quiz_of_the_course_is_whole(path: Path) -> None:
    questions = load_quiz(path.stem)
    assert len(questions) == 5
    places = Counter()
    for one in questions:
        assert one.question.strip() and len(one.options) in (3, 4)
        assert all(option.text.strip() and option.why.strip() for option in one.options)
        assert len({option.text for option in one.options}) == len(one.options)
        assert [type(option.right) for option in one.options] == [bool] * len(one.options)
        (place,) = [o for o, option in enumerate(one.options) if option.right]
        places[place] += 1
    assert len(places) > 1, "the right answer always stands in one place"
