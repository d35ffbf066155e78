"""Checks of notebook 09: choosing a checkpoint, the verdict, paired bootstrap, choice order."""

from pathlib import Path

import numpy as np

from r1aqa_helpers.course.checks.common import Answer, close, explain, parts
from r1aqa_helpers.course.exercise import exercise, expect
from r1aqa_helpers.data import AudioQuestion
from r1aqa_helpers.evaluation.probes import order_report, rotations
from r1aqa_helpers.scoring import wilson_interval


@exercise("09.1", passed="selected on one set of questions, reported on another")
def chosen(answer: Answer) -> None:
    """The checkpoint that is best on validation, the earliest of equals, and its test accuracy."""
    validation = np.array([[1, 0, 1, 0], [1, 1, 1, 0], [0, 1, 0, 0]])
    test = np.array([[1, 1, 1, 1, 0], [1, 1, 0, 0, 0], [1, 1, 1, 1, 1]])
    place, percent = parts(answer(validation, test), "the checkpoint's index and its accuracy")
    mistakes = {
        "checkpoint 2 is the best on the test: the test has chosen": 2,
    }
    explain(place, 1, mistakes, f"checkpoint 1 is the best on validation, not {place:g}")
    mistakes = {
        "75 % is what it measures on validation, where it was chosen": 75,
        "100 % is the best of the test: report the one that was chosen": 100,
    }
    told = f"checkpoint 1 is correct on 2 of 5 test questions: 40 %, not {percent:g}"
    explain(percent, 40, mistakes, told)
    even = np.array([[0, 1], [1, 0], [1, 0]])
    place, _ = answer(even, np.array([[0, 0, 0], [1, 1, 1], [0, 1, 1]]))
    expect(place == 0, "of equals on validation the earliest is taken, whatever the test says")


@exercise("09.3", passed="each question keeps both its verdicts, so what the methods share cancels")
def interval(answer: Answer) -> None:
    """Percentiles 2.5 and 97.5 of the differences, in points, over resampled questions."""
    rng = np.random.default_rng(1)
    draws = rng.integers(0, 200, size=(4000, 200))
    both = rng.random(200) < 0.6
    same = parts(answer(both, both, draws), "the interval's ends")
    told = "the same verdicts twice differ by nothing: draw questions, each with both its verdicts"
    expect(close(same, (0, 0)), told)
    a, b = both.copy(), both.copy()
    a[:40], b[:24] = True, False
    differences = 100 * (a[draws].mean(axis=1) - b[draws].mean(axis=1))
    expected = np.percentile(differences, [2.5, 97.5])
    low, high = answer(a, b, draws)
    expect(low <= high, "the lower end comes first")
    expect(high > 0, "the sign is reversed: the difference is a minus b")
    expect(high > 1, "points are wanted: a difference of shares, times 100")
    narrow = high - low < 8 * differences.std() / np.sqrt(len(draws))
    mistakes = {
        "from 5 to 95 lie 90 %: leave 2.5 at either end": np.percentile(differences, [5, 95]),
    }
    other = f"the ends should be about {expected[0]:.1f} and {expected[1]:.1f}"
    if narrow:
        other = "this is the interval of the draws' mean, which shrinks with more draws"
    explain((low, high), expected, mistakes, other, 0.3)


@exercise("09.4", passed="its result does not depend on the position of a choice")
def order(answer: Answer) -> None:
    """As given, mean over the questions, correct under every rotation; in percent."""

    def question(key: str, gold: str, *choices: str) -> AudioQuestion:
        return AudioQuestion(key, Path("none.wav"), "Which?", choices, gold)

    questions = [
        question("1", "dog", "dog", "cat"),
        question("2", "rain", "wind", "rain", "siren", "bell"),
        question("3", "flute", "flute", "tuba"),
    ]
    # 1: correct always; 2: always the first choice named; 3: wrong as given, correct when turned
    answers = {q.id: q.choices[0] for q in rotations(questions) if q.id.startswith("2")}
    answers |= {"1@0": "dog", "1@1": "dog", "3@0": "tuba", "3@1": "flute"}
    result = answer(questions, answers)
    given, mean, every = parts(result, "as given, mean, correct under every rotation", 3)
    expected = order_report(questions, answers)
    turned = "as given counts a question that is correct only when turned: look at copy 0"
    told = "as given is copy 0 alone, `q@0`: one of three questions is correct there"
    explain(given, 100 / 3, {turned: 200 / 3}, told)
    pooled = "the mean runs over all answers: first a share for each question, then their mean"
    told = f"the questions have 1, 1/4 and 1/2: their mean is {expected.mean:.1f}, not {mean:.1f}"
    explain(mean, expected.mean, {pooled: 50}, told)
    whole = expected.all_correct.percent
    generous = "correct under any rotation is generous: a habit of place reaches it"
    explain(every, whole, {generous: 100}, "correct under every rotation: only question 1 is")
    found = answer(questions, {**answers, "1@1": "It is a dog, surely."})
    matched = close(found[2], whole)
    expect(matched, "'It is a dog, surely.' is correct for MMAU: judge with scoring.string_match")


@exercise("09.2", passed="a verdict needs the same test, and the interval of your own measurement")
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
