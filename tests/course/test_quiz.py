"""The quiz: its files, its widget without a browser, and its static HTML."""

import json

import pytest

from r1aqa_helpers.course.widgets.quiz import QUIZZES, QuizWidget, load_quiz, static_quiz


def question(number: int) -> dict:
    options = [
        {"text": f"<i>{letter}</i> {number}", "correct": o == 1, "why": f"Because {letter}."}
        for o, letter in enumerate("abc")
    ]
    return {"question": f"What is {number} & `a < {number}`?", "options": options}


def test_the_first_choice_counts_and_every_choice_is_explained(tmp_path):
    (tmp_path / "42.json").write_text(json.dumps([question(n) for n in range(1, 6)]))
    questions = load_quiz("42", tmp_path)
    shown = QuizWidget(questions)
    shown._buttons[0][0].click()
    said = shown._feedback[0].value
    assert 'role="status"' in said and "✗ Wrong." in said and "Because a." in said
    shown._buttons[0][1].click()
    assert "✓ Correct." in shown._feedback[0].value and "Because b." in shown._feedback[0].value
    assert shown._score.value == "<p>1 of 5 answered.</p>"
    for q in range(1, 5):
        shown._buttons[q][1].click()
    assert "4 of 5 correct at the first choice." in shown._score.value
    assert [button.icon for button in shown._buttons[0]][:2] == ["times", "check"]
    static = static_quiz(questions)
    assert "What is 1 &amp; <code>a &lt; 1</code>?" in static
    assert "&lt;i&gt;b&lt;/i&gt; 1" in static and "<i>b" not in static
    assert static.count("<details>") == 5 and static.count("Because") == 15


@pytest.mark.parametrize("path", sorted(QUIZZES.glob("*.json")), ids=lambda path: path.stem)
def test_every_quiz_of_the_course_is_whole(path):
    questions = load_quiz(path.stem)
    assert len(questions) == 5
    places = set()
    for one in questions:
        assert one.question.strip() and len(one.options) in (3, 4)
        assert all(option.text.strip() and option.why.strip() for option in one.options)
        assert len({option.text for option in one.options}) == len(one.options)
        assert [type(option.correct) for option in one.options] == [bool] * len(one.options)
        (place,) = [o for o, option in enumerate(one.options) if option.correct]
        places.add(place)
    assert len(places) > 1, "the correct answer is always at the same place"
