"""Checks of notebook 03: names of clips, faulty lines, constant answers, leaked clips."""

from pathlib import Path

import numpy as np

from r1aqa_helpers.course.checks.common import Answer, explain, of_kind, parts, try_cases
from r1aqa_helpers.course.exercise import exercise, expect
from r1aqa_helpers.data import AudioQuestion


@exercise("03.1", passed="only the last part of a name is the second, and zero has one digit")
def clip_name(answer: Answer) -> None:
    """AVQA's video name to R1-AQA's file name."""
    got = of_kind(answer("abcdef_000030"), str, "a file name, as text")
    expect(got.endswith(".wav"), f"{got!r}: the name of a recording needs its ending, .wav")
    expect(got != "abcdef_3.wav", "000030 became 3: zeros behind a digit count; it is a number")
    expect(got == "abcdef_30.wav", f"abcdef_000030 became {got!r}, not abcdef_30.wav")
    cases = {
        "{got}: a video's name may hold underscores": ("-HG3Omg_89c_000030", "-HG3Omg_89c_30.wav"),
        "{got}: a clip may start at second zero": ("abc_000000", "abc_0.wav"),
        "{got}: zeros of the video's name stay": ("0-00uubi_000210", "0-00uubi_210.wav"),
    }
    try_cases(answer, cases)


_LINE = {
    "id": 1,
    "question_text": "What barks?",
    "multi_choice": ["dog", "cat", "owl", "fox"],
    "answer": 0,
    "dataset_name": "AVQA",
    "audio_path": "clips/1.wav",
}


def _changed(fields: dict) -> dict:
    return {name: value for name, value in (_LINE | fields).items() if value is not ...}


@exercise("03.2", passed="a line that the reader rejects cannot break the training later")
def faulty_field(answer: Answer) -> None:
    """The field of a training line that is at fault, or an empty text."""
    of_kind(answer(dict(_LINE)), str, "a text, a field's name or nothing")
    one = {"multi_choice": ["dog"]}
    lines = {
        "a sound line was called faulty; an answer of 0 is the first choice": ({}, ""),
        "an index equal to the number of choices is behind the last one": ({"answer": 4}, "answer"),
        "an answer of -1 passed; Python would count it from the end": ({"answer": -1}, "answer"),
        "the gold answer's text passed; a line has its index": ({"answer": "dog"}, "answer"),
        "a line without a recording passed": ({"audio_path": ...}, "audio_path"),
        "of two faults the first in order is wanted": (one | {"answer": 4}, "multi_choice"),
    }
    cases = {
        f"{message} (your answer: {{got}})": (_changed(changed), field)
        for message, (changed, field) in lines.items()
    }
    try_cases(answer, cases)


def _question(place: int, task: str, choices: int = 4) -> AudioQuestion:
    texts = tuple(f"choice {n}" for n in range(choices))
    return AudioQuestion("q", Path("/c.wav"), "What?", texts, texts[place], task=task)


@exercise("03.3", passed="a constant answer is the first baseline that every accuracy has to beat")
def best_place(answer: Answer) -> None:
    """Best place to name always, from 1, and what it scores in percent, for one task."""
    asked = [_question(place, "sound") for place in (2, 2, 2, 0)]
    asked += [_question(place, "music") for place in (0, 0, 0, 0, 1)]
    place, percent = parts(answer(asked, "sound"), "a place, and the percentage that it scores")
    mistakes = {
        "place 1 is best over all tasks, but not in the one that was asked for": 1,
    }
    explain(place, 3, mistakes, f"place {place} is not where the gold answer stands most often")
    mistakes = {
        "0.75 is a share; percent are wanted": 0.75,
    }
    explain(percent, 75, mistakes, f"3 of 4 correct are 75 %, not {percent}", 0.06)
    place, _ = answer([_question(4, "sound", 5)] * 2, "sound")
    expect(place == 5, "some questions have a fifth choice; look at as many places as there are")


@exercise("03.4", passed="neither a new name nor another volume hides a clip")
def leaks(answer: Answer) -> None:
    """Names of test clips that are a train clip at some volume, sorted."""
    rng = np.random.default_rng(3)
    a, b, c, d = (rng.uniform(-0.5, 0.5, 400).astype(np.float32) for _ in range(4))
    train = {"t1": a, "t2": b, "same name": c}
    got = of_kind(answer(train, {"copy": a, "fresh": d}), list, "a list of names")
    expect("t1" not in got, "these are names of train clips; the test clips have to go")
    expect("copy" in got, "an exact copy under another name was not found")
    expect("fresh" not in got, "a clip that is only as long as a train clip is no copy of it")
    silence, others = train | {"silence": 0 * a}, {"louder": 0.9 * d, "short": a[:200]}
    cases = {
        "a copy at a lower volume was not found": ((train, {"quiet": 0.3 * a}), ["quiet"]),
        "both copies, sorted, not {got}": ((train, {"b": 0.5 * b, "a": a}), ["a", "b"]),
        "silence was called a copy; it tells nothing": ((silence, {"z": 0 * d}), []),
        "{got}: compare the shape of the whole clip": ((train, others), []),
    }
    try_cases(answer, cases)
