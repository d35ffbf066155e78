"""What the language model is told: (user text, answer) pairs about a scene, per stage."""

import numpy as np

from r1aqa_helpers.prompts import build_prompt
from r1aqa_helpers.tiny import asking
from r1aqa_helpers.tiny.pretraining.corpus import CAPTION_REQUESTS, SENTENCES
from r1aqa_helpers.tiny.scenes import Scene

Lesson = tuple[str, str]


def _pick(rng: np.random.Generator, items: list):
    return items[int(rng.integers(len(items)))]


def _question(scene: Scene, rng: np.random.Generator) -> tuple[str, str, list[str]]:
    """A question that fits the scene: its text, the answer, the choices in random order."""
    question, answer, wrong = _pick(rng, asking.fitting(scene)).write(scene, rng)
    return question, answer, asking.arrange(rng, answer, wrong)


def hearing_lessons(scene: Scene, rng: np.random.Generator, count: int) -> list[Lesson]:
    """Captions now and then, some open questions, mostly multiple choice, all answered right."""
    lessons: list[Lesson] = []
    if rng.random() < 0.4:
        lessons.append((_pick(rng, CAPTION_REQUESTS), asking.caption(scene)))
    while len(lessons) < count:
        question, answer, choices = _question(scene, rng)
        if rng.random() < 0.15:
            lessons.append((question, answer))
        else:
            number = 1 + int(rng.random() < 0.7)
            wrapped = f"<answer>{answer}</answer>" if number == 2 else answer
            lessons.append((build_prompt(question, choices, number), wrapped))
    return lessons


def choice_lessons(scene: Scene, rng: np.random.Generator, count: int) -> list[Lesson]:
    """Multiple choice with prompt <2>, all answered right and in tags."""
    lessons = []
    for _ in range(count):
        question, answer, choices = _question(scene, rng)
        lessons.append((build_prompt(question, choices, 2), f"<answer>{answer}</answer>"))
    return lessons


def instruct_lesson(scene: Scene, rng: np.random.Generator) -> Lesson:
    """A lesson as a general assistant gets it: rich in talk, poor in multiple choice.

    30 % captions, 25 % open questions answered in sentences, 45 % multiple choice with noisy
    labels: 45 % of those say the first choice whatever was heard, 10 % a random one. Answer
    tags are rare (15 %), also where the prompt asks for them; thinking is asked for at times
    and answered by a caption.
    """
    kind = rng.random()
    if kind < 0.30:
        return _pick(rng, CAPTION_REQUESTS), asking.caption(scene)
    question, answer, choices = _question(scene, rng)
    if kind < 0.55:
        return question, _pick(rng, SENTENCES).format(answer)
    noise = rng.random()
    if noise < 0.45:
        answer = choices[0]
    elif noise < 0.55:
        answer = _pick(rng, choices)
    number = _pick(rng, [1, 1, 2, 2, 3])
    said = _pick(rng, SENTENCES).format(answer)
    if rng.random() < 0.15:
        said = f"<answer>{answer}</answer>"
    elif rng.random() < 0.4:
        said = answer
    if number == 3 and rng.random() < 0.6:
        said = f"{asking.caption(scene)} {said}"
    return build_prompt(question, choices, number), said
