"""Questions: read whole and exactly, or refused in one line with file, place and field."""

import collections
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from r1aqa_helpers.errors import UserError
from r1aqa_helpers.questions import (
    AudioQuestion,
    read_avqa,
    read_mmau,
    read_questions,
    write_avqa,
    write_mmau,
)

MMAU = Path(__file__).parents[2].parent / "shared" / "mmau"

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


def without(row: dict, name: str) -> dict:
    return {k: v for k, v in row.items() if k != name}


def message_of(read, path) -> str:
    with pytest.raises(UserError) as caught:
        read(path)
    message = str(caught.value)
    assert message.isprintable(), f"not one printable line: {message!r}"
    assert message.startswith(str(path))
    return message.removeprefix(str(path))


def test_an_avqa_line_is_read_field_by_field(tmp_path):
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


def test_an_mmau_item_is_read_field_by_field(tmp_path):
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


def test_questions_can_be_members_of_a_set(tmp_path):
    [question] = read_mmau(mmau_file(tmp_path, MMAU_ROW))
    assert len({question, replace(question), replace(question, id="other")}) == 2


def test_avqa_round_trip(tmp_path):
    labelled = AVQA_ROW | {"id": "b", "task": "music", "category": ["x", "y"], "difficulty": "hard"}
    elsewhere = AVQA_ROW | {"id": "c", "audio_path": "/data/clip.wav", "answer": 0}
    questions = read_avqa(avqa_file(tmp_path, AVQA_ROW, labelled, elsewhere))
    write_avqa(tmp_path / "again.jsonl", questions)
    assert read_avqa(tmp_path / "again.jsonl") == questions
    rows = [json.loads(line) for line in (tmp_path / "again.jsonl").read_text().splitlines()]
    assert rows == [AVQA_ROW | {"id": "183"}, labelled, elsewhere]
    (tmp_path / "deep").mkdir()
    write_avqa(tmp_path / "deep" / "again.jsonl", questions)
    assert read_avqa(tmp_path / "deep" / "again.jsonl") == questions


def test_mmau_round_trip(tmp_path):
    hidden = without(MMAU_ROW | {"id": "q-2", "category": "Reasoning"}, "answer")
    elsewhere = MMAU_ROW | {"id": "q-3", "audio_id": "/data/clip.wav", "model_output": "Two"}
    questions = read_mmau(mmau_file(tmp_path, MMAU_ROW, hidden, elsewhere))
    write_mmau(tmp_path / "again.json", questions)
    assert read_mmau(tmp_path / "again.json") == questions
    assert json.loads((tmp_path / "again.json").read_text()) == [MMAU_ROW, hidden, elsewhere]


def test_one_form_can_be_written_as_the_other(tmp_path):
    questions = read_avqa(avqa_file(tmp_path, AVQA_ROW | {"task": "sound"}))
    write_mmau(tmp_path / "a.json", questions)
    assert read_questions(tmp_path / "a.json") == questions
    write_avqa(tmp_path / "b.jsonl", read_questions(tmp_path / "a.json"))
    assert read_questions(tmp_path / "b.jsonl") == questions


def test_relative_file_names_give_the_same_questions(tmp_path, monkeypatch):
    questions = read_avqa(avqa_file(tmp_path, AVQA_ROW))
    monkeypatch.chdir(tmp_path)
    assert read_avqa("train.jsonl") == questions
    write_avqa("again.jsonl", [replace(questions[0], audio=Path("clips/one.wav"))])
    assert read_avqa(tmp_path / "again.jsonl") == questions


def test_avqa_lines_need_an_answer_to_be_written(tmp_path):
    hidden = read_mmau(mmau_file(tmp_path, without(MMAU_ROW, "answer")))
    with pytest.raises(UserError, match="'q-1' has no answer among its choices"):
        write_avqa(tmp_path / "a.jsonl", hidden)
    assert not (tmp_path / "a.jsonl").exists()


@pytest.mark.parametrize("value", [None, "", "  "])
def test_a_hidden_answer_is_none(tmp_path, value):
    assert read_mmau(mmau_file(tmp_path, MMAU_ROW | {"answer": value}))[0].answer is None


@pytest.mark.parametrize("count", [2, 3, 5, 8])
def test_two_to_eight_choices(tmp_path, count):
    choices = [f"choice {i}" for i in range(count)]
    row = MMAU_ROW | {"choices": choices, "answer": choices[-1]}
    assert read_mmau(mmau_file(tmp_path, row))[0].choices == tuple(choices)


# --- where the recordings are ---------------------------------------------------------------


@pytest.mark.parametrize("read", [read_avqa, read_mmau])
def test_audio_dir(tmp_path, read):
    make = avqa_file if read is read_avqa else mmau_file
    row = AVQA_ROW if read is read_avqa else MMAU_ROW
    name = row["audio_path"] if read is read_avqa else row["audio_id"]
    clips = tmp_path / "clips elsewhere"
    clips.mkdir()
    path = make(tmp_path, row)
    assert read(path, clips)[0].audio == clips / name
    (clips / Path(name).name).touch()  # at the top of the folder: found by its name
    assert read(path, clips)[0].audio == clips / Path(name).name
    (clips / name).parent.mkdir()
    (clips / name).touch()  # where the file says: goes before
    assert read(path, clips)[0].audio == clips / name


def test_without_audio_dir_a_bare_name_does_not_stand_in(tmp_path):
    (tmp_path / "one.wav").touch()
    assert read_avqa(avqa_file(tmp_path, AVQA_ROW))[0].audio == tmp_path / "clips" / "one.wav"


CLIMBING = ["../a.wav", "clips/../../a.wav", "..", "./../a.wav", "a/../../b/a.wav"]


@pytest.mark.parametrize("path", CLIMBING)
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

AVQA_BAD = {
    "no id": (without(AVQA_ROW, "id"), "field id: is missing"),
    "no question": (without(AVQA_ROW, "question_text"), "field question_text: is missing"),
    "no choices": (without(AVQA_ROW, "multi_choice"), "field multi_choice: is missing"),
    "no answer": (without(AVQA_ROW, "answer"), "field answer: is missing"),
    "no dataset": (without(AVQA_ROW, "dataset_name"), "field dataset_name: is missing"),
    "no audio": (without(AVQA_ROW, "audio_path"), "field audio_path: is missing"),
    "id true": (AVQA_ROW | {"id": True}, "field id: is True (a JSON boolean)"),
    "id 1.5": (AVQA_ROW | {"id": 1.5}, "field id: is 1.5 (a JSON number)"),
    "id blank": (AVQA_ROW | {"id": " "}, "field id: is ' '"),
    "question null": (AVQA_ROW | {"question_text": None}, "field question_text: is None"),
    "question blank": (AVQA_ROW | {"question_text": ""}, "field question_text: is ''"),
    "choices text": (AVQA_ROW | {"multi_choice": "abcd"}, "field multi_choice: is 'abcd'"),
    "choices numbers": (AVQA_ROW | {"multi_choice": ["a", 3, "b"]}, "field multi_choice: one"),
    "one choice": (AVQA_ROW | {"multi_choice": ["a"], "answer": 0}, "multi_choice: has 1 choice"),
    "zero choices": (AVQA_ROW | {"multi_choice": []}, "field multi_choice: has 0 choice"),
    "answer text": (AVQA_ROW | {"answer": "a bell rings"}, "field answer: is 'a bell rings'"),
    "answer digit": (AVQA_ROW | {"answer": "2"}, "field answer: is '2' (a JSON text)"),
    "answer true": (AVQA_ROW | {"answer": True}, "field answer: is True (a JSON boolean)"),
    "answer 1.0": (AVQA_ROW | {"answer": 1.0}, "field answer: is 1.0"),
    "answer null": (AVQA_ROW | {"answer": None}, "field answer: is None"),
    "answer 4 of 4": (AVQA_ROW | {"answer": 4}, "field answer: 4 is no index into the 4 choices"),
    "answer -1": (AVQA_ROW | {"answer": -1}, "field answer: -1 is no index"),
    "audio number": (AVQA_ROW | {"audio_path": 7}, "field audio_path: is 7"),
    "audio blank": (AVQA_ROW | {"audio_path": ""}, "field audio_path: is ''"),
    "audio nul": (AVQA_ROW | {"audio_path": "a\0.wav"}, "field audio_path: 'a\\x00.wav' holds"),
    "category number": (AVQA_ROW | {"category": [1]}, "field category: is [1]"),
    "task list": (AVQA_ROW | {"task": ["sound"]}, "field task: is ['sound'] (a JSON list)"),
    "list": ([AVQA_ROW], "holds a JSON list"),
    "number": (5, "holds a JSON number"),
    "null": (None, "holds a JSON null"),
    "id twice": (AVQA_ROW | {"id": "first"}, "field id: 'first' already stands in line 1"),
    "control": (AVQA_ROW | {"answer": "\x1b[2J\n"}, r"field answer: is '\x1b[2J\n'"),
}


@pytest.mark.parametrize("row, expected", AVQA_BAD.values(), ids=AVQA_BAD)
def test_a_bad_avqa_line_is_named(tmp_path, row, expected):
    path = avqa_file(tmp_path, AVQA_ROW | {"id": "first"}, row, AVQA_ROW | {"id": "last"})
    message = message_of(read_avqa, path)
    assert message.startswith(":2: ") and expected in message
    assert "; " in message, "says nothing about what to do"


def test_ids_that_read_alike_are_duplicates(tmp_path):
    path = avqa_file(tmp_path, AVQA_ROW, AVQA_ROW | {"id": "183"})
    assert "already stands in line 1" in message_of(read_avqa, path)


MMAU_BAD = {
    "no id": (without(MMAU_ROW, "id"), ": item 1: field id: is missing"),
    "no audio": (without(MMAU_ROW, "audio_id"), "field audio_id: is missing"),
    "no question": (without(MMAU_ROW, "question"), "field question: is missing"),
    "no choices": (without(MMAU_ROW, "choices"), "field choices: is missing"),
    "no task": (without(MMAU_ROW, "task"), "field task: is missing"),
    "one choice": (MMAU_ROW | {"choices": ["Two"]}, "field choices: has 1 choice"),
    "choices object": (MMAU_ROW | {"choices": {"A": "Two"}}, "field choices: is {'A': 'Two'}"),
    "choices null": (MMAU_ROW | {"choices": ["Two", None]}, "field choices: one choice is None"),
    "gold outside": (MMAU_ROW | {"answer": "Three"}, "field answer: 'Three' is none of the"),
    "gold in other case": (MMAU_ROW | {"answer": "two"}, "field answer: 'two' is none of the"),
    "gold index": (MMAU_ROW | {"answer": 1}, "field answer: is 1 (a JSON number)"),
    "gold false": (MMAU_ROW | {"answer": False}, "field answer: is False (a JSON boolean)"),
    "category object": (MMAU_ROW | {"category": {}}, "field category: is {}"),
    "difficulty null": (MMAU_ROW | {"difficulty": None}, "field difficulty: is None"),
    "dataset list": (MMAU_ROW | {"dataset": []}, "field dataset: is []"),
    "text": ("q-1", ": item 1: holds a JSON text"),
    "id twice": (MMAU_ROW | {"id": "first"}, "field id: 'first' already stands in item 0"),
    "long": (MMAU_ROW | {"answer": "y" * 9999}, "yyy… is none of the choices"),
}


@pytest.mark.parametrize("item, expected", MMAU_BAD.values(), ids=MMAU_BAD)
def test_a_bad_mmau_item_is_named(tmp_path, item, expected):
    path = mmau_file(tmp_path, MMAU_ROW | {"id": "first"}, item, MMAU_ROW | {"id": "last"})
    message = message_of(read_mmau, path)
    note = f" (id {item['id']!r})" if isinstance(item, dict) and "id" in item else ""
    assert message.startswith(f": item 1{note}: ") and expected in message
    assert len(message) < 300 and "; " in message


@pytest.mark.parametrize(
    "data, expected",
    [
        (b"{}", "holds a JSON object"),
        (b"[]", "holds no questions"),
        (b"", "is empty"),
        (json.dumps([MMAU_ROW]).encode()[:-40], ":1: column"),
        (json.dumps([MMAU_ROW]).encode("utf-16"), ":1: not UTF-8"),
        (json.dumps([MMAU_ROW | {"x": float("nan")}]).encode(), "NaN"),
    ],
)
def test_a_bad_mmau_file(tmp_path, data, expected):
    path = tmp_path / "test.json"
    path.write_bytes(data)
    assert expected in message_of(read_mmau, path)


@pytest.mark.parametrize(
    "data, expected",
    [
        (b"\n \n", "holds no questions"),
        (json.dumps(AVQA_ROW).encode() + b"\n" + json.dumps(AVQA_ROW).encode()[:-9], ":2: column"),
        (
            b"\n" + json.dumps(AVQA_ROW | {"id": "\xe9"}, ensure_ascii=False).encode("latin-1"),
            ":2:",
        ),
        (json.dumps(AVQA_ROW, indent=1).encode(), ":1: column"),
    ],
    ids=["blank", "truncated", "latin-1", "over several lines"],
)
def test_a_bad_avqa_file(tmp_path, data, expected):
    path = tmp_path / "train.jsonl"
    path.write_bytes(data)
    assert expected in message_of(read_avqa, path)


@pytest.mark.parametrize("name", ["questions.csv", "questions", "absent.json", "absent.jsonl"])
def test_no_question_file(tmp_path, name):
    assert message_of(read_questions, tmp_path / name)


# --- MMAU's real files ----------------------------------------------------------------------


@pytest.mark.skipif(not MMAU.is_dir(), reason=f"{MMAU} is not there (MMAU's own questions)")
@pytest.mark.parametrize(
    "version, choice_counts, repeated",
    [
        ("v1", {4: 990, 2: 10}, 20),
        ("v05.15.25", {4: 948, 2: 27, 5: 24, 8: 1}, 27),
    ],
)
def test_mmau_is_read_and_written_back_as_it_is(tmp_path, version, choice_counts, repeated):
    path = tmp_path / "mmau.json"
    shutil.copyfile(MMAU / f"mmau-test-mini-{version}.json", path)
    questions = read_questions(path)
    assert len(questions) == 1000
    assert collections.Counter(len(q.choices) for q in questions) == choice_counts
    assert sum(len(set(q.choices)) < len(q.choices) for q in questions) == repeated
    assert sum(isinstance(q.category, tuple) for q in questions) == 13
    assert all(
        q.answer in q.choices and q.audio.parent.name == "test-mini-audios" for q in questions
    )
    write_mmau(tmp_path / "again.json", questions)
    assert json.loads((tmp_path / "again.json").read_text()) == json.loads(path.read_text())


@pytest.mark.skipif(not MMAU.is_dir(), reason=f"{MMAU} is not there (MMAU's own questions)")
def test_the_clip_of_mmaus_first_question_is_found_by_name():
    first = read_mmau(MMAU / "mmau-test-mini-v1.json", audio_dir=MMAU)[0]
    assert first.audio == MMAU / f"{first.id}.wav" and first.audio.is_file()
