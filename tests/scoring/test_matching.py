"""Matching equals MMAU's, and what it cannot see is named."""

import json
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from r1aqa_helpers.scoring import accepted_choices, extract_answer, strict_match, string_match
from r1aqa_helpers.scoring.matching import answers_while_thinking, right_choices
from r1aqa_helpers.utils.paths import DATA

SCORED = DATA / "course" / "scored_responses"
MADE_UP, V1, V2 = (
    json.loads((SCORED / name).read_text(encoding="utf-8"))
    for name in ("made-up.json", "v1.json", "v05.15.25.json")
)


def literal_match(answer, prediction, choices):
    """MMAU's rule spelt out word by word, sharing nothing with the package."""
    said = re.findall(r"\b\w+\b", prediction.lower())
    gold = re.findall(r"\b\w+\b", answer.lower())
    if len(said) == 0:
        return 0
    for word in gold:
        if word not in said:
            return 0
    for choice in choices:
        words = re.findall(r"\b\w+\b", choice.lower())
        same = all(w in gold for w in words) and all(w in words for w in gold)
        if not same and any(word in said and word not in gold for word in words):
            return 0
    return 1


# --- extraction -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        ("<answer>Dog</answer>", "Dog"),
        ("<answer> \na\nb\t</answer>", "a\nb"),
        ("<think>Cat?</think>\n<answer>Dog</answer> done", "Dog"),
        ("<answer>Cat</answer> or <answer>Dog</answer>", "Cat"),
        (" Dog.\n", "Dog."),
        ("<answer>Dog", "<answer>Dog"),
        ("</answer>Dog<answer>", "</answer>Dog<answer>"),
        ("<Answer>Dog</Answer>", "<Answer>Dog</Answer>"),
        ("", ""),
    ],
)
def test_extraction(response, answer):
    assert extract_answer(response) == answer


#: The reference code's expression, but over several lines. It takes quadratic time.
ANSWER = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)
PIECES = ["<answer>", "</answer>", "<think>", "</think>", "<", ">", "/", "answer", " ", "\n", "Dog"]


@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=3)).map("".join))
def test_extraction_is_that_of_the_reference_expression(response):
    tagged = ANSWER.search(response)
    assert extract_answer(response) == (tagged.group(1) if tagged else response).strip()


@pytest.mark.parametrize(
    "response",
    [
        "<answer>" * 100_000,
        "<answer>" + "a" * 10_000_000,
        ("<answer>" + "a" * 92) * 100_000,
        "</answer>" * 100_000 + "<answer>",
        "<answer" * 1_000_000,
    ],
    ids=["open tags", "10 MB", "10 MB of open tags", "closing tags", "half tags"],
)
def test_extraction_takes_linear_time(response):
    started = time.process_time()
    assert extract_answer(response) == response
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    ("response", "early"),
    [
        ("<think>so <answer>Dog</answer></think>", True),
        ("<think>a</think><think>b<answer>Dog</answer>", True),
        ("<think>so</think><answer>Dog</answer>", False),
        ("<answer>Dog</answer><think>so</think>", False),
        ("<answer>Dog</answer>", False),
        ("<think>so <answer>Dog", False),
        ("<think>Dog", False),
    ],
)
def test_an_answer_inside_the_thinking_is_told(response, early):
    assert answers_while_thinking(response) is early


# --- matching -------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [MADE_UP, V1, V2], ids=["made up", "v1", "v05.15.25"])
def test_rows_match_as_officially_scored(rows):
    for row in rows:
        if rows is MADE_UP:  # the reference code does not extract over several lines
            assert extract_answer(row["response"]) == row["model_prediction"].strip(), row["id"]
        said = (row["answer"], row["model_prediction"], row["choices"])
        assert string_match(*said) == bool(row["match"]), row["id"]
        assert literal_match(*said) == row["match"], row["id"]


def test_every_choice_and_wrapper_matches_literally():
    wrappers = ["{}", "The answer is {}.", "(A) {}", "{}, {}", "not {}", "a {} b", "\u00a0{}_"]
    compared = 0
    for row in [*MADE_UP, *V1, *V2]:
        for said in (*row["choices"], "", "A", "ß"):
            for wrapper in wrappers:
                for gold in row["choices"]:
                    text = wrapper.format(said, said)
                    expected = literal_match(gold, text, row["choices"])
                    assert string_match(gold, text, row["choices"]) == bool(expected), text
                    compared += 1
    assert compared > 10_000


#: Words that overlap, letters whose lower case is longer, joiners, and no words at all.
TEXTS = st.lists(
    st.sampled_from(["dog", "Dog", "a", "big", "İ", "ß", "café", "cafe\u0301", "x_y", "2.5"])
    | st.sampled_from([" ", ", ", "-", "'", ".", "_", "\u00a0", "\u200d", "\n"])
    | st.text(max_size=2)
).map("".join)


@given(TEXTS, TEXTS, st.lists(TEXTS, max_size=4))
def test_any_text_matches_literally(gold, said, others):
    for choices in (others, [gold, *others], [*others, said, gold.upper()]):
        assert string_match(gold, said, choices) == bool(literal_match(gold, said, choices))


@given(TEXTS, st.lists(TEXTS, min_size=2, max_size=4), st.integers(0, 1))
def test_what_is_found_of_all_choices_at_once_is_the_matchers_verdict_on_each(said, choices, gold):
    accepted = [place for place, one in enumerate(choices) if string_match(one, said, choices)]
    assert accepted_choices(said, choices) == accepted
    verdicts = [string_match(choices[gold], one, choices) for one in choices]
    assert right_choices(choices[gold], choices) == verdicts


@given(TEXTS, st.lists(TEXTS, min_size=2, max_size=4))
def test_a_strict_match_of_a_choice_with_words_is_never_foreign(said, choices):
    for place in accepted_choices(said, choices):
        assert string_match(choices[place], said, choices)
    for choice in choices:
        if strict_match(choice, said) and re.search(r"\w", choice):
            assert string_match(choice, said, [choice]) == bool(literal_match(choice, said, []))


# --- what the verdict leaves open -----------------------------------------------------------


@pytest.mark.parametrize(
    ("prediction", "places"),
    [
        ("Dog", [0]),
        ("it is a dog.", [0]),
        ("Dog and Cat", []),
        ("<answer>Dog", [0]),
    ],
)
def test_accepted_choices_are_those_that_the_matcher_takes(prediction, places):
    assert accepted_choices(prediction, ("Dog", "Cat", "Cow")) == places
    mixed = ("calm, then angry", "angry, then calm", "calm, then calm")
    assert accepted_choices("angry, then calm", mixed) == [0, 1]


def test_strict_match_takes_the_answer_alone_but_for_case_space_and_a_full_stop():
    for said in ("dog", " DOG.\n", "Dog ."):
        assert strict_match("Dog", said)
    for said in ("The answer is Dog.", "Dog, Dog", "'Dog'", "Dog...", ""):
        assert not strict_match("Dog", said)
    assert strict_match("", "") is False
    assert not strict_match("calm, then angry", "angry, then calm") and not strict_match(".", ".")
