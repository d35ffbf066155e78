"""What a response says: the answer in it, and MMAU's verdict on that answer."""

from collections.abc import Sequence

from r1aqa_helpers.data.question import words


def tagged(text: str, tag: str) -> str | None:
    """The content of the first complete ``<tag> </tag>`` pair; None where there is none.

    Found without a regular expression, which would look for an end behind every opening tag.
    """
    content, closed, _ = text.partition(f"<{tag}>")[2].partition(f"</{tag}>")
    return content if closed else None


def extract_answer(response: str) -> str:
    """The content of the first complete ``<answer> </answer>`` pair, trimmed.

    The content may span lines. Without a complete pair, for instance when the closing tag is
    missing, the whole response is the answer, trimmed, as in the R1-AQA reference code: the
    matcher then judges what was said.
    """
    content = tagged(response, "answer")
    return (response if content is None else content).strip()


def answers_while_thinking(response: str) -> bool:
    """Whether the pair that `extract_answer` takes lies inside the thinking."""
    before = response.partition("<answer>")[0]
    thinking = before.rfind("<think>") > before.rfind("</think>")
    return thinking and tagged(response, "answer") is not None


def string_match(answer: str, prediction: str, choices: Sequence[str]) -> bool:
    """MMAU's official verdict: does ``prediction`` say ``answer`` and no other choice?

    Texts are compared as sets of lower-case words. The prediction must have every word of the
    gold answer and none of the words that stand in a wrong choice but not in the gold answer.
    An empty prediction is wrong; word order and repetition do not count, so a permutation of
    the gold answer's words is correct. Source: evaluation.py of
    https://github.com/Sakshi113/MMAU.
    """
    said, gold = words(prediction), words(answer)
    if not said:
        return False
    foreign = frozenset().union(*map(words, choices)) - gold
    return gold <= said and not said & foreign


def right_choices(answer: str, choices: Sequence[str]) -> list[bool]:
    """Which of the choices `string_match` accepts: those of the gold answer's words, if any."""
    gold = words(answer)
    return [bool(gold) and words(choice) == gold for choice in choices]


def accepted_choices(prediction: str, choices: Sequence[str]) -> list[int]:
    """Places, from 0, of the choices that `string_match` would accept ``prediction`` for.

    Empty where the prediction names no choice, or words of several: a parse failure. More than
    one place only where choices are made of the same words.
    """
    said, each = words(prediction), [words(choice) for choice in choices]
    # Each choice's words once: to ask `string_match` of each would take the square of their number.
    named = said & frozenset().union(*each)
    return [place for place, one in enumerate(each) if said and one == named]


def strict_match(answer: str, prediction: str) -> bool:
    """Is ``prediction`` the gold answer itself, and nothing beside it?

    Case, white space and one full stop at the end do not count; every other character does. A
    correct answer in a sentence fails here; the same words in another order, which `string_match`
    accepts, fail too. Together with the official verdict it separates wording from knowledge.
    """
    said = _plain(prediction)
    return bool(said) and said == _plain(answer)


def _plain(text: str) -> str:
    return " ".join(text.lower().split()).removesuffix(".").rstrip()
