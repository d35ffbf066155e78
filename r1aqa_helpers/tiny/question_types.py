"""Question types: what can be asked about a scene, in MMAU's terms; and captions.

A :class:`QuestionType` knows which family of scenes it needs, how to word the question, the
correct answer, and wrong answers that a listener can rule out but a reader cannot.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from r1aqa_helpers.tiny import scene_families as families
from r1aqa_helpers.tiny.scene_families import INSTRUMENTS, SOURCES, SUSTAINED, SplitConfig
from r1aqa_helpers.tiny.scenes import Scene
from r1aqa_helpers.tiny.sounds import INSTRUMENT_FAMILIES, NUMBERS, WORDS

Rng = np.random.Generator
FAMILIES = sorted(set(INSTRUMENT_FAMILIES.values()))
Facts = Mapping[str, Any]
#: (question, correct answer, wrong answers)
Draft = tuple[str, str, list[str]]
Wrong = Callable[[Facts, str, Rng], list[str]]


@dataclass(frozen=True)
class QuestionType:
    """One type of question.

    ``scene(rng, config)`` draws a scene that it can be asked of; ``fits(scene)`` says whether
    it can be asked of a given one; ``write(scene, rng)`` drafts it. ``answer(facts)`` is the
    correct answer where the scene's facts alone say it, whatever the wording of the question.
    """

    name: str
    task: str
    category: str
    sub_category: str
    scene: Callable[[Rng, SplitConfig], Scene]
    fits: Callable[[Scene], bool]
    write: Callable[[Scene, Rng], Draft]
    answer: Callable[[Facts], str] | None = None


def _others(rng: Rng, items: Sequence[str], taken: list[str], count: int) -> list[str]:
    rest = [item for item in items if item not in taken]
    return [rest[i] for i in rng.permutation(len(rest))[:count]]


def _word_it(rng: Rng, *wordings: str) -> str:
    return wordings[int(rng.integers(len(wordings)))]


# Wrong answers, from (facts, correct answer, rng).


def _three_of(items: Sequence[str]) -> Wrong:
    return lambda facts, answer, rng: _others(rng, items, [answer], 3)


def _rest_of(items: Sequence[str]) -> Wrong:
    return lambda facts, answer, rng: [item for item in items if item != answer]


def _heard_and_two_of(items: Sequence[str]) -> Wrong:
    return lambda facts, answer, rng: [
        *(source for source in facts["sources"] if source != answer),
        *_others(rng, items, facts["sources"], 2),
    ]


# Questions whose wording decides what is correct, and two that draw in another order.


def _first_or_last(fact: str, pool: Sequence[str], *wordings: str) -> Callable[[Scene, Rng], Draft]:
    def write(scene: Scene, rng: Rng) -> Draft:
        heard = scene.facts[fact]
        which, place = ("first", 0) if rng.integers(2) else ("last", -1)
        wrong = [name for name in heard if name != heard[place]]
        wrong += _others(rng, pool, heard, 3 - len(wrong))
        return _word_it(rng, *wordings).format(which), heard[place], wrong

    return write


def _neighbour(scene: Scene, rng: Rng) -> Draft:
    sources = scene.facts["sources"]
    place = 2 * int(rng.integers(2))
    where = f"{'after' if place else 'before'} the {sources[1]}?"
    wrong = [sources[2 - place], *_others(rng, SOURCES, sources, 2)]
    question = _word_it(rng, f"What is heard right {where}", f"Which sound comes {where}")
    return question, sources[place], wrong


def _earlier(scene: Scene, rng: Rng) -> Draft:
    sources = scene.facts["sources"]
    one, two = sorted(int(i) for i in rng.permutation(3)[:2])
    pair = [sources[one], sources[two]]
    named = [pair[i] for i in rng.permutation(2)]
    question = _word_it(
        rng, "Which is heard earlier, the {} or the {}?", "What comes first, the {} or the {}?"
    )
    return question.format(*named), pair[0], pair[1:]


def _absent(fact: str, pool: Sequence[str], *wordings: str) -> Callable[[Scene, Rng], Draft]:
    def write(scene: Scene, rng: Rng) -> Draft:
        heard = scene.facts[fact]
        return _word_it(rng, *wordings), _others(rng, pool, heard, 1)[0], list(heard)

    return write


def _family_in_order(scene: Scene, rng: Rng) -> Draft:
    players = scene.facts["instruments"]
    which, place = ("first", 0) if rng.integers(2) else ("last", -1)
    answer = INSTRUMENT_FAMILIES[players[place]]
    question = _word_it(
        rng,
        "To which family does the {} instrument belong?",
        "Which family does the {} player's instrument belong to?",
    )
    return question.format(which), answer, [f for f in FAMILIES if f != answer]


def _count(scene: Scene, rng: Rng) -> Draft:
    answer = NUMBERS[scene.facts["count"]]
    question = f"How many times does the {scene.facts['source']} sound?"
    return question, answer, _others(rng, NUMBERS[1:6], [answer], 3 + int(rng.random() < 0.3))


def _word_order(scene: Scene, rng: Rng) -> Draft:
    spoken = scene.facts["words"]
    place = int(rng.integers(3))
    which = ("first", "second", "last")[place]
    wrong = [w for w in spoken if w != spoken[place]] + _others(rng, WORDS, spoken, 1)
    question = _word_it(rng, f"Which word is spoken {which}?", f"What is the {which} word?")
    return question, spoken[place], wrong


def _sum(scene: Scene, rng: Rng) -> Draft:
    total = sum(scene.facts["values"])
    wrong = _others(rng, [str(n) for n in range(1, 24)], [str(total)], 3)
    question = _word_it(
        rng, "What is the sum of the two numbers?", "What do the two spoken numbers add up to?"
    )
    return question, str(total), wrong


def _is(family: str, **wanted: int) -> Callable[[Scene], bool]:
    """Scenes of ``family`` whose facts have the wanted lengths (0: any, but present)."""
    return lambda scene: (
        scene.family == family
        and all(
            fact in scene.facts and (not size or len(scene.facts[fact]) == size)
            for fact, size in wanted.items()
        )
    )


def _unequal_numbers(rng: Rng, config: SplitConfig) -> Scene:
    while len(set((scene := families.numbers(rng, config, count=2)).facts["values"])) < 2:
        pass
    return scene


def _one_player(scene: Scene) -> bool:
    return len(scene.facts.get("instruments", [])) == 1


IE, RE = "Information Extraction", "Reasoning"


def _plain(
    name: str,
    task: str,
    category: str,
    sub_category: str,
    scene: Callable[[Rng, SplitConfig], Scene],
    fits: Callable[[Scene], bool],
    answer: Callable[[Facts], str],
    wrong: Wrong,
    *wordings: str,
) -> QuestionType:
    """A type whose answer the facts say: the wording is drawn first, then the wrong answers."""

    def write(scene: Scene, rng: Rng) -> Draft:
        question, correct = _word_it(rng, *wordings), answer(scene.facts)
        return question, correct, wrong(scene.facts, correct, rng)

    return QuestionType(name, task, category, sub_category, scene, fits, write, answer)


#: every question type, by name
TYPES: dict[str, QuestionType] = {
    t.name: t
    for t in [
        _plain(
            "source", "sound", IE, "Sound-Based Event Recognition",
            lambda r, c: families.sequence(r, c, count=1), _is("sequence", sources=1),
            lambda f: f.get("source") or f["sources"][0], _three_of(SOURCES),
            "What makes the sound?", "What is the source of the sound?",
            "Which sound is heard in the audio?",
        ),
        QuestionType(
            "order", "sound", RE, "Temporal Event Reasoning",
            lambda r, c: families.sequence(r, c, count=int(r.integers(2, 4))),
            lambda s: s.family == "sequence" and len(s.facts["sources"]) > 1,
            _first_or_last("sources", SOURCES, "Which sound is heard {}?", "What sounds {}?"),
        ),
        QuestionType(
            "before-after", "sound", RE, "Temporal Event Reasoning",
            lambda r, c: families.sequence(r, c, count=3), _is("sequence", sources=3), _neighbour,
        ),
        QuestionType(
            "earlier", "sound", RE, "Temporal Event Reasoning",
            lambda r, c: families.sequence(r, c, count=3), _is("sequence", sources=3), _earlier,
        ),
        QuestionType(
            "absent", "sound", RE, "Acoustic Scene Reasoning",
            lambda r, c: families.sequence(r, c, count=3), _is("sequence", sources=3),
            _absent(
                "sources", SOURCES,
                "Which of these sounds is not heard?", "Which sound is missing from the audio?",
            ),
        ),
        QuestionType(
            "count", "sound", RE, "Event-Based Sound Reasoning",
            families.repeats, _is("repeats"), _count, lambda f: NUMBERS[f["count"]],
        ),
        _plain(
            "louder", "sound", IE, "Ambient Sound Interpretation",
            lambda r, c: families.sequence(r, c, contrast="louder"), _is("sequence", louder=0),
            lambda f: f["louder"], _heard_and_two_of(SOURCES),
            "Which sound is louder?", "Which of the sounds is the loudest?",
        ),
        _plain(
            "longer", "sound", IE, "Ambient Sound Interpretation",
            lambda r, c: families.sequence(r, c, contrast="longer"), _is("sequence", longer=0),
            lambda f: f["longer"], _heard_and_two_of(SUSTAINED),
            "Which sound lasts longer?", "Which of the sounds is the longest?",
        ),
        _plain(
            "instrument", "music", IE, "Instrumentation", families.solo, _one_player,
            lambda f: f["instruments"][0], _three_of(INSTRUMENTS),
            "Which instrument is playing?", "What instrument plays the music?",
        ),
        QuestionType(
            "instrument-order", "music", RE, "Temporal Reasoning",
            lambda r, c: families.ensemble(r, c, count=int(r.integers(2, 4))),
            lambda s: s.family == "ensemble" and len(s.facts["instruments"]) > 1,
            _first_or_last("instruments", INSTRUMENTS, "Which instrument plays {}?"),
        ),
        QuestionType(
            "instrument-absent", "music", RE, "Musical Texture Interpretation",
            lambda r, c: families.ensemble(r, c, count=3), _is("ensemble", instruments=3),
            _absent(
                "instruments", INSTRUMENTS,
                "Which of these instruments does not play?", "Which instrument is not heard?",
            ),
        ),
        QuestionType(
            "family-order", "music", RE, "Instrumentation",
            lambda r, c: families.ensemble(r, c, count=int(r.integers(2, 4))),
            lambda s: s.family == "ensemble" and len(s.facts["instruments"]) > 1,
            _family_in_order,
        ),
        _plain(
            "family", "music", RE, "Instrumentation", families.melody, _one_player,
            lambda f: INSTRUMENT_FAMILIES[f["instruments"][0]],
            _rest_of(FAMILIES),
            "Which family does the instrument belong to?",
            "To which family of instruments does the player belong?",
        ),
        _plain(
            "direction", "music", IE, "Melodic Structure Interpretation",
            families.melody, _is("melody"), lambda f: f["contour"], _rest_of([*families.CONTOURS]),
            "What is the shape of the melody?", "How does the melody move?",
        ),
        _plain(
            "tempo", "music", IE, "Rhythm and Tempo Understanding", families.pulse, _is("pulse"),
            lambda f: f["tempo"], _rest_of([*families.TEMPO_INTERVAL]),
            "What is the tempo of the music?", "How fast is the music?",
        ),
        _plain(
            "players", "music", RE, "Musical Texture Interpretation",
            families.ensemble, _is("ensemble"),
            lambda f: NUMBERS[len(f["instruments"])], _rest_of(NUMBERS[1:4]),
            "How many different instruments play?", "How many instruments are in the music?",
        ),
        _plain(
            "word", "speech", IE, "Phonological Sequence Decoding",
            lambda r, c: families.words(r, c, count=1), _is("words", words=1),
            lambda f: f["words"][0], _three_of(WORDS),
            "Which word is spoken?", "What does the speaker say?",
        ),
        QuestionType(
            "word-order", "speech", RE, "Phonological Sequence Decoding",
            lambda r, c: families.words(r, c, count=3),
            lambda s: s.family in ("words", "speakers") and len(s.facts["words"]) == 3,
            _word_order,
        ),
        QuestionType(
            "word-absent", "speech", RE, "Phonological Sequence Decoding",
            lambda r, c: families.words(r, c, count=3),
            lambda s: s.family in ("words", "speakers") and len(s.facts["words"]) == 3,
            _absent(
                "words", WORDS,
                "Which of these words is not spoken?", "Which word does nobody say?",
            ),
        ),
        _plain(
            "number", "speech", IE, "Key highlight Extraction",
            lambda r, c: families.numbers(r, c, count=1), _is("numbers", words=1),
            lambda f: f["words"][0], _three_of(NUMBERS),
            "Which number is spoken?", "What number does the speaker say?",
        ),
        QuestionType(
            "sum", "speech", RE, "Conversational Fact Retrieval",
            lambda r, c: families.numbers(r, c, count=2), _is("numbers", words=2), _sum,
            lambda f: str(sum(f["values"])),
        ),
        _plain(
            "larger", "speech", RE, "Conversational Fact Retrieval",
            _unequal_numbers, lambda s: len(set(s.facts.get("values", []))) == 2,
            lambda f: "larger" if f["values"][1] > f["values"][0] else "smaller",
            _rest_of(["larger", "smaller"]),
            "Is the second number larger or smaller than the first?",
            "Does the speaker go on to a larger or a smaller number?",
        ),
        _plain(
            "speakers", "speech", RE, "Counting", families.speakers, _is("speakers"),
            lambda f: NUMBERS[len(set(f["voices"]))], _rest_of(NUMBERS[1:4]),
            "How many different speakers are there?", "How many people speak?",
        ),
        _plain(
            "voice", "speech", IE, "Multi Speaker Role Mapping",
            lambda r, c: families.draw(r, c, "speech"), lambda s: "voices" in s.facts,
            lambda f: f["voices"][0].split()[0], _rest_of(["man", "woman"]),
            "Is the first speaker a man or a woman?", "Who speaks first, a man or a woman?",
        ),
        _plain(
            "rate", "speech", IE, "Phonemic Stress Pattern Analysis",
            lambda r, c: families.words(r, c, count=3), _is("words", rate=0),
            lambda f: f["rate"], _rest_of([*families.RATE_INTERVAL]),
            "How fast does the speaker talk?", "What is the speaking rate?",
        ),
    ]
}  # fmt: skip


#: Types whose answer takes more than naming what is heard: finding, counting, comparing, adding.
COMPOSITIONAL = (
    "order", "before-after", "earlier", "absent", "count",
    "instrument-order", "instrument-absent", "family-order", "players",
    "word-order", "word-absent", "sum", "larger", "speakers",
)  # fmt: skip


def types_of(task: str) -> list[QuestionType]:
    """The question types of one task: sound, music or speech."""
    return [t for t in TYPES.values() if t.task == task]


def fitting(scene: Scene) -> list[QuestionType]:
    """The question types that can be asked of ``scene``."""
    return [t for t in TYPES.values() if t.fits(scene)]


def arrange(rng: Rng, answer: str, wrong: list[str], position: int | None = None) -> list[str]:
    """The choices in random order, the gold one at ``position`` (random by default)."""
    wrong = [wrong[i] for i in rng.permutation(len(wrong))]
    if position is None:
        position = int(rng.integers(len(wrong) + 1))
    return [*wrong[:position], answer, *wrong[position:]]


def transcript(scene: Scene) -> str:
    """What sounds, in its order, as events: ``rain, beep`` or ``man 1 tiger, woman 2 paper``.

    A sound that repeats is numbered, a melody counts as one event, a phrase of an ensemble, too.
    """
    facts = scene.facts
    if scene.family == "repeats":
        events = [f"{facts['source']} {NUMBERS[n]}" for n in range(1, facts["count"] + 1)]
    elif "sources" in facts:
        events = facts["sources"]
    elif "instruments" in facts:
        events = facts.get("phrases", facts["instruments"])
    else:
        voices, words = facts["voices"], facts["words"]
        voices = voices * len(words) if len(voices) == 1 else voices
        events = [f"{voice} {word}" for voice, word in zip(voices, words, strict=True)]
    return ", ".join(events)


def caption(scene: Scene) -> str:
    """The transcript, and what the scene as a whole shows, in a sentence or two."""
    facts = scene.facts
    text = f"Heard: {transcript(scene)}."
    for fact, (name, _) in TRAITS.items():
        if fact in facts:
            text += f" {name.capitalize()}: {facts[fact]}."
    return text


#: fact -> its name in captions and thoughts, and the question type that asks for it
TRAITS = {
    "louder": ("louder", "louder"),
    "longer": ("longer", "longer"),
    "contour": ("shape", "direction"),
    "tempo": ("tempo", "tempo"),
    "rate": ("rate", "rate"),
}
