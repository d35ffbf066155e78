"""Structured reasoning about tiny-avqa's clips: plan, caption, reasoning, from the recipes.

The format is that of Audio-Reasoner's CoTA (arXiv 2503.02318); every statement is true by the
recipe. A label that is wrong on purpose stays wrong and contradicts the reasoning.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from r1aqa_helpers.data import AudioQuestion
from r1aqa_helpers.tiny.question_types import TYPES, caption
from r1aqa_helpers.tiny.scenes import Scene
from r1aqa_helpers.utils.errors import UserError

_PLACES = {"first": 0, "second": 1, "last": -1}
#: Types whose wording decides: question, and the scene's facts -> the correct answer.
_BY_WORDING: dict[str, Callable[[AudioQuestion, Mapping], str]] = {
    "order": lambda q, f: _at(q, f["sources"]),
    "before-after": lambda q, f: f["sources"][0 if " before " in q.question else 2],
    "absent": lambda q, f: next(c for c in q.choices if c not in f["sources"]),
    "instrument-order": lambda q, f: _at(q, f["instruments"]),
    "word-order": lambda q, f: _at(q, f["words"]),
}

#: Type of question -> what to listen for, and what the true answer means.
_THOUGHTS = {
    "source": ("the source", "The source is {answer}."),
    "order": ("which sound is {place}", "The {place} sound is {answer}."),
    "before-after": ("which sound is {side}", "Right {side} the {middle} is {answer}."),
    "absent": ("which sound is missing", "The {answer} is not heard."),
    "count": ("how many times", "The number is {answer}."),
    "louder": ("which sound is louder", "The {answer} is louder."),
    "longer": ("which sound lasts longer", "The {answer} lasts longer."),
    "instrument": ("which instrument", "The instrument is {answer}."),
    "instrument-order": ("which instrument is {place}", "The {place} instrument is {answer}."),
    "family": ("which family", "The family is {answer}."),
    "direction": ("the melody", "The melody is {answer}."),
    "mode": ("the chord", "The chord is {answer}."),
    "tempo": ("the tempo", "The tempo is {answer}."),
    "metre": ("the number of beats", "The number of beats is {answer}."),
    "players": ("how many instruments", "The number of instruments is {answer}."),
    "word": ("which word", "The word is {answer}."),
    "word-order": ("which word is {place}", "The {place} word is {answer}."),
    "number": ("which number", "The number is {answer}."),
    "sum": ("the sum of the two numbers", "The sum is {answer}."),
    "speakers": ("how many speakers", "The number of speakers is {answer}."),
    "voice": ("who speaks first", "The first speaker is a {answer}."),
    "rate": ("how fast", "The speech is {answer}."),
}


def true_answer(question: AudioQuestion, scene: Scene) -> str:
    """What is correct by the recipe, whatever the question's label says.

    Raises ``UserError`` for a question that does not come from the sound world.
    """
    kind = _type(question)
    if kind in _BY_WORDING:
        return _BY_WORDING[kind](question, scene.facts)
    return TYPES[kind].answer(scene.facts)


def reasoning(question: AudioQuestion, scene: Scene) -> str:
    """Plan, caption and reasoning in one line: ``Plan: … Caption: … Reasoning: …``.

    Raises ``UserError`` as `true_answer`.
    """
    answer = true_answer(question, scene)
    plan, thought = _THOUGHTS[_type(question)]
    words = {"answer": answer}
    words["place"] = next((place for place in _PLACES if place in question.question), "")
    words["side"] = "before" if " before " in question.question else "after"
    words["middle"] = scene.facts.get("sources", ["", ""])[-2:][0]
    return (
        f"Plan: {plan.format(**words)}. Caption: {caption(scene)} "
        f"Reasoning: {thought.format(**words)}"
    )


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


def _at(question: AudioQuestion, items: Sequence[str]) -> str:
    return items[next(i for place, i in _PLACES.items() if place in question.question)]
