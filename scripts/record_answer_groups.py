"""Write data/course/answer_groups.json: what the tiny base answers when it is sampled.

Twelve training questions, drawn with seed 0, eight answers to each at temperature 1, asked with
prompt <2> and with prompt <3>.
"""

import random
from dataclasses import asdict

from r1aqa_helpers.course.answer_groups import RECORDED, sample_groups
from r1aqa_helpers.data import read_questions
from r1aqa_helpers.models import load
from r1aqa_helpers.tiny import data
from r1aqa_helpers.utils.io import write_json
from r1aqa_helpers.utils.paths import TINY

SEED, QUESTIONS, SIZE = 0, 12, 8


def main() -> None:
    """Sample and write."""
    questions = read_questions(data.prepare().train)
    drawn = random.Random(SEED).sample(questions, QUESTIONS)
    loaded = load(TINY / "model", "cpu", "float32")
    groups = [
        group for prompt in (2, 3) for group in sample_groups(loaded, drawn, prompt, SIZE, SEED)
    ]
    write_json(
        RECORDED,
        {
            "model": "data/tiny/model",
            "temperature": 1.0,
            "seed": SEED,
            "groups": [asdict(group) for group in groups],
        },
    )
    print(f"{len(groups)} groups of {SIZE} answers")


if __name__ == "__main__":
    main()
