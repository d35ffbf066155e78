"""Checks of notebook 04: extraction, a fair score, Wilson's interval, McNemar's exact p."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from r1aqa_helpers.course.exercise import exercise, expect
from r1aqa_helpers.questions import AudioQuestion
from r1aqa_helpers.scoring import extract_answer, mcnemar_p, wilson_interval

_Z = 1.959964


@exercise("04.1", passed="first complete pair, over several lines, and nothing lost without tags")
def extract(answer: Callable[[str], str]) -> None:
    """`scoring.extract_answer`: the first complete pair's content, else the whole, trimmed."""

    def got(response: str) -> str:
        said = answer(response)
        expect(isinstance(said, str), f"a text is wanted, not {type(said).__name__}")
        return said

    plain = got("<answer>Dog</answer>")
    expect("<" not in plain, "the tags came along: only what stands between them is the answer")
    expect(plain == "Dog", f"<answer>Dog</answer> gives {plain!r}")
    expect(
        got("Dog.").strip(), "a response without tags is lost: the whole of it is the answer then"
    )
    expect(
        "<" not in got("<answer>\nDog\n</answer>"),
        "an answer that spans lines is missed: '.' stops at a line's end unless told otherwise",
    )
    two = got("<answer>Cat</answer> or <answer>Dog</answer>")
    expect(
        "<" not in two,
        "of two pairs the match runs on to the last closing tag: take as little as must be",
    )
    expect(two.strip() == "Cat", "of several pairs the first one counts")
    for response in ("<answer> Dog\n</answer>", " Dog.\n"):
        expect(got(response) == got(response).strip(), "white space is left around the answer")
    for response in ("<answer>Dog", "Dog</answer>", "</answer>Dog<answer>"):
        expect(
            got(response) == response,
            f"half a pair is no pair: {response!r} should go on whole, tag included",
        )
    expect(
        got("<Answer>Dog</Answer>") == "<Answer>Dog</Answer>",
        "tags are lower case; <Answer> is not one of them",
    )
    for response in ("<think>Cat?</think> <answer>Dog</answer> done", "<answer></answer> Dog"):
        right = extract_answer(response)
        expect(got(response) == right, f"{response!r} should give {right!r}, not {got(response)!r}")


def _question(key: str, gold: str, *choices: str) -> AudioQuestion:
    return AudioQuestion(key, Path("none.wav"), "Which?", choices, gold)


@exercise("04.2", passed="every question counts, by what was said in the end and by nothing else")
def fair_score(
    answer: Callable[[Sequence[AudioQuestion], Mapping[str, str]], tuple[int, int]],
) -> None:
    """How many questions the official verdict calls right, and how many there are."""

    def got(*cases: tuple[str | None, AudioQuestion]) -> tuple[int, int]:
        questions = [question for _, question in cases]
        result: Any = answer(questions, {q.id: said for said, q in cases if said is not None})
        expect(
            isinstance(result, tuple) and len(result) == 2,
            "a pair is wanted: how many are right, and of how many",
        )
        expect(
            all(float(part).is_integer() for part in result),
            "counts are wanted, not a share: the interval needs both numbers",
        )
        return int(result[0]), int(result[1])

    man = _question("1", "man", "man", "woman")
    dog = _question("2", "dog", "dog", "cat", "horse")
    cat = _question("3", "cat", "dog", "cat", "horse")
    simple = got(("dog", dog), ("dog", cat), ("woman, child", man))
    expect(simple != (3, 1), "right and number of questions are in the wrong order")
    silent = got(("dog", dog), (None, cat))
    expect(
        silent != (1, 1),
        "a question without a response vanished: it counts, as wrong",
    )
    expect(silent == (1, 2), f"one right answer and one missing give (1, 2), not {silent}")
    expect(
        got(("woman", man))[0] == 0,
        "'woman' counted for 'man': compare words, not pieces of text",
    )
    # Every choice is gold in turn, often enough to catch who draws one by lot.
    animals = ("dog", "cat", "horse")
    unsure = [("I cannot tell.", _question(f"u{i}", animals[i % 3], *animals)) for i in range(24)]
    expect(
        got(*unsure)[0] == 0 and got(("", dog), ("", cat))[0] == 0,
        "a response that names no choice was given one: nothing is guessed for a model",
    )
    expect(got(("dog or cat", dog))[0] == 0, "an answer that names two choices counted as right")
    expect(
        got(("It is a dog.", dog))[0] == 1,
        "a right answer in a sentence did not count: the official verdict takes it",
    )
    expect(got(("DOG", dog))[0] == 1, "'DOG' did not count for 'dog': case does not matter")
    tagged = got(
        ("<think>cat or dog?</think> <answer>dog</answer>", dog),
        ("<think>the cat, surely</think> <answer>horse</answer>", cat),
    )
    expect(
        tagged == (1, 2),
        "the thinking was judged along with the answer: extract the answer first",
    )
    swapped = _question("4", "calm, then sad", "calm, then sad", "sad, then glad")
    expect(
        got(("calm then sad", swapped))[0] == 1,
        "'calm then sad' did not count: the verdict is `string_match`, which sees words only",
    )


def _wilson(correct: int, n: int, z: float = _Z) -> tuple[float, float]:
    share, below = correct / n, 1 + z * z / n
    centre = (share + z * z / (2 * n)) / below
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / below
    return 100 * (centre - half), 100 * (centre + half)


def _same(a: tuple[float, float], b: tuple[float, float], within: float = 0.01) -> bool:
    return abs(a[0] - b[0]) < within and abs(a[1] - b[1]) < within


@exercise("04.3", passed="an interval that stays between 0 and 100 and keeps its promise")
def wilson(answer: Callable[[int, int], tuple[float, float]]) -> None:
    """`scoring.wilson_interval`, in percent."""
    result: Any = answer(18, 20)
    expect(
        isinstance(result, tuple | list) and len(result) == 2,
        "two numbers are wanted: the lower and the upper end",
    )
    got = (float(result[0]), float(result[1]))
    right = _wilson(18, 20)
    low, high = right
    share, z2 = 0.9, _Z**2
    wald = 100 * _Z * math.sqrt(share * (1 - share) / 20)
    half = (high - low) / 2
    below = 1 + z2 / 20
    centre = (low + high) / 2
    mistakes = [
        ((low / 100, high / 100), "percent is wanted, from 0 to 100, not shares"),
        ((high, low), "the ends are in the wrong order: the lower one first"),
        ((90 - wald, 90 + wald), "this is Wald's interval: at 18 of 20 it ends beyond 100 %"),
        (
            (90 - half, 90 + half),
            "the centre is the measured share: Wilson's is drawn towards 50 %",
        ),
        ((centre, half), "centre and half width: the two ends are wanted"),
        (_wilson(18, 20, 1.644854), "z is that of a 90 % interval; for 95 % it is 1.959964"),
        (
            (low * below, high * below),
            "the division by 1 + z**2 / n is missing",
        ),
        (
            (centre - half * below, centre + half * below),
            "the half width is to be divided by 1 + z**2 / n too",
        ),
        (
            (centre - wald / below, centre + wald / below),
            "z**2 / (4 * n**2) is missing under the root",
        ),
    ]
    for wrong, message in mistakes:
        expect(not _same(got, wrong), message)
    expect(_same(got, right), f"18 of 20 should give {low:.2f} to {high:.2f}, not {got}")
    for correct, n in ((0, 5), (5, 5), (645, 1000), (1, 3)):
        ends = tuple(answer(correct, n))
        expect(
            _same(ends, wilson_interval(correct, n)),
            f"right for 18 of 20, wrong for {correct} of {n}: {ends}",
        )


@exercise("04.4", passed="only the questions that tell the systems apart decide")
def paired_p(answer: Callable[[int, int], float]) -> None:
    """`scoring.mcnemar_p`: two-sided, exact, at most 1."""
    p = float(answer(4, 1))
    expect(
        not _near(p, 12 / 64),
        "one side only: before the test nobody said which system would win",
    )
    expect(
        not _near(p, 2 / 32),
        "only what is more lopsided was counted: the result itself belongs to the tail too",
    )
    expect(
        not _near(p, 10 / 32),
        "only this very result was counted: sum all that is at least as lopsided",
    )
    expect(
        not _near(p, math.erfc(3 / math.sqrt(10))),
        "this is the chi-squared approximation: with five coins sum the exact probabilities",
    )
    expect(
        not _near(p, 1 - 12 / 32),
        "this is the chance of something less lopsided: one minus the p that is wanted",
    )
    expect(_near(p, 12 / 32), f"4 to 1 should give 0.375, not {p:g}")
    mirrored = float(answer(1, 4))
    expect(
        _near(mirrored, p),
        f"1 to 4 gives {mirrored:g}: it should not matter which system is called a",
    )
    for even in (1, 3):
        p = float(answer(even, even))
        expect(p <= 1 + 1e-9, f"{even} to {even} gives {p:g}: no probability is above 1")
        expect(_near(p, 1), f"{even} to {even} is as even as can be: p is 1, not {p:g}")
    try:
        p = float(answer(0, 0))
    except ZeroDivisionError:
        expect(False, "0 to 0 divides by zero: without a discordant question p is 1")
    expect(_near(p, 1), f"0 to 0 gives {p:g}: without a discordant question p is 1")
    for a, b in ((12, 5), (0, 10), (60, 31)):
        p = float(answer(a, b))
        expect(
            _near(p, mcnemar_p(a, b)), f"{a} to {b} should give {mcnemar_p(a, b):.4g}, not {p:g}"
        )


def _near(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=1e-4, abs_tol=1e-9)
