"""Checks of notebook 03: extraction, MMAU's match, the paired test."""

import math

from r1aqa_helpers.course.checks.common import Answer, close, explain, number, of_kind
from r1aqa_helpers.course.exercise import exercise, expect
from r1aqa_helpers.course.lessons.n03 import scored_responses
from r1aqa_helpers.scoring import extract_answer, mcnemar_p


@exercise("03.1", passed="the first complete pair, on any number of lines, else the whole text")
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


@exercise("03.2", passed="the official verdict on every stored response")
def match(answer: Answer) -> None:
    """`scoring.string_match`: all words of the gold answer, none of the wrong choices' own."""

    def accepts(gold: str, said: str, *choices: str) -> bool:
        return bool(answer(gold, said, [*choices]))

    animals = ("dog", "cat", "horse")
    expect(accepts("dog", "dog", *animals), "'dog' is rejected where 'dog' is correct")
    expect(not accepts("dog", "cat", *animals), "'cat' is accepted where 'dog' is correct")
    expect(accepts("dog", "Dog!", *animals), "'Dog!' is rejected: neither case nor '!' counts")
    sentence = accepts("dog", "It is a dog.", *animals)
    expect(sentence, "'It is a dog.' is rejected: further words may be there")
    part = accepts("man", "woman", "man", "woman")
    expect(not part, "'woman' is accepted for 'man': compare words, not parts of a text")
    both = accepts("dog", "a dog or a cat", *animals)
    expect(not both, "an answer that names two choices is accepted")
    article = accepts("A dog", "dog", "A dog", "The cat")
    expect(not article, "'dog' is accepted for 'A dog': every word of the gold answer is needed")
    inside = accepts("man and woman", "a man and a woman", "man", "man and woman", "child")
    expect(inside, "words that are in the gold answer too are not forbidden, as in 'man' here")
    expect(not accepts("dog", "", *animals), "an empty answer is accepted")
    ordered = accepts("calm, angry", "angry calm", "calm, angry", "angry, calm")
    expect(ordered, "MMAU compares sets of words: their order does not count")
    for row in scored_responses():
        given = accepts(row["answer"], row["model_prediction"], *row["choices"])
        said = f"{row['model_prediction']!r}, gold {row['answer']!r}, choices {row['choices']}"
        expect(given == bool(row["match"]), f"MMAU's script says {row['match']} to {said}")


def _verdicts(both: int, a_only: int, b_only: int, neither: int) -> tuple[dict, dict]:
    """Verdicts of two systems by question id, with so many questions of each kind."""
    kinds = ((1, 1),) * both + ((1, 0),) * a_only + ((0, 1),) * b_only + ((0, 0),) * neither
    return tuple({f"q{i}": kind[side] for i, kind in enumerate(kinds)} for side in (0, 1))


@exercise("03.3", passed="only the questions on which the systems differ count")
def paired_p(answer: Answer) -> None:
    """`scoring.mcnemar`'s p from the verdicts: two-sided, exact, at most 1."""

    def p_of(*counts: int) -> float:
        return number(answer(*_verdicts(*counts)), "one number, the p-value")

    p = p_of(3, 4, 1, 2)
    mistakes = {
        "one side only: before the test nobody said which system would win": 12 / 64,
        "this is the chi-squared approximation: sum the coins' exact probabilities": math.erfc(
            3 / math.sqrt(10)
        ),
        "the questions on which both agree were counted as well": 2
        * sum(math.comb(10, i) for i in range(2))
        / 2**10,
        "exactly 4 to 1 is one term: add what is even more lopsided": 10 / 32,
    }
    explain(p, 12 / 32, mistakes, f"4 to 1 should give 0.375, not {p:g}", 1e-4)
    same = p_of(300, 4, 1, 200)
    expect(close(same, p), "with more questions on which both agree, p should stay the same")
    mirrored = p_of(3, 1, 4, 2)
    expect(close(mirrored, p), f"1 to 4 gives {mirrored:g}: it should not matter which is called a")
    for even in (1, 3):
        p = p_of(0, even, even, 0)
        expect(p <= 1 + 1e-9, f"{even} to {even} gives {p:g}: no probability is above 1")
        expect(close(p, 1), f"{even} to {even} is as even as can be: p is 1, not {p:g}")
    try:
        p = p_of(2, 0, 0, 2)
    except ZeroDivisionError:
        expect(False, "0 to 0 divides by zero: without a discordant question p is 1")
    expect(close(p, 1), f"0 to 0 gives {p:g}: without a discordant question p is 1")
    for a, b in ((12, 5), (0, 10), (60, 31)):
        p, wanted = p_of(10, a, b, 10), mcnemar_p(a, b)
        expect(close(p, wanted, 1e-4 * wanted), f"{a} to {b} should give {wanted:.4g}, not {p:g}")
