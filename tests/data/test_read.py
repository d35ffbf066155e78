"""Questions: read whole and exactly, or refused in one line with file, place and field."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from r1aqa_helpers.data import (
    AudioQuestion,
    read_avqa,
    read_mmau,
    read_questions,
    write_avqa,
    write_mmau,
)
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.paths import DATA

MMAU = DATA / "course" / "scored_responses"

AVQA_ROW = {
    "id": 183,
    "video_name": "made_up_000030",
    "question_text": "What happened in the video?",
    "multi_choice": ["a dog barks", "rain falls", "a bell rings", "rain falls"],
    "answer": 2,
    "question_relation": "View",
    "dataset_name": "AVQA",
    "audio_path": "clips/one.wav",
}
MMAU_ROW = {
    "id": "q-1",
    "audio_id": "./test-mini-audios/q-1.wav",
    "question": "How many beeps are heard?",
    "choices": ["One", "Two", "Two", "Four"],
    "answer": "Two",
    "dataset": "synthetic",
    "task": "sound",
    "split": "test-mini",
    "category": ["Reasoning"],
    "sub-category": "Temporal Event Reasoning",
    "difficulty": "easy",
}


def avqa_file(folder: Path, *rows) -> Path:
    path = folder / "train.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def mmau_file(folder: Path, *items) -> Path:
    path = folder / "test.json"
    path.write_text(json.dumps(items))
    return path


#: How each form is read and written here, a row of it, and which field names the recording.
FORMS = {
    "avqa": (read_avqa, avqa_file, AVQA_ROW, "audio_path"),
    "mmau": (read_mmau, mmau_file, MMAU_ROW, "audio_id"),
}


def without(row: dict, name: str) -> dict:
    return {k: v for k, v in row.items() if k != name}


def message_of(read, path) -> str:
    with pytest.raises(UserError) as caught:
        read(path)
    message = str(caught.value)
    assert message.isprintable(), f"not one printable line: {message!r}"
    assert message.startswith(str(path))
    return message.removeprefix(str(path))


def test_both_forms_are_read_field_by_field(tmp_path):
    [question] = read_avqa(avqa_file(tmp_path, AVQA_ROW))
    assert question == AudioQuestion(
        id="183",
        audio=tmp_path / "clips" / "one.wav",
        question="What happened in the video?",
        choices=("a dog barks", "rain falls", "a bell rings", "rain falls"),
        answer="a bell rings",
        dataset="AVQA",
        extra={"video_name": "made_up_000030", "question_relation": "View"},
    )
    [question] = read_mmau(mmau_file(tmp_path, MMAU_ROW | {"response": "it is two"}))
    assert question == AudioQuestion(
        id="q-1",
        audio=tmp_path / "test-mini-audios" / "q-1.wav",
        question="How many beeps are heard?",
        choices=("One", "Two", "Two", "Four"),
        answer="Two",
        task="sound",
        category=("Reasoning",),
        sub_category="Temporal Event Reasoning",
        difficulty="easy",
        dataset="synthetic",
        split="test-mini",
        extra={"response": "it is two"},
    )
    assert len({question, replace(question), replace(question, id="other")}) == 2


def test_what_was_read_is_written_back(tmp_path, monkeypatch):
    labelled = AVQA_ROW | {"id": "b", "task": "music", "category": ["x", "y"], "difficulty": "hard"}
    elsewhere = AVQA_ROW | {"id": "c", "audio_path": "/data/clip.wav", "answer": 0}
    questions = read_avqa(avqa_file(tmp_path, AVQA_ROW, labelled, elsewhere))
    write_avqa(tmp_path / "again.jsonl", questions)
    rows = [json.loads(line) for line in (tmp_path / "again.jsonl").read_text().splitlines()]
    assert rows == [AVQA_ROW | {"id": "183"}, labelled, elsewhere]
    write_avqa(tmp_path / "deep" / "again.jsonl", questions)
    assert read_avqa(tmp_path / "deep" / "again.jsonl") == questions
    write_mmau(tmp_path / "other.json", [replace(q, task="music") for q in questions])
    assert [replace(q, task="") for q in read_questions(tmp_path / "other.json")][0] == questions[0]

    hidden = without(MMAU_ROW | {"id": "q-2", "category": "Reasoning"}, "answer")
    elsewhere = MMAU_ROW | {"id": "q-3", "audio_id": "/data/clip.wav", "model_output": "Two"}
    questions = read_mmau(mmau_file(tmp_path, MMAU_ROW, hidden, elsewhere))
    monkeypatch.chdir(tmp_path)
    write_mmau("again.json", questions)
    assert read_mmau("again.json") == questions
    assert json.loads((tmp_path / "again.json").read_text()) == [MMAU_ROW, hidden, elsewhere]


@pytest.mark.parametrize("version", ["v1", "v05.15.25"])
def test_mmaus_own_questions_are_read_and_written_back_as_they_are(tmp_path, version):
    shutil.copyfile(MMAU / f"{version}.json", tmp_path / "mmau.json")
    questions = read_questions(tmp_path / "mmau.json")
    assert len(questions) == 40 and any(isinstance(q.category, tuple) for q in questions)
    assert all(q.answer in q.choices for q in questions)
    write_mmau(tmp_path / "again.json", questions)
    again, first = (json.loads((tmp_path / n).read_text()) for n in ("again.json", "mmau.json"))
    assert again == first


@pytest.mark.parametrize("value", [None, "", "  "])
def test_a_hidden_answer_is_none_and_makes_no_avqa_line(tmp_path, value):
    hidden = read_mmau(mmau_file(tmp_path, MMAU_ROW | {"answer": value}))
    assert hidden[0].answer is None
    with pytest.raises(UserError, match="'q-1' has no answer among its choices"):
        write_avqa(tmp_path / "a.jsonl", hidden)
    assert not (tmp_path / "a.jsonl").exists()


# --- where the recordings are ---------------------------------------------------------------


@pytest.mark.parametrize(("read", "make", "row", "field"), FORMS.values(), ids=FORMS)
def test_audio_dir(tmp_path, read, make, row, field):
    clips, path, name = tmp_path / "clips elsewhere", make(tmp_path, row), row[field]
    (tmp_path / Path(name).name).touch()  # without audio_dir, no file of this name stands in
    assert read(path)[0].audio == tmp_path / name
    clips.mkdir()
    assert read(path, clips)[0].audio == clips / name
    (clips / Path(name).name).touch()  # at the top of the folder: found by its name
    assert read(path, clips)[0].audio == clips / Path(name).name
    (clips / name).parent.mkdir()
    (clips / name).touch()  # where the file says: goes before
    assert read(path, clips)[0].audio == clips / name


@pytest.mark.parametrize("path", ["../a.wav", "clips/../../a.wav", ".."])
def test_a_path_that_climbs_out_is_refused(tmp_path, path):
    message = message_of(read_avqa, avqa_file(tmp_path, AVQA_ROW | {"audio_path": path}))
    assert message.startswith(":1: field audio_path: ") and "climbs out" in message
    message = message_of(read_mmau, mmau_file(tmp_path, MMAU_ROW | {"audio_id": path}))
    assert message.startswith(": item 0 (id 'q-1'): field audio_id: ") and "climbs out" in message


def test_inner_detours_are_straightened(tmp_path):
    # "link/.." is the folder itself here, also where link leads elsewhere.
    (tmp_path / "link").symlink_to("/")
    row = AVQA_ROW | {"audio_path": "link/../clips/./one.wav"}
    assert read_avqa(avqa_file(tmp_path, row))[0].audio == tmp_path / "clips" / "one.wav"


# --- bad rows -------------------------------------------------------------------------------

AVQA_WRONG = {
    "id": [True, " "],
    "question_text": ["", 3],
    "multi_choice": ["abcd", ["a", 3, "b"], ["a"]],
    "answer": ["2", True, 1.0, 4, -1, "\x1b[2J\n"],
    "dataset_name": [""],
    "audio_path": [7, "a\0.wav"],
    "category": [[1]],
}
MMAU_WRONG = {
    "id": [7.5],
    "audio_id": [None],
    "question": [["a"]],
    "choices": [{"A": "Two"}, ["Two", None]],
    "answer": ["two", 1, "y" * 9999],
    "task": [""],
    "difficulty": [None],
}
MISSING = object()


OPTIONAL = {("avqa", "category"), ("mmau", "answer"), ("mmau", "difficulty")}


@pytest.mark.parametrize(
    ("form", "name", "value"),
    [
        (form, name, value)
        for form, wrong in (("avqa", AVQA_WRONG), ("mmau", MMAU_WRONG))
        for name, values in wrong.items()
        for value in (values if (form, name) in OPTIONAL else [*values, MISSING])
    ],
    ids=lambda value: "missing" if value is MISSING else ascii(value)[:20],
)
def test_a_bad_row_is_named(tmp_path, form, name, value):
    read, make, good, _ = FORMS[form]
    row = without(good, name) if value is MISSING else good | {name: value}
    path = make(tmp_path, good | {"id": "first"}, row, good | {"id": "last"})
    item = f": item 1 (id {row['id']!r})" if "id" in row else ": item 1"
    message = message_of(read, path)
    assert message.startswith(f"{':2' if form == 'avqa' else item}: field {name}: ")
    assert "; " in message and len(message) < 300


def test_other_values_and_repeated_ids_are_named(tmp_path):
    first = AVQA_ROW | {"id": "first"}
    assert message_of(read_avqa, avqa_file(tmp_path, first, None)).startswith(":2: holds a JSON ")
    path = mmau_file(tmp_path, MMAU_ROW, [MMAU_ROW])
    assert message_of(read_mmau, path).startswith(": item 1: holds a JSON ")
    path = avqa_file(tmp_path, AVQA_ROW, AVQA_ROW | {"id": "183"})  # the same, read as text
    assert "field id: '183' already stands in line 1" in message_of(read_avqa, path)
    path = mmau_file(tmp_path, MMAU_ROW, MMAU_ROW)
    assert "already stands in item 0" in message_of(read_mmau, path)


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("a.json", b"{}", ": holds a JSON object"),
        ("a.json", b"[]", ": holds no questions"),
        ("a.json", json.dumps([MMAU_ROW]).encode()[:-40], ":1: "),
        ("a.json", json.dumps([MMAU_ROW | {"x": float("nan")}]).encode(), ": "),
        ("a.jsonl", b"\n \n", ": holds no questions"),
        ("a.jsonl", json.dumps(AVQA_ROW).encode() + b"\n" + b'{"id": 3', ":2: "),
        ("a.jsonl", b"\n\xff", ":2: not UTF-8"),
        ("questions", b"", ": unknown kind of question file"),
        ("absent.json", None, ": no such file"),
    ],
)
def test_a_file_that_holds_no_questions(tmp_path, name, data, expected):
    if data is not None:
        (tmp_path / name).write_bytes(data)
    assert message_of(read_questions, tmp_path / name).startswith(expected)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)


@given(st.data())
def test_any_json_is_read_whole_or_refused_in_a_line(tmp_path_factory, data):
    """Rows with some of their fields replaced or left out; and anything at all."""
    folder = tmp_path_factory.mktemp("any")
    row = data.draw(st.sampled_from([AVQA_ROW, MMAU_ROW]))
    fields = data.draw(st.dictionaries(st.sampled_from([*row, "other"]), VALUES, max_size=3))
    left_out = data.draw(st.sets(st.sampled_from([*row]), max_size=1))
    changed = {k: v for k, v in (row | fields).items() if k not in left_out}
    content = data.draw(st.sampled_from([changed, fields]) | VALUES)
    make, write = (avqa_file, write_avqa) if row is AVQA_ROW else (mmau_file, write_mmau)
    path = make(folder, content)
    try:
        questions = read_questions(path)
    except UserError as fault:
        assert str(fault).startswith(str(path)) and str(fault).isprintable()
        assert len(str(fault)) < 1000
    else:
        write(folder / f"again{path.suffix}", questions)
        assert read_questions(folder / f"again{path.suffix}") == questions
