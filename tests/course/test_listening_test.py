"""The listening test: what is saved, how it resumes, what the row says, and nothing unescaped."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from r1aqa_helpers.course.widgets import listening_test as listening
from r1aqa_helpers.data import AudioQuestion, read_questions
from r1aqa_helpers.reporting import load_measured
from r1aqa_helpers.reporting.human import human_row, read_answers
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import append_jsonl, read_log


@pytest.fixture
def questions(make_questions: Callable[..., tuple[Path, Path]]) -> list[AudioQuestion]:
    """Three questions, one of each task; the gold answers are dog, cat and car."""
    return read_questions(make_questions(3)[1])


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "answers.jsonl"


def press(live: listening.ListeningWidget, name: str) -> None:
    buttons = [*live._choices.children, live._next]
    next(b for b in buttons if b.description == name and b.layout.display != "none").click()


def test_ten_of_all_tasks_are_picked_and_always_the_same(make_questions, questions):
    chosen = listening.pick(read_questions(make_questions(21)[1]))
    shares = [sum(q.task == task for q in chosen) for task in ("sound", "music", "speech")]
    assert sorted(shares) == [3, 3, 4]
    assert listening.pick(questions) == questions == listening.pick(questions)


def test_answers_are_saved_and_an_interrupted_test_goes_on(questions, state):
    live = listening.ListeningWidget(questions, state)
    assert "Clip 1 of 3, sound" in live._clip.value and "<audio controls" in live._clip.value
    assert not state.exists()
    press(live, "dog")
    assert 'role="status"' in live._feedback.value and "✓ Correct: dog" in live._feedback.value
    live.answer("cat")  # only the first answer counts
    assert all(button.disabled for button in live._choices.children)
    assert read_log(state) == [{"id": "q0", "answer": "dog"}]

    later = listening.ListeningWidget(questions, state)
    assert "Clip 2 of 3, music" in later._clip.value
    press(later, "bell")
    assert "the answer is cat" in later._feedback.value
    press(later, "Next")
    press(later, "car")
    press(later, "Next")
    assert "66.7, n 3" in later._clip.value and str(state) in later._clip.value


def test_damaged_lines_and_other_questions_are_left_out(questions, tmp_path):
    state = tmp_path / "answers.jsonl"
    others = '{"id": "other", "answer": "x"}\n{"id": []}\n{}\n'
    twice = '{"id": "q1", "answer": "cat"}\n{"id": "q1", "answer": "dog"}\n'
    state.write_text(others + twice + '{"id": "q')
    assert read_answers(state, questions) == {"q1": "cat"}
    append_jsonl(state, {"id": "q0", "answer": 3})
    with pytest.raises(UserError, match="answers.jsonl: question 'q0'"):
        listening.ListeningWidget(questions, state)


def test_an_answer_that_cannot_be_saved_is_reported(questions, tmp_path):
    (tmp_path / "file").write_text("")
    live = listening.ListeningWidget(questions, tmp_path / "answers.jsonl")
    live.state_file = tmp_path / "file" / "answers.jsonl"
    press(live, "dog")
    assert "Not saved:" in live._feedback.value and live.answers == {}


def test_the_row_is_scored_like_a_models(questions, state):
    assert human_row(questions, state) is None
    assert "no answers yet" in repr(listening.human_table(None))
    for question, answer in zip(questions, ("dog", "cat", "dog"), strict=True):
        append_jsonl(state, {"id": question.id, "answer": answer})
    you, tiny, people = listening.human_table(human_row(questions, state)).frame.values.tolist()
    one, none = "1 of 1 (21 to 100)", "0 of 1 (0 to 79)"
    assert you == ["you", one, one, none, "66.7, n 3", "21 to 94"]
    direct = next(row for row in load_measured() if row.label == "direct <2>")
    assert tiny[4] == f"{direct.average:.1f}, n 1000" and people[4] == "82.2"


def test_texts_are_escaped(questions, state):
    spiked = replace(
        questions[0], question="<script>x</script>", choices=("<b>a</b>", "c"), answer="<b>a</b>"
    )
    static = listening.static_listening([spiked])
    live = listening.ListeningWidget([spiked], state)
    live.answer("c")
    for text in (static, live._clip.value, live._feedback.value):
        assert "<script>" not in text and "<b>a</b>" not in text
    assert static.count("<audio controls") == static.count("<details>") == 1


def test_the_terminal_asks_until_it_has_a_number_and_shares_the_answers(questions, state):
    append_jsonl(state, {"id": "q1", "answer": "cat"})
    typed, lines = iter(["", "dog", "5", "²", " 1 ", "1"]), []
    listening.listen_in_terminal(questions, state, lambda prompt: next(typed), lines.append)
    told = "\n".join(lines)
    assert told.count("Type a number from 1 to 4.") == 4
    assert f"Clip 1 of 3: open {questions[0].audio}" in told and "Clip 2 of 3" not in told
    assert "✓ Correct: dog." in told and "the answer is car." in told
    assert "66.7, n 3" in told and len(read_log(state)) == 3
