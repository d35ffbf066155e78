"""The text that the tokenizer is trained on: every wording of the sound world, as in a chat."""

import numpy as np

from r1aqa_helpers.prompts import build_prompt
from r1aqa_helpers.tiny import asking
from r1aqa_helpers.tiny.bank import NUMBERS, WORDS
from r1aqa_helpers.tiny.families import INSTRUMENTS, SOURCES, TRAINING, draw

CAPTION_REQUESTS = ["Describe the audio.", "What do you hear?", "Caption this clip."]
#: how a general assistant words an answer
SENTENCES = [
    "The answer is {}.",
    "It is {}.",
    "I hear {}.",
    "The audio contains {}.",
    "The correct option is {}.",
]


def tokenizer_corpus(seed: int = 0, scenes: int = 1500) -> list[str]:
    """Chats about random scenes, and every name after a space, so that names are one token."""
    rng = np.random.default_rng(seed)
    names = [*SOURCES, *INSTRUMENTS, *WORDS, *NUMBERS, *map(str, range(25))]
    lines = [f" {name} '{name}' >{name}<" for name in names for _ in range(8)]
    lines.append("system\nYou are a helpful assistant.\nuser\nAudio 1: \nassistant\n")
    lines += CAPTION_REQUESTS + SENTENCES
    for _ in range(scenes):
        scene = draw(rng, TRAINING)
        types = asking.fitting(scene)
        question, answer, wrong = types[int(rng.integers(len(types)))].write(scene, rng)
        choices = asking.arrange(rng, answer, wrong)
        lines.append(asking.caption(scene))
        lines.append(build_prompt(question, choices, int(rng.integers(1, 4))))
        lines.append(f"<think> {asking.caption(scene)} </think><answer>{answer}</answer>")
    return lines
