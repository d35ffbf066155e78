"""Checks of notebook 03: names of clips, faulty lines, constant answers, leaked clips."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from r1aqa_helpers.course.exercise import exercise, expect
from r1aqa_helpers.questions import AudioQuestion


@exercise("03.1", passed="only the last part of a name is the second, and zero has one digit")
def clip_name(answer: Callable[[str], str]) -> None:
    """AVQA's video name to R1-AQA's file name."""
    got = answer("abcdef_000030")
    expect(isinstance(got, str), f"a file name is wanted, as text, not {type(got).__name__}")
    expect(got.endswith(".wav"), f"{got!r}: the name of a recording needs its ending, .wav")
    expect("000030" not in got, f"{got!r}: the padding zeros are still there")
    expect(
        got != "abcdef_3.wav",
        "000030 became 3: zeros behind a digit count; think of a number, not of a text",
    )
    expect(got == "abcdef_30.wav", f"abcdef_000030 became {got!r}, not abcdef_30.wav")
    got = answer("-HG3Omg_89c_000030")
    expect(
        got == "-HG3Omg_89c_30.wav",
        f"-HG3Omg_89c_000030 became {got!r}: a video's own name may hold underscores too",
    )
    got = answer("abc_000000")
    expect(got == "abc_0.wav", f"abc_000000 became {got!r}: a clip may start at second zero")
    got = answer("0-00uubi_000210")
    expect(
        got == "0-00uubi_210.wav",
        f"0-00uubi_000210 became {got!r}: zeros that belong to the video's name stay",
    )


_LINE = {
    "id": 1,
    "question_text": "What barks?",
    "multi_choice": ["dog", "cat", "owl", "fox"],
    "answer": 0,
    "dataset_name": "AVQA",
    "audio_path": "clips/1.wav",
}


@exercise("03.2", passed="what a reader refuses before training, no trainer has to stumble over")
def faulty_field(answer: Callable[[dict], str]) -> None:
    """The field of a training line that is at fault, or an empty text."""

    def found(message: str, expected: str, **changed: object) -> None:
        line = {k: v for k, v in (_LINE | changed).items() if v is not ...}
        got = answer(line)
        expect(got == expected, f"{message} (your answer: {got!r})")

    expect(isinstance(answer(dict(_LINE)), str), "a text is wanted: a field's name, or nothing")
    found("a sound line was called faulty; an answer of 0 is the first choice", "")
    found("a sound line was called faulty; its answer is the last choice", "", answer=3)
    found("an index equal to the number of choices points behind the last one", "answer", answer=4)
    found("an answer of -1 passed; Python would count it from the end", "answer", answer=-1)
    found("the gold answer's text passed; a line has its index", "answer", answer="dog")
    found("a single choice leaves nothing to choose", "multi_choice", multi_choice=["dog"])
    found("a question of blanks asks nothing", "question_text", question_text="  ")
    found("a line without a recording passed", "audio_path", audio_path=...)
    found(
        "two fields are at fault; the first in the order of the task is wanted",
        "multi_choice",
        multi_choice=["dog"],
        answer=4,
    )


def _question(number: int, gold: int, task: str, choices: int = 4) -> AudioQuestion:
    texts = tuple(f"choice {n}" for n in range(choices))
    return AudioQuestion(f"q{number}", Path("/c.wav"), "What?", texts, texts[gold], task=task)


@exercise("03.3", passed="a constant answer is the first floor that every accuracy stands on")
def best_place(answer: Callable[[list[AudioQuestion], str], tuple[int, float]]) -> None:
    """Best place to name always, from 1, and what it scores in percent, for one task."""
    golds = {"sound": [2, 2, 2, 0], "music": [0, 0, 0, 0, 1]}
    rows = [(gold, task) for task, each in golds.items() for gold in each]
    asked = [_question(n, gold, task) for n, (gold, task) in enumerate(rows)]
    got = answer(asked, "sound")
    expect(
        isinstance(got, tuple) and len(got) == 2,
        "two numbers are wanted: a place, and the percentage that it scores",
    )
    place, percent = got
    expect(
        place != 1,
        "place 1 is best over all tasks, but not in the one that was asked for",
    )
    expect(place != 2, "place 2 is where counting from 0 leads; people count choices from 1")
    expect(place == 3, f"place {place} is not where the gold answer stands most often")
    expect(percent != 0.75, "0.75 is a share; percent are wanted")
    expect(
        abs(percent - 100 * 3 / 9) > 0.1,
        f"{percent:.1f} % are of all questions; divide by the number of those of the task",
    )
    expect(percent != 3, "3 is how many it gets right; percent are wanted")
    expect(abs(percent - 75) < 0.06, f"3 of 4 right are 75 %, not {percent}")
    place, percent = answer([_question(0, 4, "sound", 5), _question(1, 4, "sound", 5)], "sound")
    expect(place == 5, "some questions have a fifth choice; look at as many places as there are")


def _waves() -> list[np.ndarray]:
    rng = np.random.default_rng(3)
    return [rng.uniform(-0.5, 0.5, 400).astype(np.float32) for _ in range(4)]


@exercise("03.4", passed="neither a new name nor another volume hides a clip")
def leaks(answer: Callable[[dict[str, np.ndarray], dict[str, np.ndarray]], list[str]]) -> None:
    """Names of test clips that are a train clip at some volume, sorted."""
    a, b, c, d = _waves()
    train = {"t1": a, "t2": b, "same name": c}
    got = answer(train, {"copy": a, "fresh": d})
    expect(isinstance(got, list), f"a list of names is wanted, not {type(got).__name__}")
    expect("t1" not in got, "these are names of train clips; the test clips have to go")
    expect("copy" in got, "an exact copy under another name was not found")
    expect("fresh" not in got, "a clip that is only as long as a train clip is no copy of it")
    got = answer(train, {"same name": d})
    expect(got == [], "two different sounds may bear the same name: names prove nothing")
    got = answer(train, {"quiet": 0.3 * a})
    expect(got == ["quiet"], "a copy at a lower volume was not found")
    got = answer(train, {"b": 0.5 * b, "a": a})
    expect(got == ["a", "b"], f"both copies, sorted by name, are wanted, not {got}")
    got = answer(train | {"silence": 0 * a}, {"z": 0 * d})
    expect(got == [], "silence was called a copy; it is as long as many clips and tells nothing")
    got = answer(train, {"louder noise": 0.9 * d, "short": a[:200]})
    expect(got == [], f"{got} are no copies: compare the shape of the whole clip")
