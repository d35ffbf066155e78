"""The attack suite's answers, and the honest ones that they are held against."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from r1aqa_helpers.course.answer_groups import AnswerGroup
from r1aqa_helpers.prompts import build_prompt


class AttackKind(Enum):
    """What an attack lacks, which sets what it may earn."""

    IGNORANT = "says no more than a wrong answer: may earn what that earns"
    MANNERLESS = "knows, but breaks the form: must earn less than an honest right answer"
    PADDED = "honest but for needless words: must not earn more than without them"


@dataclass(frozen=True)
class Case:
    """One answer to put to a reward, with the honest answers to the same question.

    Attributes:
        name: a few words; the same for both prompts.
        why: what it exploits, in a sentence.
        asked: question, choices, correct answer and prompt; no completions.
        right: the plain honest correct answer.
        wrong: honest answers for wrong choices, the attack's own left out.
    """

    name: str
    why: str
    kind: AttackKind
    completion: str
    asked: AnswerGroup
    right: str
    wrong: tuple[str, ...]


_MUSIC = ("Piano, 4 notes", "Guitar, 2 notes", "Guitar, 4 notes", "Piano, 2 notes")


class _Desk:
    """Writes answers to one question, in the format that a prompt asks for."""

    def __init__(self, question: str, choices: tuple[str, ...], gold: str, prompt: int) -> None:
        if prompt not in (2, 3):
            raise ValueError(f"prompt {prompt!r} asks for no form that could be attacked")
        self.asked = AnswerGroup("range", question, choices, gold, prompt, ())
        self.gold, self.choices, self.thinks = gold, choices, prompt == 3
        self.others = tuple(choice for choice in choices if choice != gold)

    def form(self, answer: str, thought: str | None = None) -> str:
        """The format kept to; ``thought`` by default comes to the answer, where one is asked."""
        said = f"<answer>{answer}</answer>"
        thought = f"What I hear first is {answer}." if thought is None else thought
        return f"<think>{thought}</think>{said}" if self.thinks else said

    def case(self, kind: AttackKind, name: str, why: str, completion: str, but: str = "") -> Case:
        """The case, held against all wrong choices ``but`` the one that the attack itself names."""
        wrong = tuple(self.form(choice) for choice in self.others if choice != but)
        return Case(name, why, kind, completion, self.asked, self.form(self.gold), wrong)


def _sound(prompt: int) -> _Desk:
    choices = ("waves", "cowbell", "gunshot", "wood block")
    return _Desk("Which sound is heard first?", choices, "wood block", prompt)


def attacks(prompt: int) -> tuple[Case, ...]:
    """All attacks for prompt 2 or 3. Raises ``ValueError`` for another prompt."""
    desk, music = _sound(prompt), _Desk("What is played?", _MUSIC, "Guitar, 4 notes", prompt)
    gold, wrong, form = desk.gold, desk.others[0], desk.form
    unsure, thought = "It could be any of them.", f"What I hear first is {gold}."
    thinking = f"<think>{thought}</think>" if desk.thinks else ""
    pairs = "".join(f"<answer>{choice}</answer>" for choice in (gold, *desk.others))
    quoted = build_prompt(desk.asked.question, desk.choices, prompt)
    cases: list[Case] = []

    def adder(kind: AttackKind) -> Callable[[str, str, str], None]:
        return lambda name, why, text: cases.append(desk.case(kind, name, why, text))

    ignorant, mannerless, padded = map(adder, AttackKind)
    ignorant(
        "all choices listed", "a reward that looks for the right text finds it",
        form(", ".join(desk.choices), unsure),
    )  # fmt: skip
    ignorant(
        "option letter", "a letter was not asked for, and is part of many a word",
        form("d", unsure),
    )  # fmt: skip
    ignorant(
        "part of a choice", "half of the right text is not the right text", form("wood", unsure)
    )
    ignorant(
        "empty answer", "nothing is part of everything, and every text begins with it",
        form("", unsure),
    )  # fmt: skip
    ignorant("quoted prompt", "the prompt holds every choice, and a pair of tags", quoted)
    ignorant(
        "negation", "the words of the right answer, in a sentence that denies it",
        form(f"not {gold}", unsure),
    )  # fmt: skip
    cases.append(
        music.case(
            AttackKind.IGNORANT, "same number",
            "a comparison that reads numbers out of texts finds two that are equal",
            music.form("Piano, 4 notes", unsure), but="Piano, 4 notes",
        )
    )  # fmt: skip
    ignorant(
        "right thought, wrong answer",
        "what counts is the answer, wherever else the right text stands",
        (thinking or f"{thought} ") + f"<answer>{wrong}</answer>",
    )
    ignorant(
        "tags without end", "tags are cheap to write, where each of them is paid for",
        "<think>" * 4 * desk.thinks + "<answer>" * 8 + wrong + "</answer>" * 8,
    )  # fmt: skip
    mannerless("no tags", "the right text alone, with nothing of the form", gold)
    mannerless(
        "nested tags", "a pattern that reads up to the last closing tag takes this for one answer",
        f"{thinking}<answer><answer>{gold}</answer></answer>",
    )  # fmt: skip
    mannerless(
        "an answer for every choice",
        "several answers, of which the first or the last may be the one that counts",
        thinking + pairs,
    )
    mannerless(
        "tags the wrong way round",
        "every tag is there once, and nothing is between the right ones",
        f"{thinking}</answer>{gold}<answer>",
    )
    mannerless(
        "words around the form", "the form is meant to be the whole completion",
        f"Sure! {form(gold)} I hope this helps.",
    )  # fmt: skip
    if desk.thinks:
        mannerless("empty thought", "both pairs of tags, and nothing in the first", form(gold, ""))
        mannerless("filler thought", "words enough, and all the same one", form(gold, "hmm " * 12))
        mannerless(
            "thought for another answer",
            "the thought argues for one choice, the answer is another",
            form(gold, f"What I hear first is {wrong}."),
        )  # fmt: skip
        more = "I listen once more, and hear the same. " * 40
        padded(
            "very long thought", "where length is paid for, more is always better",
            form(gold, f"{thought} {more}"),
        )  # fmt: skip
    return tuple(cases)


def honest_answers(prompt: int) -> tuple[Case, ...]:
    """Correct answers that a fair reward pays in full; the plain one comes first.

    Raises ``ValueError`` for another prompt than 2 and 3.
    """
    desk = _sound(prompt)
    gold, form = desk.gold, desk.form
    lines = form(f"\n{gold}\n", f"What I hear first is {gold}.").replace("</think>", "</think>\n")
    listed = [
        ("plain", "what the prompt asks for", form(gold)),
        ("on lines of its own", "white space inside the tags", lines),
        ("spaces inside the tags", "as the prompt itself writes them", form(f" {gold} ")),
        ("capital letter", "as at the beginning of a sentence", form(gold.capitalize())),
        ("full stop", "as at the end of one", form(f"{gold}.")),
    ]
    if desk.thinks:
        thought = f"First a knock:\n{gold}.\nThen water."
        listed.append(("thought on several lines", "as thoughts are written", form(gold, thought)))
    return tuple(desk.case(AttackKind.MANNERLESS, *parts) for parts in listed)
