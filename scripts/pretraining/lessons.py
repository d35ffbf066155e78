"""What the language model is told, per stage: texts alone, and (user text, answer) about a scene.

And `tokenizer_corpus`, the text that the tokenizer is trained on.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from r1aqa_helpers.data.prompts import build_prompt
from r1aqa_helpers.tiny import question_types
from r1aqa_helpers.tiny.question_types import COMPOSITIONAL, QuestionType
from r1aqa_helpers.tiny.reasoning import thought
from r1aqa_helpers.tiny.scene_families import INSTRUMENTS, SOURCES, TRAINING, VOICES, draw
from r1aqa_helpers.tiny.scenes import Scene
from r1aqa_helpers.tiny.sounds import INSTRUMENT_FAMILIES, NUMBERS, WORDS

Lesson = tuple[str, str]
Rng = np.random.Generator
CAPTION_REQUESTS = ["Describe the audio.", "What do you hear?", "Caption this clip."]
#: how a general assistant words an answer
SENTENCES = [
    "The answer is {}.",
    "It is {}.",
    "I hear {}.",
    "The audio contains {}.",
    "The correct option is {}.",
]
NAMES = [*SOURCES, *INSTRUMENTS, *WORDS, *NUMBERS, *VOICES]


def pick(rng: Rng, items: Sequence):
    """One of the items."""
    return items[int(rng.integers(len(items)))]


# --- text alone -----------------------------------------------------------------------------


def drill(rng: Rng) -> str:
    """A list of choices, a transcript, and statements that follow from the two.

    Nothing is heard here: the language model learns to look up names in its own context (which of
    these is in that list, what comes after), to count and to add.
    """
    pool = pick(rng, [SOURCES, INSTRUMENTS, WORDS, NUMBERS, NAMES, NAMES])
    heard = [pool[i] for i in rng.permutation(len(pool))[: int(rng.integers(2, 5))]]
    others = [name for name in pool if name not in heard]
    choices = heard + [others[i] for i in rng.permutation(len(others))[: int(rng.integers(1, 4))]]
    choices = [choices[i] for i in rng.permutation(len(choices))][: int(rng.integers(2, 5))]
    if rng.random() < 0.3:  # some names come twice, not in turn
        again = list(heard)
        heard += [again[i] for i in rng.permutation(len(again))[: int(rng.integers(1, 3))]]
    said = [_statement(heard, choices, rng) for _ in range(int(rng.integers(3, 6)))]
    text = f"{choices}. Heard: {', '.join(heard)}. " + ". ".join(said) + "."
    answer = pick(rng, heard)
    return f"<think>{text} last: {heard[-1]}.</think><answer>{heard[-1]}</answer>" if (
        rng.random() < 0.5
    ) else f"<think>{text} second: {heard[1]}.</think><answer>{heard[1]}</answer>"


def _statement(heard: list[str], choices: list[str], rng: Rng) -> str:
    kind = rng.random()
    if kind < 0.35:
        walk = choices if rng.random() < 0.6 else [pick(rng, choices)]
        return ", ".join(f"{name} {'heard' if name in heard else 'missing'}" for name in walk)
    if kind < 0.45:
        place = int(rng.integers(3))
        return f"{('first', 'second', 'last')[place]}: {heard[(0, 1, -1)[place]]}"
    once = [i for i, name in enumerate(heard) if heard.count(name) == 1]
    if kind < 0.6 and once:
        i = pick(rng, once)
        if i and (i == len(heard) - 1 or rng.random() < 0.5):
            return f"before {heard[i]}: {heard[i - 1]}"
        return f"after {heard[i]}: {heard[i + 1]}"
    if kind < 0.68:
        names = list(dict.fromkeys(heard))
        return f"{', '.join(names)}: {NUMBERS[len(names)]}"
    if kind < 0.76 and len(once) > 1:
        one, two = (once[i] for i in rng.permutation(len(once))[:2])
        places = ("first", "second", "third", "fourth", "fifth", "sixth")
        first = heard[min(one, two)]
        return f"{heard[one]} {places[one]}, {heard[two]} {places[two]}: {first}"
    if kind < 0.9:
        first, second = (int(n) for n in rng.integers(0, 13, 2))
        said = f"{NUMBERS[first]}, {NUMBERS[second]}. "
        if first != second and rng.random() < 0.3:
            low, high = sorted((first, second))
            return f"{said}{high} > {low}: {NUMBERS[high]}"
        return f"{said}{first} + {second} = {first + second}"
    player = pick(rng, INSTRUMENTS)
    return f"{player}: {INSTRUMENT_FAMILIES[player]}"
