"""Checks of notebook 08: a row of the table, the verdict, groups in which a method loses."""

from pathlib import Path
from typing import Any

from r1aqa_helpers.course.checks.common import Answer, explain, of_kind
from r1aqa_helpers.course.exercise import exercise, expect
from r1aqa_helpers.data import AudioQuestion
from r1aqa_helpers.scoring import holm, mcnemar_p, wilson_interval


def _question(key: str, gold: str, *choices: str, **known: Any) -> AudioQuestion:
    return AudioQuestion(key, Path("none.wav"), "Which?", choices, gold, **known)


@exercise("08.1", passed="each question counts once, answered or not")
def table_row(answer: Answer) -> None:
    """Accuracy per task and over all questions in percent, and answers that name no choice."""
    questions = [
        _question("1", "dog", "dog", "cat", task="sound"),
        _question("2", "rain", "rain", "wind", task="sound"),
        _question("3", "bell", "horn", "bell", task="sound"),
        _question("4", "flute", "flute", "tuba", task="music"),
        _question("5", "two", "two", "three", task="speech"),
        _question("6", "six", "five", "six", task="speech"),
    ]
    said = {"1": "dog", "2": "It is rain.", "3": "Somebody rings.", "4": "flute", "5": "three"}
    row = of_kind(answer(questions, said), dict, "a dictionary")
    names = ("sound", "music", "speech", "all")
    missing = ", ".join(name for name in names if name not in row)
    expect(not missing, f"the row has no {missing}")
    explain(
        row["sound"],
        200 / 3,
        {
            "'It is rain.' is correct for MMAU: judge with scoring.string_match": 100 / 3,
            "an answer that names no choice is wrong; it was left out": 100,
            "percent are wanted, not shares": 2 / 3,
        },
        f"sound has 2 of 3 correct, 66.7 %, not {row['sound']}",
    )
    explain(
        row["speech"],
        0,
        {},
        f"speech has 0 of 2 correct, not {row['speech']}",
    )
    explain(
        row["all"],
        50,
        {
            "the mean of the three tasks weights a question by how small its task is": 500 / 9,
            "question 6 has no answer: it counts as wrong, and was left out": 60,
        },
        f"3 of 6 are correct, 50 %, not {row['all']}",
    )
    row = answer(questions[:3] + questions[4:], said)
    expect("music" not in row, "no music question, no accuracy for music: leave it out")


@exercise("08.2", passed="a verdict needs the same test, and the interval of your own measurement")
def verdict(answer: Answer) -> None:
    """reproduced, above, below; no verdict where the questions differ."""
    words = ("reproduced", "above", "below", "no verdict")
    reach = f"Wilson's interval reaches down to {wilson_interval(20, 20)[0]:.0f} %"
    cases = [
        ((64.5, 645, 1000, False), "no verdict", "on other questions there is no verdict"),
        ((64.5, 638, 1000, True), "reproduced", "64.5 lies in the interval of 63.8 of 1,000"),
        ((49.2, 600, 1000, True), "above", "say where the measurement lies, seen from 49.2"),
        ((64.5, 13, 25, True), "reproduced", "52 % of 25: no fixed margin, an interval for n"),
        ((96.0, 20, 20, True), "reproduced", f"20 of 20 is no proof of 100 %: {reach}"),
        (
            (61.1, 575, 1000, True),
            "below",
            "57.5 of 1,000 ends under 61.1: a wider margin hides it",
        ),
    ]
    for arguments, expected, message in cases:
        said = answer(*arguments)
        expect(said in words, f"one of {', '.join(words)} is wanted, not {said!r}")
        expect(said == expected, f"{message} (your verdict: {said})")


#: Lost and won questions of ten groups. By Holm over all of them only the first is lost.
_GROUPS = {
    "Counting": (12, 0),
    "Instrumentation": (0, 12),
    "Lyrical Reasoning": (7, 1),
    "Rhythm": (6, 0),
    "Temporal Reasoning": (8, 0),
    **{f"group {letter}": (1, 1) for letter in "ABCDE"},
}


@exercise("08.3", passed="paired within each group, and corrected for all the groups you looked at")
def losses(answer: Answer) -> None:
    """The names of the groups in which b is significantly worse than a."""
    questions, a, b = [], {}, {}
    for name, (lost, won) in _GROUPS.items():
        marks = [(1, 0)] * lost + [(0, 1)] * won + [(1, 1)] * 5 + [(0, 0)] * 5
        for pair in marks:
            key = str(len(questions))
            questions.append(_question(key, "x", "x", "y", sub_category=name))
            a[key], b[key] = pair
    got = answer(questions, a, b)
    expect(not isinstance(got, str), "a list of names is wanted, not one text")
    found = set(got)
    unknown = ", ".join(map(str, sorted(found - set(_GROUPS), key=str)))
    expect(not unknown, f"{unknown} is no sub-category of the questions")
    raw = {name: mcnemar_p(*pair) for name, pair in _GROUPS.items()}
    worse = [name for name, (lost, won) in _GROUPS.items() if lost > won]
    few = dict(zip(worse, holm([raw[name] for name in worse]), strict=True))
    expect("Instrumentation" not in found, "b is better in Instrumentation: look at the sign")
    expect(
        found != set(worse),
        "these are all groups in which b is lower: test whether that is more than chance",
    )
    expect(
        found != {name for name in worse if raw[name] < 0.05},
        "each p is corrected for none of the other nine groups: use scoring.holm",
    )
    expect(
        found != {name for name in worse if few[name] < 0.05},
        "you looked at ten groups, so correct for ten, not for those in which b is lower",
    )
    expect(found, "b loses 12 questions and wins none in Counting: that is beyond doubt")
    expect(found == {"Counting"}, f"only Counting is lost, not {', '.join(sorted(found))}")
