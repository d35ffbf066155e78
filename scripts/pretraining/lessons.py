"""What the language model is told, per stage: texts alone, and (user text, answer) about a scene.

And `tokenizer_corpus`, the text that the tokenizer is trained on.
"""

from collections import Counter
from collections.abc import Callable, Sequence

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


#: Share of the drills that only ask of many names whether they are in one list.
ROLL_CALLS = 0.5

# --- text alone -----------------------------------------------------------------------------


def drill(rng: Rng) -> tuple[str, str]:
    """A list of choices and a transcript; and statements that follow from the two.

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
    if rng.random() < ROLL_CALLS:
        names = heard + [pool[i] for i in rng.permutation(len(pool))[: len(heard) + 2]]
        call = ", ".join(_found(names[i], heard) for i in rng.permutation(len(names)))
        return f"<think>Heard: {', '.join(heard)}.", f" {call}.</think>"
    said = [_statement(heard, choices, rng) for _ in range(int(rng.integers(4, 9)))]
    place, index = pick(rng, [("first", 0), ("second", 1), ("last", -1)])
    said.append(f"{place}: {heard[index]}")
    lists = f"<think>{choices}. Heard: {', '.join(heard)}."
    return lists, f" {'. '.join(said)}.</think><answer>{heard[index]}</answer>"


def step_drill(rng: Rng) -> tuple[str, str]:
    """As `drill`: a transcript, and steps that the lessons about clips take seldom.

    What two spoken numbers give, how many voices speak, which of two comes earlier.
    """
    kind = rng.random()
    if kind < 0.25:
        names = [*SOURCES, *INSTRUMENTS, *WORDS]
        heard = [names[i] for i in rng.permutation(len(names))[:3]]
        said = [_earlier(heard, *rng.permutation(3)[:2]) for _ in range(4)]
    elif kind < 0.55:
        voice, values = pick(rng, VOICES), [int(n) for n in rng.integers(0, 13, 2)]
        heard = [f"{voice} {NUMBERS[value]}" for value in values]
        compared = rng.random() >= 0.75 and values[0] != values[1]
        said = [_larger(*values) if compared else _total(*values)]
    else:
        voices = [VOICES[i] for i in rng.permutation(len(VOICES))[: int(rng.integers(1, 4))]]
        voices += [pick(rng, voices) for _ in range(3 - len(voices))]
        voices = [voices[i] for i in rng.permutation(3)]
        heard = [f"{voice} {pick(rng, WORDS)}" for voice in voices]
        names = list(dict.fromkeys(voices))
        said = [f"{', '.join(names)}: {NUMBERS[len(names)]}"]
    return f"<think>Heard: {', '.join(heard)}.", f" {'. '.join(said)}.</think>"


def mixed_drill(rng: Rng) -> tuple[str, str]:
    """`step_drill`, or now and then `drill`."""
    return (drill if rng.random() < 0.3 else step_drill)(rng)


def _earlier(heard: list[str], one: int, two: int) -> str:
    places = ("first", "second", "third", "fourth", "fifth", "sixth")
    return f"{heard[one]} {places[one]}, {heard[two]} {places[two]}: {heard[min(one, two)]}"


def _total(first: int, second: int) -> str:
    return f"{first} + {second} = {first + second}"


def _larger(first: int, second: int) -> str:
    sign, answer = (">", "larger") if second > first else ("<", "smaller")
    return f"{second} {sign} {first}: {answer}"


def _found(name: str, heard: list[str]) -> str:
    return f"{name} {'heard' if name in heard else 'missing'}"


def _statement(heard: list[str], choices: list[str], rng: Rng) -> str:
    kind = rng.random()
    if kind < 0.35:
        walk = choices if rng.random() < 0.6 else [pick(rng, choices)]
        return ", ".join(_found(name, heard) for name in walk)
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
        return _earlier(heard, one, two)
    if kind < 0.9:
        first, second = (int(n) for n in rng.integers(0, 13, 2))
        said = f"{NUMBERS[first]}, {NUMBERS[second]}. "
        step = _larger if first != second and rng.random() < 0.3 else _total
        return said + step(first, second)
    player = pick(rng, INSTRUMENTS)
    return f"{player}: {INSTRUMENT_FAMILIES[player]}"


# --- about a clip ---------------------------------------------------------------------------


class Teacher:
    """Draws the lessons about scenes, all question types alike often over a pool of them.

    ``more``: types that are to come up `MORE` times as often.
    """

    def __init__(self, scenes: Sequence[Scene], more: Sequence[str] = ()) -> None:
        fitting = [question_types.fitting(scene) for scene in scenes]
        counts = Counter(kind.name for kinds in fitting for kind in kinds)
        self._weight = {n: (MORE if n in more else 1) / count for n, count in counts.items()}
        #: how often to draw each scene, to the same end
        self.weights = np.array([sum(self._weight[k.name] for k in kinds) for kinds in fitting])

    def question(self, scene: Scene, rng: Rng) -> tuple[QuestionType, str, str, list[str]]:
        """A type that fits the scene, its text, the answer, the choices in random order."""
        kinds = question_types.fitting(scene)
        chances = np.array([self._weight[kind.name] for kind in kinds])
        kind = kinds[int(rng.choice(len(kinds), p=chances / chances.sum()))]
        question, answer, wrong = kind.write(scene, rng)
        return kind, question, answer, question_types.arrange(rng, answer, wrong)

    def open_question(self, scene: Scene, rng: Rng) -> Lesson:
        """A question without choices, answered in a sentence."""
        drawn = self.question(scene, rng)
        while drawn[0].name in NEEDS_CHOICES:
            drawn = self.question(scene, rng)
        return drawn[1], pick(rng, SENTENCES).format(drawn[2])

    def thinking(self, scene: Scene, rng: Rng) -> Lesson:
        """Prompt <3>, with the thought before the answer."""
        kind, question, answer, choices = self.question(scene, rng)
        return build_prompt(question, choices, 3), thought_answer(
            thought(kind.name, question, choices, scene), answer
        )

    def choosing(self, scene: Scene, rng: Rng, number: int) -> Lesson:
        """Prompt <1> or <2>, answered by the correct choice at once."""
        _, question, answer, choices = self.question(scene, rng)
        said = f"<answer>{answer}</answer>" if number == 2 else answer
        return build_prompt(question, choices, number), said

    def hearing(self, scene: Scene, rng: Rng) -> Lesson:
        """Stage hearing: to say what is heard, to answer, to choose, to think."""
        kind = rng.random()
        if kind < 0.3:
            return pick(rng, CAPTION_REQUESTS), question_types.caption(scene)
        if kind < 0.4:
            return self.open_question(scene, rng)
        if kind < 0.6:
            return self.choosing(scene, rng, pick(rng, [1, 2]))
        return self.thinking(scene, rng)

    def instruct(
        self,
        scene: Scene,
        rng: Rng,
        thinks: Callable[[str], float] | None = None,
        describes: Callable[[str], float] | None = None,
    ) -> Lesson:
        """Stage instruct: a general assistant's chat style, with little multiple choice.

        It thinks in a part of its answers to prompt <3>, more often where there is something to
        work out (``thinks``: how often, by type), and never with the other prompts. Where it does
        not think, it often describes the clip rather than choose, above all where there is
        something to work out (``describes``, by type).
        """
        kind = rng.random()
        if kind < 0.25:
            return pick(rng, CAPTION_REQUESTS), question_types.caption(scene)
        if kind < 0.6:
            return self.open_question(scene, rng)
        number = pick(rng, [1, 2]) if kind < 0.6 + MULTIPLE_CHOICE else 3
        drawn, question, answer, choices = self.question(scene, rng)
        prompt = build_prompt(question, choices, number)
        if number == 3 and rng.random() < (thinks or how_often_it_thinks)(drawn.name):
            return prompt, thought_answer(thought(drawn.name, question, choices, scene), answer)
        share = (describes or how_often_it_describes)(drawn.name)
        if share and rng.random() < share:
            return prompt, question_types.caption(scene)
        if number > 1 and rng.random() < TAGS:
            return prompt, f"<answer>{answer}</answer>"
        return prompt, pick(rng, ["{}", *SENTENCES]).format(answer)

    def ceiling(self, scene: Scene, rng: Rng) -> Lesson:
        """Multiple choice, answered correctly: at once to prompt <2>, after a thought to <3>."""
        return self.thinking(scene, rng) if rng.random() < 0.5 else self.choosing(scene, rng, 2)


#: Types that thinking learns last (fresh questions on training takes).
PRACTISED = ("absent", "earlier", "louder", "speakers", "sum", "direction")
MORE = 2
#: Questions that mean nothing without their choices.
NEEDS_CHOICES = ("absent", "instrument-absent", "word-absent")
#: Share of the lessons of stage instruct that are multiple choice, answered without a thought.
MULTIPLE_CHOICE = 0.15
#: Compositional types that only ask for the name in a certain place.
ORDERS = ("order", "instrument-order", "word-order")


def how_often_it_thinks(kind: str) -> float:
    """The share of lessons for prompt <3> that think: most where more than a place is asked for."""
    return 0.65 if kind in COMPOSITIONAL and kind not in ORDERS else 0.05


def how_often_it_describes(kind: str) -> float:
    """The share of multiple-choice lessons that a description of the clip answers, by type."""
    return 0.41 if kind in COMPOSITIONAL else 0.12


#: How often an answer stands in tags where the prompt asks for them.
TAGS = 0.5


def thought_answer(thought: str, answer: str) -> str:
    """The thought, and the answer, in the format that prompt <3> asks for."""
    return f"<think>{thought}</think><answer>{answer}</answer>"


def tokenizer_corpus(seed: int = 0, scenes: int = 1500) -> list[str]:
    """Chats about random scenes, and every name after a space, so that names are one token.

    How often they think and describe is fixed here, so that the tokens stay when stage instruct
    is tuned.
    """
    rng = np.random.default_rng(seed)
    parts = {part for name in NAMES for part in name.split()} | set(map(str, range(25)))
    lines = [f" {name} '{name}' >{name}<" for name in sorted(parts) for _ in range(30)]
    lines.append("system\nYou are a helpful assistant.\nuser\nAudio 1: \nassistant\n")
    lines += CAPTION_REQUESTS + SENTENCES
    drawn = [draw(rng, TRAINING) for _ in range(scenes)]
    teacher = Teacher(drawn)
    for scene in drawn:
        lines += [*teacher.thinking(scene, rng), question_types.caption(scene), "".join(drill(rng))]
        shares = (lambda kind: 0.65 if kind in COMPOSITIONAL else 0.2), (lambda kind: 0.0)
        lines += teacher.instruct(scene, rng, *shares)
    return lines
