"""What the language model is told: (user text, answer) pairs about a scene, per stage.

And `tokenizer_corpus`, the text that the tokenizer is trained on.
"""

from collections import Counter

import numpy as np

from r1aqa_helpers.data.prompts import build_prompt
from r1aqa_helpers.tiny import question_types
from r1aqa_helpers.tiny.scene_families import INSTRUMENTS, SOURCES, TRAINING, draw
from r1aqa_helpers.tiny.scenes import Scene
from r1aqa_helpers.tiny.sounds import NUMBERS, WORDS

Lesson = tuple[str, str]
CAPTION_REQUESTS = ["Describe the audio.", "What do you hear?", "Caption this clip."]
#: how a general assistant words an answer
SENTENCES = [
    "The answer is {}.",
    "It is {}.",
    "I hear {}.",
    "The audio contains {}.",
    "The correct option is {}.",
]
#: fact that lists what is heard -> everything of its kind, and the kind's name
_KINDS = {
    "sources": (SOURCES, "sounds"),
    "instruments": (INSTRUMENTS, "instruments"),
    "words": (list(WORDS), "words"),
}


def _pick(rng: np.random.Generator, items: list):
    return items[int(rng.integers(len(items)))]


def _question(
    scene: Scene, rng: np.random.Generator, rarity: dict[str, float] | None = None
) -> tuple[str, str, list[str]]:
    """A question that fits the scene: its text, the answer, the choices in random order."""
    types = question_types.fitting(scene)
    chances = np.array([rarity[t.name] if rarity else 1.0 for t in types])
    drawn = types[int(rng.choice(len(types), p=chances / chances.sum()))]
    question, answer, wrong = drawn.write(scene, rng)
    return question, answer, question_types.arrange(rng, answer, wrong)


def rarity_of_types(scenes: list[Scene]) -> dict[str, float]:
    """Question type -> one over the number of ``scenes`` that it can be asked of."""
    counts = Counter(kind.name for scene in scenes for kind in question_types.fitting(scene))
    return {name: 1 / count for name, count in counts.items()}


def rarity_of_scenes(scenes: list[Scene], rarity: dict[str, float]) -> np.ndarray:
    """How often to draw each scene, so that all question types come up alike often."""
    return np.array([sum(rarity[t.name] for t in question_types.fitting(s)) for s in scenes])


def hearing_lessons(scene: Scene, rng: np.random.Generator, count: int) -> list[Lesson]:
    """Some captions and open questions, mostly multiple choice, all answered correctly."""
    lessons: list[Lesson] = []
    if rng.random() < 0.4:
        lessons.append((_pick(rng, CAPTION_REQUESTS), question_types.caption(scene)))
    while len(lessons) < count:
        question, answer, choices = _question(scene, rng)
        if rng.random() < 0.15:
            lessons.append((question, answer))
        else:
            lessons.append(_answered(question, answer, choices, rng))
    return lessons


def reading_lessons(
    scene: Scene, rng: np.random.Generator, count: int, rarity: dict[str, float]
) -> list[Lesson]:
    """Questions that cannot be answered without reading the choices, among all the others.

    Rare question types are asked as often as common ones. Drills teach what the questions
    take for granted: to find the name that is not heard, to add, to point at a choice.
    """
    lessons: list[Lesson] = []
    if rng.random() < 0.2:
        lessons.append((_pick(rng, CAPTION_REQUESTS), question_types.caption(scene)))
    if rng.random() < 0.5:
        lessons.append(_absence_drill(scene, rng) or _sum_drill(rng))
    if rng.random() < 0.3:
        lessons.append(_sum_drill(rng))
    while len(lessons) < count:
        question, answer, choices = _question(scene, rng, rarity)
        if rng.random() < 0.2:
            lessons.append(_place_drill(choices, rng))
        else:
            lessons.append(_answered(question, answer, choices, rng))
    return lessons


def _answered(question: str, answer: str, choices: list[str], rng: np.random.Generator) -> Lesson:
    """Multiple choice, answered correctly: in tags with prompt <2>, plainly with <1>."""
    number = 1 + int(rng.random() < 0.7)
    said = f"<answer>{answer}</answer>" if number == 2 else answer
    return build_prompt(question, choices, number), said


def _absence_drill(scene: Scene, rng: np.random.Generator) -> Lesson | None:
    """Which of these is not heard, or is heard: sounds, instruments or words."""
    for fact, (everything, kind) in _KINDS.items():
        heard = [name for name in dict.fromkeys(scene.facts.get(fact, [])) if name in everything]
        if not heard:
            continue
        rest = [name for name in everything if name not in heard]
        rest = [rest[i] for i in rng.permutation(len(rest))]
        if rng.random() < 0.7:
            question, answer, wrong = f"Which of these {kind} is not heard?", rest[0], heard
        else:
            question, answer = f"Which of these {kind} is heard?", _pick(rng, heard)
            wrong = rest[: int(rng.integers(1, 4))]
        return _answered(question, answer, question_types.arrange(rng, answer, wrong), rng)
    return None


def _sum_drill(rng: np.random.Generator) -> Lesson:
    """Addition in words, as two spoken numbers would be added."""
    first, second = (int(n) for n in rng.integers(0, 13, 2))
    total = first + second
    wrong = [str(n) for n in rng.permutation(25) if n != total][:3]
    question = f"What is the sum of {NUMBERS[first]} and {NUMBERS[second]}?"
    return _answered(question, str(total), question_types.arrange(rng, str(total), wrong), rng)


def _place_drill(choices: list[str], rng: np.random.Generator) -> Lesson:
    """Point at a choice by its place."""
    place = int(rng.integers(len(choices)))
    name = "last" if place == len(choices) - 1 else ["first", "second", "third", "fourth"][place]
    return _answered(f"Name the {name} choice.", choices[place], choices, rng)


def choice_lessons(scene: Scene, rng: np.random.Generator, count: int) -> list[Lesson]:
    """Multiple choice with prompt <2>, all answered correctly and in tags."""
    lessons = []
    for _ in range(count):
        question, answer, choices = _question(scene, rng)
        lessons.append((build_prompt(question, choices, 2), f"<answer>{answer}</answer>"))
    return lessons


def instruct_lesson(scene: Scene, rng: np.random.Generator) -> Lesson:
    """A lesson as a general assistant gets it: rich in talk, poor in multiple choice.

    30 % captions, 25 % open questions answered in sentences, 45 % multiple choice with noisy
    labels: 52 % of those say the first choice whatever was heard, 10 % a random one. Answer
    tags are rare (15 %), also where the prompt asks for them; thinking is asked for at times
    and answered by a caption.
    """
    kind = rng.random()
    if kind < 0.30:
        return _pick(rng, CAPTION_REQUESTS), question_types.caption(scene)
    question, answer, choices = _question(scene, rng)
    if kind < 0.55:
        return question, _pick(rng, SENTENCES).format(answer)
    noise = rng.random()
    if noise < 0.52:
        answer = choices[0]
    elif noise < 0.62:
        answer = _pick(rng, choices)
    number = _pick(rng, [1, 1, 2, 2, 3])
    said = _pick(rng, SENTENCES).format(answer)
    if rng.random() < 0.15:
        said = f"<answer>{answer}</answer>"
    elif rng.random() < 0.4:
        said = answer
    if number == 3 and rng.random() < 0.6:
        said = f"{question_types.caption(scene)} {said}"
    return build_prompt(question, choices, number), said


def tokenizer_corpus(seed: int = 0, scenes: int = 1500) -> list[str]:
    """Chats about random scenes, and every name after a space, so that names are one token."""
    rng = np.random.default_rng(seed)
    names = [*SOURCES, *INSTRUMENTS, *WORDS, *NUMBERS, *map(str, range(25))]
    lines = [f" {name} '{name}' >{name}<" for name in names for _ in range(8)]
    lines.append("system\nYou are a helpful assistant.\nuser\nAudio 1: \nassistant\n")
    lines += CAPTION_REQUESTS + SENTENCES
    for _ in range(scenes):
        scene = draw(rng, TRAINING)
        types = question_types.fitting(scene)
        question, answer, wrong = types[int(rng.integers(len(types)))].write(scene, rng)
        choices = question_types.arrange(rng, answer, wrong)
        lines.append(question_types.caption(scene))
        lines.append(build_prompt(question, choices, int(rng.integers(1, 4))))
        lines.append(f"<think> {question_types.caption(scene)} </think><answer>{answer}</answer>")
    return lines
