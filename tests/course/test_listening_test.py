"""The listening test: what is kept, how it resumes, what the row says, and nothing unescaped."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from r1aqa_helpers.course.widgets import listening_test as listening
from r1aqa_helpers.data import AudioQuestion, read_questions
from r1aqa_helpers.reporting.human import human_row, read_answers
from r1aqa_helpers.scoring import wilson_interval
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import append_jsonl, read_log


@pytest.fixture
def questions(make_questions: Callable[..., tuple[Path, Path]]) -> list[AudioQuestion]:
    """Three questions, one of each task; the gold answers are dog, cat and car."""
    return read_questions(make_questions(3)[1])


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "answers.jsonl"


def pressed(live: listening.ListeningWidget, name: str) -> None:
    buttons = [*live._choices.children, live._next, live._again]
    next(b for b in buttons if b.description == name and b.layout.display != "none").click()


def test_ten_are_picked_from_all_tasks_and_always_the_same(
    make_questions: Callable[..., tuple[Path, Path]],
) -> None:
    asked = read_questions(make_questions(21)[1])
    chosen = listening.pick(asked)
    assert [q.id for q in chosen] == [q.id for q in listening.pick(asked)]
    shares = [sum(q.task == task for q in chosen) for task in ("sound", "music", "speech")]
    assert sorted(shares) == [3, 3, 4]


def test_answers_are_kept_and_the_test_goes_on_where_it_was(
    questions: list[AudioQuestion], state: Path
) -> None:
    live = listening.ListeningWidget(questions, state)
    assert "Clip 1 of 3, sound" in live._clip.value and "<audio controls" in live._clip.value
    assert not state.exists()
    pressed(live, "dog")
    assert 'role="status"' in live._feedback.value and "✓ Right:</b> dog" in live._feedback.value
    assert read_log(state) == [{"id": "q0", "answer": "dog"}]

    later = listening.ListeningWidget(questions, state)
    assert "Clip 2 of 3, music" in later._clip.value
    pressed(later, "bell")
    assert "You said bell; the answer is <b>cat</b>" in later._feedback.value
    pressed(later, "Next clip")
    pressed(later, "car")
    pressed(later, "See my row")
    assert "66.7, n 3" in later._clip.value
    pressed(later, "Start again")
    assert not state.exists() and "Clip 1 of 3" in later._clip.value


def test_only_the_first_answer_counts(questions: list[AudioQuestion], state: Path) -> None:
    live = listening.ListeningWidget(questions, state)
    pressed(live, "car")
    assert all(button.disabled for button in live._choices.children)
    live.answer("dog")
    assert read_log(state) == [{"id": "q0", "answer": "car"}]
    append_jsonl(state, {"id": "q0", "answer": "dog"})
    assert read_answers(state, questions) == {"q0": "car"}


def test_a_torn_line_and_other_questions_are_left_out(
    questions: list[AudioQuestion], tmp_path: Path
) -> None:
    state = tmp_path / "answers.jsonl"
    others = '{"id": "other", "answer": "x"}\n{"id": []}\n{}\n'
    state.write_text(others + '{"id": "q1", "answer": "cat"}\n{"id": "q')
    assert read_answers(state, questions) == {"q1": "cat"}


@pytest.mark.parametrize("answer", ["whale", 3, None, []])
def test_an_answer_that_is_no_choice_is_a_fault(
    questions: list[AudioQuestion], state: Path, answer: object
) -> None:
    append_jsonl(state, {"id": "q0", "answer": answer})
    with pytest.raises(UserError, match="answers.jsonl: question 'q0'"):
        listening.ListeningWidget(questions, state)


def test_what_cannot_be_kept_is_said(questions: list[AudioQuestion], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    live = listening.ListeningWidget(questions, tmp_path / "answers.jsonl")
    live.state_file = tmp_path / "file" / "answers.jsonl"
    pressed(live, "dog")
    assert "Not kept:" in live._feedback.value and live.answers == {}


def test_the_row_is_that_of_the_scoring(questions: list[AudioQuestion], state: Path) -> None:
    assert human_row(questions, state) is None
    assert "no answers yet" in repr(listening.human_table(None))
    for question, answer in zip(questions, ("dog", "cat", "dog"), strict=True):
        append_jsonl(state, {"id": question.id, "answer": answer})
    row = human_row(questions, state)
    assert row is not None and (row.overall.correct, row.n) == (2, 3)
    low, high = wilson_interval(2, 3)
    you, tiny, people = listening.human_table(row).frame.to_numpy().tolist()
    one, none = "1 of 1 (21 to 100)", "0 of 1 (0 to 79)"
    assert you == ["you", one, one, none, "66.7, n 3", f"{low:.0f} to {high:.0f}"]
    assert tiny[4] == "56.9, n 1000" and people[4] == "82.2"


def test_everything_from_a_file_is_escaped(questions: list[AudioQuestion], state: Path) -> None:
    spiked = replace(
        questions[0], question="<script>x</script>", choices=("<b>a</b>", "c"), answer="<b>a</b>"
    )
    static = listening.static_listening([spiked])
    live = listening.ListeningWidget([spiked], state)
    live.answer("c")
    for text in (static, live._clip.value, live._feedback.value):
        assert "<script>" not in text and "<b>a</b>" not in text
    assert static.count("<audio controls") == static.count("<details>") == 1


def test_the_terminal_asks_until_it_has_a_number_and_shares_the_answers(
    questions: list[AudioQuestion], state: Path
) -> None:
    append_jsonl(state, {"id": "q1", "answer": "cat"})
    typed, lines = iter(["", "dog", "0", "5", "²", " 1 ", "1"]), []
    listening.listen_in_terminal(questions, state, lambda prompt: next(typed), lines.append)
    told = "\n".join(lines)
    assert told.count("Type a number from 1 to 4.") == 5
    assert f"Clip 1 of 3: open {questions[0].audio}" in told and "Clip 2 of 3" not in told
    assert "✓ Right: dog." in told and "✗ Not right: the answer is car." in told
    assert "66.7, n 3" in told and len(read_log(state)) == 3
