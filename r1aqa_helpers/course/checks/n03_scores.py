"""Checks of notebook 04: extraction, a fair score, Wilson's interval, McNemar's exact p."""

import math
from pathlib import Path

from r1aqa_helpers.course.checks.common import Answer, close, explain, of_kind, parts
from r1aqa_helpers.course.exercise import exercise, expect
from r1aqa_helpers.data import AudioQuestion
from r1aqa_helpers.scoring import extract_answer, mcnemar_p, wilson_interval


@exercise("04.1", passed="the first complete pair, on any number of lines, else the whole text")
def extract(answer: Answer) -> None:
    """`scoring.extract_answer`: the first complete pair's content, else the whole, trimmed."""

    def got(response: str) -> str:
        return of_kind(answer(response), str, "a text")

    plain = got("<answer>Dog</answer>")
    expect(plain == "Dog", f"<answer>Dog</answer> gives {plain!r}")
    expect(got("Dog.").strip(), "a response without tags is lost: all of it is the answer then")
    lines = got("<answer>\nDog\n</answer>")
    expect("<" not in lines, "an answer that spans lines is missed: '.' stops at a line's end")
    two = got("<answer>Cat</answer> or <answer>Dog</answer>")
    expect(two.strip() == "Cat", "of several pairs the first one counts")
    for response in ("<answer> Dog\n</answer>", " Dog.\n"):
        expect(got(response) == got(response).strip(), "white space is left around the answer")
    for response in ("<answer>Dog", "Dog</answer>", "</answer>Dog<answer>"):
        expect(got(response) == response, f"half a pair is no pair: {response!r} stays whole")
    upper = "<Answer>Dog</Answer>"
    expect(got(upper) == upper, "tags are lower case; <Answer> is not one of them")
    for response in ("<think>Cat?</think> <answer>Dog</answer> done", "<answer></answer> Dog"):
        wanted, given = extract_answer(response), got(response)
        expect(given == wanted, f"{response!r} should give {wanted!r}, not {given!r}")


def _question(key: str, gold: str, *choices: str) -> AudioQuestion:
    return AudioQuestion(key, Path("none.wav"), "Which?", choices, gold)


@exercise("04.2", passed="every question counts, by its final answer and nothing else")
def fair_score(answer: Answer) -> None:
    """How many questions the official verdict calls correct, and how many there are."""

    def got(*cases: tuple[str | None, AudioQuestion]) -> tuple[int, int]:
        said = {question.id: text for text, question in cases if text is not None}
        correct, n = parts(answer([q for _, q in cases], said), "how many are correct, of how many")
        return int(correct), int(n)

    man = _question("1", "man", "man", "woman")
    dog = _question("2", "dog", "dog", "cat", "horse")
    cat = _question("3", "cat", "dog", "cat", "horse")
    simple = got(("dog", dog), ("dog", cat), ("woman, child", man))
    expect(simple != (3, 1), "number correct and number of questions are in the wrong order")
    silent = got(("dog", dog), (None, cat))
    expect(silent != (1, 1), "a question without a response vanished: it counts, as wrong")
    expect(silent == (1, 2), f"one correct answer and one missing give (1, 2), not {silent}")
    expect(got(("woman", man))[0] == 0, "'woman' counted for 'man': compare words, not texts")
    # Every choice is gold in turn, often enough to catch a choice that is drawn at random.
    animals = ("dog", "cat", "horse")
    unsure = [("I cannot tell.", _question(f"u{i}", animals[i % 3], *animals)) for i in range(24)]
    guessed = got(*unsure)[0] + got(("", dog), ("", cat))[0]
    expect(guessed == 0, "a response that names no choice was given one: nothing is guessed")
    ambiguous = got(("dog or cat", dog))[0]
    expect(ambiguous == 0, "an answer that names two choices counted as correct")
    expect(got(("It is a dog.", dog))[0] == 1, "a correct answer in a sentence did not count")
    tagged = got(
        ("<think>cat or dog?</think> <answer>dog</answer>", dog),
        ("<think>the cat, surely</think> <answer>horse</answer>", cat),
    )
    expect(tagged == (1, 2), "the thinking was judged as well: extract the answer first")
    calm = _question("4", "calm, then sad", "calm, then sad", "sad, then glad")
    expect(got(("calm then sad", calm))[0] == 1, "`string_match` sees words only, not the comma")


@exercise("04.3", passed="an interval that stays between 0 and 100, with the coverage it claims")
def wilson(answer: Answer) -> None:
    """`scoring.wilson_interval`, in percent."""
    got = parts(answer(18, 20), "the lower and the upper end")
    low, high = wilson_interval(18, 20)
    z = 1.959964
    centre, half, below = (low + high) / 2, (high - low) / 2, 1 + z**2 / 20
    wald = 100 * z * math.sqrt(0.9 * 0.1 / 20)

    def around(middle: float, reach: float) -> tuple[float, float]:
        return middle - reach, middle + reach

    mistakes = {
        "percent is wanted, from 0 to 100, not shares": (low / 100, high / 100),
        "this is Wald's interval: at 18 of 20 it ends beyond 100 %": around(90, wald),
        "the centre is the measured share: Wilson's is nearer 50 %": around(90, half),
        "centre and half width: the two ends are wanted": (centre, half),
        "the division by 1 + z**2 / n is missing": (low * below, high * below),
    }
    told = f"18 of 20 should give {low:.2f} to {high:.2f}, not {tuple(got)}"
    explain(got, (low, high), mistakes, told, 0.01)
    for correct, n in ((0, 5), (5, 5), (645, 1000), (1, 3)):
        ends = tuple(answer(correct, n))
        same = close(ends, wilson_interval(correct, n), 0.01)
        expect(same, f"correct for 18 of 20, wrong for {correct} of {n}: {ends}")


@exercise("04.4", passed="only the questions on which the systems differ count")
def paired_p(answer: Answer) -> None:
    """`scoring.mcnemar_p`: two-sided, exact, at most 1."""
    p = float(answer(4, 1))
    mistakes = {
        "one side only: before the test nobody said which system would win": 12 / 64,
        "this is the chi-squared approximation: sum exact ones": math.erfc(3 / math.sqrt(10)),
    }
    explain(p, 12 / 32, mistakes, f"4 to 1 should give 0.375, not {p:g}", 1e-4)
    mirrored = float(answer(1, 4))
    expect(close(mirrored, p), f"1 to 4 gives {mirrored:g}: it should not matter which is called a")
    for even in (1, 3):
        p = float(answer(even, even))
        expect(p <= 1 + 1e-9, f"{even} to {even} gives {p:g}: no probability is above 1")
        expect(close(p, 1), f"{even} to {even} is as even as can be: p is 1, not {p:g}")
    try:
        p = float(answer(0, 0))
    except ZeroDivisionError:
        expect(False, "0 to 0 divides by zero: without a discordant question p is 1")
    expect(close(p, 1), f"0 to 0 gives {p:g}: without a discordant question p is 1")
    for a, b in ((12, 5), (0, 10), (60, 31)):
        p, wanted = float(answer(a, b)), mcnemar_p(a, b)
        expect(close(p, wanted, 1e-4 * wanted), f"{a} to {b} should give {wanted:.4g}, not {p:g}")
