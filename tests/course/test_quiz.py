"""The quiz: its files, its widget without a browser, and its static form."""

import copy
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from r1aqa_helpers.course.widgets.quiz import QUIZZES, QuizWidget, load_quiz, static_quiz
from r1aqa_helpers.errors import UserError


def question(number: int, right: int = 1) -> dict:
    return {
        "question": f"What is {number} & `a < {number}`?",
        "options": [
            {"text": f"<i>{letter}</i> {number}", "right": o == right, "why": f"Because {letter}."}
            for o, letter in enumerate("abc")
        ],
    }


GOOD = [question(number) for number in range(1, 6)]


def written(folder: Path, content: object) -> Path:
    (folder / "42.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


def buttons(shown: QuizWidget, q: int) -> list:
    return shown._buttons[q]


def test_a_quiz_is_read(tmp_path: Path) -> None:
    read = load_quiz("42", written(tmp_path, GOOD))
    assert len(read) == 5
    assert read[0].question == "What is 1 & `a < 1`?"
    assert [option.right for option in read[0].options] == [False, True, False]


def drop_option(rows: list[dict]) -> None:
    del rows[2]["options"][1:]


def no_right(rows: list[dict]) -> None:
    rows[1]["options"][1]["right"] = False


def two_right(rows: list[dict]) -> None:
    rows[1]["options"][2]["right"] = True


def unexplained(rows: list[dict]) -> None:
    rows[4]["options"][0]["why"] = " "


def not_boolean(rows: list[dict]) -> None:
    rows[0]["options"][0]["right"] = "no"


def alike(rows: list[dict]) -> None:
    rows[3]["options"][0]["text"] = rows[3]["options"][1]["text"]


def no_question(rows: list[dict]) -> None:
    del rows[3]["question"]


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (lambda rows: rows.pop(), "holds 4 questions; a quiz has 5"),
        (drop_option, "question 3: give it 3 or 4 options"),
        (no_right, "question 2: 0 options are right; give it exactly one"),
        (two_right, "question 2: 2 options are right; give it exactly one"),
        (unexplained, "question 5, option A: has no text why; add it"),
        (not_boolean, "question 1, option A: field right is neither true nor false"),
        (alike, "question 4: two options are the same; make them differ"),
        (no_question, "question 4: has no text question; add it"),
    ],
)
def test_a_fault_in_a_quiz_is_one_line(
    tmp_path: Path, spoil: Callable[[list], object], fault: str
) -> None:
    rows = copy.deepcopy(GOOD)
    spoil(rows)
    with pytest.raises(UserError) as raised:
        load_quiz("42", written(tmp_path, rows))
    assert str(raised.value) == f"{tmp_path / '42.json'}: {fault}"


@pytest.mark.parametrize("content", [{}, "text", [1, 2, 3, 4, 5]])
def test_a_quiz_that_is_no_list_of_questions_is_refused(tmp_path: Path, content: object) -> None:
    with pytest.raises(UserError, match="42.json: "):
        load_quiz("42", written(tmp_path, content))


def test_a_missing_quiz_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="42.json: no such file"):
        load_quiz("42", tmp_path)


def test_the_first_choice_counts_and_every_choice_is_explained(tmp_path: Path) -> None:
    shown = QuizWidget(load_quiz("42", written(tmp_path, GOOD)))
    buttons(shown, 0)[0].click()
    said = shown._feedback[0].value
    assert 'role="status"' in said and "Not right." in said and "Because a." in said
    buttons(shown, 0)[1].click()
    assert "✓ Right." in shown._feedback[0].value and "Because b." in shown._feedback[0].value
    assert shown._score.value == "<p>1 of 5 answered.</p>"
    for q in range(1, 5):
        buttons(shown, q)[1].click()
    assert "4 of 5 right at the first choice." in shown._score.value
    assert buttons(shown, 0)[0].icon == "times" and buttons(shown, 0)[1].icon == "check"


def test_texts_are_escaped_in_every_form(tmp_path: Path) -> None:
    read = load_quiz("42", written(tmp_path, GOOD))
    static = static_quiz(read)
    assert "What is 1 &amp; <code>a &lt; 1</code>?" in static
    assert "&lt;i&gt;b&lt;/i&gt; 1" in static and "<i>b" not in static
    assert static.count("<details>") == 5 and static.count("Because") == 15


def test_every_quiz_of_the_course_is_whole() -> None:
    for path in sorted(QUIZZES.glob("*.json")):
        assert len(load_quiz(path.stem)) == 5


def test_right_answers_of_the_course_do_not_stand_in_one_place() -> None:
    for path in sorted(QUIZZES.glob("*.json")):
        places = [[o.right for o in q.options].index(True) for q in load_quiz(path.stem)]
        assert len(set(places)) > 1, f"{path.name}: the right answer always stands in one place"
