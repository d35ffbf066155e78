"""The committed question files are what they claim, by the recipes' events alone."""

import itertools
import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from r1aqa_helpers.data import AudioQuestion, read_questions, write_avqa, write_mmau
from r1aqa_helpers.scoring import string_match
from r1aqa_helpers.tiny import reasoning, splits
from r1aqa_helpers.tiny.question_types import TYPES
from r1aqa_helpers.tiny.scene_families import RATE_INTERVAL, TEMPO_INTERVAL, TESTING, TRAINING
from r1aqa_helpers.tiny.scenes import Scene
from r1aqa_helpers.tiny.sounds import INSTRUMENT_FAMILIES, NUMBERS
from r1aqa_helpers.tiny.splits import SPLITS, fingerprint
from r1aqa_helpers.utils.io import file_hash, read_json, read_jsonl
from r1aqa_helpers.utils.paths import TINY

NAMES = [s.name for s in SPLITS]
REDRAWN = 30


@pytest.fixture(scope="module")
def questions() -> dict[str, list[AudioQuestion]]:
    return {s.name: read_questions(TINY / s.questions_file) for s in SPLITS}


@pytest.fixture(scope="module")
def recipes() -> dict[str, list[dict]]:
    rows = {s.name: read_jsonl(TINY / s.recipes_file) for s in SPLITS}
    return {
        name: [{**row, "scene": Scene.from_dict(row["scene"])} for _, row in lines]
        for name, lines in rows.items()
    }


def true_answer(question: AudioQuestion, scene: Scene) -> str:
    """The correct choice, from the events and the question's wording; facts are not looked at."""
    kind, text, events = question.extra["question-type"], question.question, scene.events
    names = [e.name for e in events]
    if kind in ("order", "instrument-order", "word-order", "family-order"):
        place = {"first": 0, "second": 1, "last": -1}
        (at,) = (i for word, i in place.items() if f" {word}" in text)
        found = list(dict.fromkeys(names))[at]
        return INSTRUMENT_FAMILIES[found] if kind == "family-order" else found
    if kind == "before-after":
        middle = next(i for i, name in enumerate(names) if text.endswith(f"the {name}?"))
        return names[middle + (1 if " after " in text else -1)]
    if kind == "earlier":
        return min(question.choices, key=names.index)
    if kind == "larger":
        first, second = map(NUMBERS.index, names)
        return "larger" if second > first else "smaller"
    if kind in ("absent", "instrument-absent", "word-absent"):
        (answer,) = (c for c in question.choices if c not in names)
        return answer
    if kind == "louder":
        return max(events, key=lambda e: e.gain_db).name
    if kind == "longer":
        return max(events, key=lambda e: e.seconds).name
    if kind == "direction":
        moves = np.sign(np.diff([e.pitch for e in events]))
        if np.all(moves == moves[0]):
            return "rising" if moves[0] > 0 else "falling"
        return "arching" if moves[0] > 0 else "dipping"
    if kind in ("tempo", "rate"):
        table = TEMPO_INTERVAL if kind == "tempo" else RATE_INTERVAL
        apart = np.median(np.diff([e.start for e in events]))
        return min(table, key=lambda name: abs(np.log(table[name] / apart)))
    if kind == "sum":
        return str(sum(NUMBERS.index(name) for name in names))
    if kind in ("source", "instrument", "word", "number"):
        return names[0]
    return {
        "count": lambda: NUMBERS[len(events)],
        "family": lambda: INSTRUMENT_FAMILIES[names[0]],
        "players": lambda: NUMBERS[len(set(names))],
        "speakers": lambda: NUMBERS[len({e.voice for e in events})],
        "voice": lambda: events[0].voice.split()[0],
    }[kind]()


# --- counts --------------------------------------------------------------------------------


def test_sizes_and_tasks(questions):
    sizes = {"train": 4000, "validation": 400, "test": 1000}
    assert {name: len(rows) for name, rows in questions.items()} == sizes
    tasks = Counter(q.task for q in questions["test"])
    assert tasks == {"sound": 333, "music": 334, "speech": 333}
    counts = Counter(q.difficulty for q in questions["test"])
    for difficulty, share in zip(("easy", "medium", "hard"), TESTING.difficulty, strict=True):
        assert abs(counts[difficulty] / 1000 - share) < 0.05  # as in MMAU


@pytest.mark.parametrize("name", NAMES)
def test_types_and_labels(questions, name):
    kinds = Counter(q.extra["question-type"] for q in questions[name])
    assert len(kinds) >= 16 and set(kinds) == set(TYPES)
    for q in questions[name]:
        kind = TYPES[q.extra["question-type"]]
        assert (q.task, q.category, q.sub_category) == (kind.task, kind.category, kind.sub_category)
        assert q.difficulty in ("easy", "medium", "hard") and q.split == name
        assert q.dataset == ("tiny-mmau" if name == "test" else "tiny-avqa")
    for task in ("sound", "music", "speech"):  # each type of a task equally often
        counts = [kinds[k] for k, t in TYPES.items() if t.task == task]
        assert max(counts) - min(counts) <= 1


def test_checksums_are_of_the_files():
    sums = read_json(TINY / "checksums.json")
    assert set(sums) == {f for s in SPLITS for f in (s.questions_file, s.recipes_file)}
    assert {name: file_hash(TINY / name) for name in sums} == sums


# --- choices and labels --------------------------------------------------------------------


def test_choices_differ_and_the_matcher_finds_the_gold_one(questions):
    for q in itertools.chain(*questions.values()):
        assert len(set(q.choices)) == len(q.choices) >= 2 and q.answer in q.choices
        verdicts = {c: string_match(q.answer, c, q.choices) for c in q.choices}
        assert verdicts == {c: c == q.answer for c in q.choices}, q.id


@pytest.mark.parametrize("name", ["validation", "test"])  # wrong labels move some of train
def test_gold_places_are_uniform(questions, name):
    places = Counter((q.task, len(q.choices), q.choices.index(q.answer)) for q in questions[name])
    for task, size in {key[:2] for key in places}:
        counts = [places[task, size, place] for place in range(size)]
        assert max(counts) - min(counts) <= 1, (task, size, counts)


@pytest.mark.parametrize("name", NAMES)
def test_labels_are_true_but_where_documented(questions, recipes, name):
    for q, row in zip(questions[name], recipes[name], strict=True):
        assert q.id == row["id"]
        true = true_answer(q, row["scene"])
        assert true in q.choices and true == reasoning.true_answer(q, row["scene"])
        assert (q.answer != true) == row.get("mislabelled", False), (q.id, true)
        assert TYPES[q.extra["question-type"]].fits(row["scene"])
        assert row.get("mislabelled") in (None, True)


def test_one_label_in_twenty_is_wrong_in_training_alone(questions, recipes):
    wrong = {name: sum("mislabelled" in r for r in rows) for name, rows in recipes.items()}
    assert wrong["validation"] == wrong["test"] == 0
    assert 0.04 <= wrong["train"] / 4000 <= 0.06
    assert all(set(q.extra) == {"question-type"} for q in questions["train"])  # not known there


# --- recipes -------------------------------------------------------------------------------


def test_takes_and_lengths(recipes):
    for split in SPLITS:
        used = set()
        for row in recipes[split.name]:
            assert set(row) - {"mislabelled"} == {"id", "levels", "scene"}
            assert 2.0 <= row["scene"].seconds <= 4.0
            assert len(row["levels"]) == splits.SEGMENTS
            used |= {e.take for e in row["scene"].events if e.kind != "synth"}
        assert used == set(TRAINING.takes if split.name != "test" else TESTING.takes)


@pytest.mark.parametrize("split", SPLITS, ids=lambda s: s.name)
def test_drawing_again_gives_the_committed_lines(split, tmp_path, monkeypatch):
    monkeypatch.setattr(splits, "track", lambda items, what: itertools.islice(items, REDRAWN))
    drawn, recipes = splits.draw_split(split)
    committed = (TINY / split.recipes_file).read_text(encoding="utf-8").splitlines()
    assert recipes == [json.loads(line) for line in committed[:REDRAWN]]
    write = write_mmau if split.name == "test" else write_avqa
    written = tmp_path / split.questions_file
    # Paths of recordings are written relative to the file's folder.
    write(written, [replace(q, audio=tmp_path / q.audio.relative_to(TINY)) for q in drawn])
    if split.name == "test":
        assert read_json(written) == read_json(TINY / split.questions_file)[:REDRAWN]
    else:
        lines = (TINY / split.questions_file).read_text(encoding="utf-8").splitlines()
        assert written.read_text(encoding="utf-8").splitlines() == lines[:REDRAWN]


def test_fingerprint_is_in_decibels():
    wave = np.zeros(16_000, np.float32)
    wave[:2000], wave[2000:4000] = 1.0, 0.1
    assert fingerprint(wave) == [80, 60, 0, 0, 0, 0, 0, 0]
