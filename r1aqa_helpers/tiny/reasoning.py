"""Thinking aloud about tiny-avqa's clips, step by step, from their recipes.

A thought is the transcript of the clip and the step from it to the answer: ``Heard: five, one.
5 + 1 = 6.`` Every statement is true by the recipe. A label that is wrong on purpose stays wrong
and contradicts the thought.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from r1aqa_helpers.data import AudioQuestion
from r1aqa_helpers.tiny.question_types import TRAITS, TYPES, transcript
from r1aqa_helpers.tiny.scenes import Scene
from r1aqa_helpers.tiny.sounds import INSTRUMENT_FAMILIES, NUMBERS
from r1aqa_helpers.utils.errors import UserError

#: (question, choices, facts of the scene) -> the step, whose end is the answer
Step = Callable[[str, Sequence[str], Mapping], str]
_PLACES = ("first", "second", "last")
_ORDINALS = ("first", "second", "third")


def _item(fact: str) -> Step:
    """``last: beep``: the item that stands in the place that the question names."""

    def step(question: str, choices: Sequence[str], facts: Mapping) -> str:
        place = next(place for place in _PLACES if f" {place}" in question)
        index = {"first": 0, "second": 1, "last": -1}[place]
        return f"{place}: {facts[fact][index]}"

    return step


def _walk(fact: str, verb: str) -> Step:
    """``rain heard, engine missing``: the choices in their order, up to the one that is missing."""

    def step(question: str, choices: Sequence[str], facts: Mapping) -> str:
        said = []
        for choice in choices:
            found = choice in facts[fact]
            said.append(f"{choice} {verb}" if found else f"{choice} missing")
            if not found:
                break
        return ", ".join(said)

    return step


def _neighbour(question: str, choices: Sequence[str], facts: Mapping) -> str:
    first, middle, last = facts["sources"]
    side = "before" if " before " in question else "after"
    return f"{side} {middle}: {first if side == 'before' else last}"


def _earlier(question: str, choices: Sequence[str], facts: Mapping) -> str:
    places = {choice: facts["sources"].index(choice) for choice in choices}
    said = ", ".join(f"{choice} {_ORDINALS[place]}" for choice, place in places.items())
    return f"{said}: {min(places, key=places.__getitem__)}"


def _family_in_order(question: str, choices: Sequence[str], facts: Mapping) -> str:
    said = _item("instruments")(question, choices, facts)
    return f"{said}: {INSTRUMENT_FAMILIES[said.split(': ')[1]]}"


def _family(question: str, choices: Sequence[str], facts: Mapping) -> str:
    return f"{facts['instruments'][0]}: {INSTRUMENT_FAMILIES[facts['instruments'][0]]}"


def _distinct(fact: str) -> Step:
    """``flute, violin: two``: who takes part, each once, and how many they are."""

    def step(question: str, choices: Sequence[str], facts: Mapping) -> str:
        names = list(dict.fromkeys(facts[fact]))
        return f"{', '.join(names)}: {NUMBERS[len(names)]}"

    return step


def _sum(question: str, choices: Sequence[str], facts: Mapping) -> str:
    first, second = facts["values"]
    return f"{first} + {second} = {first + second}"


def _larger(question: str, choices: Sequence[str], facts: Mapping) -> str:
    first, second = facts["values"]
    return f"{second} > {first}: larger" if second > first else f"{second} < {first}: smaller"


def _named(name: str, fact: str) -> Step:
    """``tempo: fast``: what the scene as a whole shows."""
    return lambda question, choices, facts: f"{name}: {facts[fact]}"


_STEPS: dict[str, Step] = {
    "source": lambda q, c, f: f"source: {f.get('source') or f['sources'][0]}",
    "order": _item("sources"),
    "before-after": _neighbour,
    "earlier": _earlier,
    "absent": _walk("sources", "heard"),
    "count": lambda q, c, f: f"count: {NUMBERS[f['count']]}",
    "instrument": lambda q, c, f: f"instrument: {f['instruments'][0]}",
    "instrument-order": _item("instruments"),
    "instrument-absent": _walk("instruments", "heard"),
    "family-order": _family_in_order,
    "family": _family,
    "players": _distinct("instruments"),
    "word": lambda q, c, f: f"word: {f['words'][0]}",
    "word-order": _item("words"),
    "word-absent": _walk("words", "heard"),
    "number": lambda q, c, f: f"number: {f['words'][0]}",
    "sum": _sum,
    "larger": _larger,
    "speakers": _distinct("voices"),
    "voice": lambda q, c, f: f"first: {f['voices'][0].split()[0]}",
    **{kind: _named(name, fact) for fact, (name, kind) in TRAITS.items()},
}


def thought(kind: str, question: str, choices: Sequence[str], scene: Scene) -> str:
    """``Heard: rain, beep. last: beep.``: transcript and step for a question of type ``kind``."""
    return f"Heard: {transcript(scene)}. {_STEPS[kind](question, choices, scene.facts)}."


def true_answer(question: AudioQuestion, scene: Scene) -> str:
    """What is correct by the recipe, whatever the question's label says.

    Raises ``UserError`` for a question that does not come from the sound world.
    """
    step = _STEPS[_type(question)](question.question, question.choices, scene.facts)
    return re.split(": |= |, ", step)[-1].removesuffix(" missing")


def reasoning(question: AudioQuestion, scene: Scene) -> str:
    """The thought about a question of tiny-avqa. Raises ``UserError`` as `true_answer`."""
    return thought(_type(question), question.question, question.choices, scene)


def with_reasoning(
    questions: Sequence[AudioQuestion], scenes: Mapping[str, Scene]
) -> list[AudioQuestion]:
    """The questions with ``extra["reasoning"]``, which ``train_sft`` learns with prompt <3>.

    ``scenes`` by question id, from ``data.recipes``. Raises ``UserError`` as `true_answer`.
    """
    reasoned = []
    for question in questions:
        if question.id not in scenes:
            raise UserError(f"question {question.id}: has no recipe; give tiny-avqa's questions")
        text = reasoning(question, scenes[question.id])
        reasoned.append(replace(question, extra={**question.extra, "reasoning": text}))
    return reasoned


def _type(question: AudioQuestion) -> str:
    kind = question.extra.get("question-type")
    if kind not in TYPES:
        raise UserError(f"question {question.id}: is none of the sound world's questions")
    return kind
