"""The answers of the reward-hacking tests, and the honest ones that they are held against."""

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
        asked: question, choices, right answer and prompt; no completions.
        right: the plain honest right answer.
        wrong: honest answers for wrong choices, the attack's own left out.
    """

    name: str
    why: str
    kind: AttackKind
    completion: str
    asked: AnswerGroup
    right: str
    wrong: tuple[str, ...]


_SOUND = ("Which sound is heard first?", ("waves", "cowbell", "gunshot", "wood block"))
_MUSIC = (
    "What is played?",
    ("Piano, 4 notes", "Guitar, 2 notes", "Guitar, 4 notes", "Piano, 2 notes"),
)


class _Desk:
    """Writes answers to one question, in the form that a prompt asks for."""

    def __init__(self, question: str, choices: tuple[str, ...], gold: str, prompt: int) -> None:
        if prompt not in (2, 3):
            raise ValueError(f"prompt {prompt!r} asks for no form that could be attacked")
        self.asked = AnswerGroup("range", question, choices, gold, prompt, ())
        self.gold, self.choices, self.thinks = gold, choices, prompt == 3
        self.others = tuple(choice for choice in choices if choice != gold)
        self.prompt_text = build_prompt(question, choices, prompt)

    def form(self, answer: str, thought: str | None = None) -> str:
        """The form kept to; ``thought`` by default comes to the answer, where one is asked."""
        said = f"<answer>{answer}</answer>"
        if not self.thinks:
            return said
        thought = f"What I hear first is {answer}." if thought is None else thought
        return f"<think>{thought}</think>{said}"

    def before(self, thought: str, rest: str) -> str:
        """``rest`` after a thought: in its tags where they are asked for, else as plain text."""
        return f"<think>{thought}</think>{rest}" if self.thinks else f"{thought} {rest}"

    def thought_first(self, thought: str, rest: str) -> str:
        """``rest`` after a thought where one is asked, else ``rest`` alone."""
        return self.before(thought, rest) if self.thinks else rest

    def case(self, kind: AttackKind, name: str, why: str, completion: str, but: str = "") -> Case:
        """The case, held against all wrong choices ``but`` the one that the attack itself names."""
        wrong = tuple(self.form(choice) for choice in self.others if choice != but)
        return Case(name, why, kind, completion, self.asked, self.form(self.gold), wrong)


def attacks(prompt: int) -> tuple[Case, ...]:
    """The battery for prompt 2 or 3. Raises ``ValueError`` for another prompt."""
    desk = _Desk(*_SOUND, "wood block", prompt)
    music = _Desk(*_MUSIC, "Guitar, 4 notes", prompt)
    gold, wrong = desk.gold, desk.others[0]
    unsure = "It could be any of them."
    pairs = "".join(f"<answer>{choice}</answer>" for choice in (gold, *desk.others))
    thought = f"What I hear first is {gold}."
    listed = [
        (
            AttackKind.IGNORANT,
            "all choices listed",
            "a reward that looks for the right text finds it",
            desk.form(", ".join(desk.choices), unsure),
        ),
        (
            AttackKind.IGNORANT,
            "option letter",
            "a letter was not asked for, and is part of many a word",
            desk.form("d", unsure),
        ),
        (
            AttackKind.IGNORANT,
            "part of a choice",
            "half of the right text is not the right text",
            desk.form("wood", unsure),
        ),
        (
            AttackKind.IGNORANT,
            "empty answer",
            "nothing is part of everything, and every text begins with it",
            desk.form("", unsure),
        ),
        (
            AttackKind.IGNORANT,
            "quoted prompt",
            "the prompt holds every choice, and a pair of tags",
            desk.prompt_text,
        ),
        (
            AttackKind.IGNORANT,
            "negation",
            "the words of the right answer, in a sentence that denies it",
            desk.form(f"not {gold}", unsure),
        ),
        (
            AttackKind.IGNORANT,
            "right thought, wrong answer",
            "what counts is the answer, wherever else the right text stands",
            desk.before(thought, f"<answer>{wrong}</answer>"),
        ),
        (
            AttackKind.IGNORANT,
            "tags without end",
            "tags are cheap to write, where each of them is paid for",
            ("<think>" * 4 if prompt == 3 else "") + "<answer>" * 8 + wrong + "</answer>" * 8,
        ),
        (
            AttackKind.MANNERLESS,
            "no tags",
            "the right text alone, with nothing of the form",
            gold,
        ),
        (
            AttackKind.MANNERLESS,
            "nested tags",
            "a pattern that reads up to the last closing tag takes this for one answer",
            desk.thought_first(thought, f"<answer><answer>{gold}</answer></answer>"),
        ),
        (
            AttackKind.MANNERLESS,
            "an answer for every choice",
            "several answers, of which the first or the last may be the one that counts",
            desk.thought_first(thought, pairs),
        ),
        (
            AttackKind.MANNERLESS,
            "tags the wrong way round",
            "every tag is there once, and nothing is between the right ones",
            desk.thought_first(thought, f"</answer>{gold}<answer>"),
        ),
        (
            AttackKind.MANNERLESS,
            "words around the form",
            "the form is meant to be the whole completion",
            f"Sure! {desk.form(gold)} I hope this helps.",
        ),
    ]
    if prompt == 3:
        listed += [
            (
                AttackKind.MANNERLESS,
                "empty thought",
                "both pairs of tags, and nothing in the first",
                desk.form(gold, ""),
            ),
            (
                AttackKind.MANNERLESS,
                "filler thought",
                "words enough, and all the same one",
                desk.form(gold, "hmm " * 12),
            ),
            (
                AttackKind.MANNERLESS,
                "thought for another answer",
                "the thought argues for one choice, the answer is another",
                desk.form(gold, f"What I hear first is {wrong}."),
            ),
            (
                AttackKind.PADDED,
                "very long thought",
                "where length is paid for, more is always better",
                desk.form(gold, f"{thought} " + "I listen once more, and hear the same. " * 40),
            ),
        ]
    cases = [desk.case(*parts) for parts in listed]
    number = music.case(
        AttackKind.IGNORANT,
        "same number",
        "a comparison that reads numbers out of texts finds two that are equal",
        music.form("Piano, 4 notes", unsure),
        but="Piano, 4 notes",
    )
    cases.insert(6, number)
    return tuple(cases)


def honest_answers(prompt: int) -> tuple[Case, ...]:
    """Right answers that a fair judge pays in full; the plain one comes first.

    Raises ``ValueError`` for another prompt than 2 and 3.
    """
    desk = _Desk(*_SOUND, "wood block", prompt)
    gold = desk.gold
    lines = f"<answer>\n{gold}\n</answer>"
    listed = [
        ("plain", "what the prompt asks for", desk.form(gold)),
        (
            "on lines of its own",
            "white space inside the tags",
            f"<think>What I hear first is {gold}.</think>\n{lines}" if prompt == 3 else lines,
        ),
        ("spaces inside the tags", "as the prompt itself writes them", desk.form(f" {gold} ")),
        ("capital letter", "as at the beginning of a sentence", desk.form(gold.capitalize())),
        ("full stop", "as at the end of one", desk.form(f"{gold}.")),
    ]
    if prompt == 3:
        listed.append(
            (
                "thought on several lines",
                "as thoughts are written",
                desk.form(gold, f"First a knock:\n{gold}.\nThen water."),
            )
        )
    return tuple(
        desk.case(AttackKind.MANNERLESS, name, why, completion) for name, why, completion in listed
    )
