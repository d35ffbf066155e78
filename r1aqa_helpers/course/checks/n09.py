"""Checks of notebook 09: choosing a checkpoint, the paired bootstrap, choice order, the verdict."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from r1aqa_helpers.course.exercise import exercise, expect
from r1aqa_helpers.probes import order_report, rotations
from r1aqa_helpers.questions import AudioQuestion
from r1aqa_helpers.scoring import wilson_interval


def _pair(result: Any, wanted: str) -> tuple[float, float]:
    expect(isinstance(result, tuple) and len(result) == 2, f"a pair is wanted: {wanted}")
    return float(result[0]), float(result[1])


@exercise(
    "09.1",
    passed="the choice is made where nothing is reported, the report where nothing is chosen",
)
def chosen(answer: Callable[[np.ndarray, np.ndarray], tuple[int, float]]) -> None:
    """The checkpoint that is best on validation, the earliest of equals, and its test accuracy."""
    validation = np.array([[1, 0, 1, 0], [1, 1, 1, 0], [0, 1, 0, 0]])
    test = np.array([[1, 1, 1, 1, 0], [1, 1, 0, 0, 0], [1, 1, 1, 1, 1]])
    place, percent = _pair(answer(validation, test), "the checkpoint's index and its accuracy")
    expect(place != 2, "checkpoint 2 is the best on the test: the test has chosen")
    expect(
        place != 0, "checkpoint 0 is not the best on validation: count the right answers in rows"
    )
    expect(place == 1, f"checkpoint 1 is the best on validation, not {place:g}")
    expect(percent != 75, "75 % is what it measures on validation, where it was chosen")
    expect(percent != 100, "100 % is the best of the test: report the checkpoint that was chosen")
    expect(percent != 0.4, "0.4 is a share: accuracies of the course are in percent")
    expect(percent != 2, "2 is a count: divide by the number of test questions")
    expect(percent == 40, f"checkpoint 1 is right on 2 of 5 test questions: 40 %, not {percent:g}")
    even = np.array([[0, 1], [1, 0], [1, 0]])
    place, _ = _pair(answer(even, np.array([[0, 0, 0], [1, 1, 1], [0, 1, 1]])), "index, accuracy")
    expect(place == 0, "of equals on validation the earliest is taken, whatever the test says")


@exercise("09.3", passed="each question keeps both its verdicts, so what the roads share cancels")
def interval(
    answer: Callable[[np.ndarray, np.ndarray, np.ndarray], tuple[float, float]],
) -> None:
    """Percentiles 2.5 and 97.5 of the differences, in points, over resampled questions."""
    rng = np.random.default_rng(1)
    draws = rng.integers(0, 200, size=(4000, 200))
    both = rng.random(200) < 0.6
    low, high = _pair(answer(both, both, draws), "the interval's ends")
    expect(
        low == high == 0,
        "two roads with the same verdicts differ by nothing in every draw: draw questions,"
        " each with both its verdicts, not each road by itself",
    )
    a = both.copy()
    a[:40] = True
    b = both.copy()
    b[:24] = False
    low, high = _pair(answer(a, b, draws), "the interval's ends")
    expect(low <= high, "the lower end comes first")
    expect(high > 0, "the sign is turned round: the difference is a minus b")
    expect(high > 1, "points are wanted: a difference of shares, times 100")
    differences = 100 * (a[draws].mean(axis=1) - b[draws].mean(axis=1))
    middle = float(differences.mean())
    expect(
        abs((low + high) / 2 - middle) < 3,
        f"the middle should be near {middle:.0f} points, the difference itself",
    )
    right = np.percentile(differences, [2.5, 97.5])
    narrow = np.percentile(differences, [5, 95])
    expect(
        not np.allclose((low, high), narrow, atol=0.01),
        "from 5 to 95 lie 90 % of the draws: 95 % leave 2.5 at either end",
    )
    expect(
        not np.allclose((low, high), (differences.min(), differences.max())),
        "the smallest and largest of the draws depend on how many there are: take percentiles",
    )
    se = differences.std() / np.sqrt(len(draws))
    expect(
        high - low > 8 * se,
        "this is the interval of the draws' mean, which shrinks with the number of draws",
    )
    expect(
        np.allclose((low, high), right, atol=0.3),
        f"the ends should be about {right[0]:.1f} and {right[1]:.1f}, not {low:.1f} and {high:.1f}",
    )


@exercise("09.4", passed="what it says does not hang on the place of a choice")
def order(
    answer: Callable[[Sequence[AudioQuestion], Mapping[str, str]], tuple[float, float, float]],
) -> None:
    """As given, mean over the questions, right under every rotation; in percent."""

    def question(key: str, gold: str, *choices: str) -> AudioQuestion:
        return AudioQuestion(key, Path("none.wav"), "Which?", choices, gold)

    questions = [
        question("1", "dog", "dog", "cat"),
        question("2", "rain", "wind", "rain", "siren", "bell"),
        question("3", "flute", "flute", "tuba"),
    ]
    copies = rotations(questions)
    # 1: right always; 2: always the first choice named; 3: wrong as given, right when turned
    answers = {q.id: q.choices[0] for q in copies if q.id.startswith("2")}
    answers |= {"1@0": "dog", "1@1": "dog", "3@0": "tuba", "3@1": "flute"}
    result: Any = answer(questions, answers)
    expect(
        isinstance(result, tuple) and len(result) == 3,
        "three numbers are wanted: as given, mean, right under every rotation",
    )
    given, mean, every = map(float, result)
    right = order_report(questions, answers)
    expect(max(given, mean, every) > 1, "shares came back: give percent")
    expect(
        abs(given - 100 / 3) < 1e-6,
        "as given is copy 0 alone, `q@0`: one of three questions is right there"
        if abs(given - 200 / 3) > 1e-6
        else "as given counts a question that is right only when its choices are turned:"
        " look at copy 0 alone",
    )
    expect(
        abs(mean - 50) > 1e-6,
        "the mean runs over all answers, so that a question with four choices counts twice as much"
        " as one with two: first a share for each question, then the mean of the shares",
    )
    expect(
        abs(mean - right.mean) < 1e-6,
        f"question 1 has 1, question 2 a quarter, question 3 a half: their mean is"
        f" {right.mean:.1f} %, not {mean:.1f}",
    )
    expect(
        abs(every - 100) > 1e-6,
        "right under any rotation is generous: a habit of place reaches it on every question",
    )
    expect(
        abs(every - right.all_right.percent) < 1e-6,
        "right under every rotation: only question 1 is, one of three",
    )
    wrapped = {**answers, "1@1": "It is a dog, surely."}
    found = tuple(map(float, answer(questions, wrapped)))
    expect(
        abs(found[2] - right.all_right.percent) < 1e-6,
        "'It is a dog, surely.' is right for MMAU: judge with scoring.string_match",
    )


@exercise("09.2", passed="a verdict needs the same test, and an interval of one's own measurement")
def verdict(answer: Callable[[float, int, int, bool], str]) -> None:
    """reproduced, above, below; no verdict where the questions differ."""
    words = ("reproduced", "above", "below", "no verdict")

    def got(published: float, correct: int, n: int, same: bool = True) -> str:
        said: Any = answer(published, correct, n, same)
        expect(said in words, f"one of {', '.join(words)} is wanted, not {said!r}")
        return said

    expect(
        got(64.5, 645, 1000, False) == "no verdict",
        "on other questions there is no verdict, however near the figures are",
    )
    expect(
        got(64.5, 638, 1000) == "reproduced",
        "63.8 of 1,000 is within the doubt of 64.5: equal figures are not wanted",
    )
    expect(
        got(49.2, 600, 1000) != "below",
        "above and below say where the measurement lies, seen from the published figure",
    )
    expect(got(49.2, 600, 1000) == "above", "60.0 of 1,000 has its whole interval above 49.2")
    expect(got(64.5, 480, 1000) == "below", "48.0 of 1,000 has its whole interval below 64.5")
    expect(
        got(64.5, 13, 25) == "reproduced",
        "with 25 questions 52 % may well be 64.5 %: use the interval for this n, no fixed margin",
    )
    expect(
        got(64.5, 6200, 10_000) == "below",
        "with 10,000 questions 62.0 is told from 64.5: use the interval for this n, not for 1,000",
    )
    expect(
        got(96.0, 20, 20) == "reproduced",
        "20 of 20 is no proof of 100 %: Wilson's interval reaches down to"
        f" {wilson_interval(20, 20)[0]:.0f} %",
    )
    expect(
        got(61.1, 581, 1000) == "reproduced",
        "the published figure is a point here: ask whether it lies in your interval",
    )
    expect(
        got(61.1, 575, 1000) == "below",
        "57.5 of 1,000 ends under 61.1: a wider margin than the interval's would hide it",
    )
