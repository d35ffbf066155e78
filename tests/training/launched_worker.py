"""The command line, with answers that do not depend on who samples them; run by a launcher.

``python launched_worker.py train grpo …``; R1AQA_TEST_FAIL="RANK" makes that process fail in its
second rollout.
"""

import os
import sys

from r1aqa_helpers.cli import main
from r1aqa_helpers.training.grpo.trainer import AudioGRPOTrainer
from r1aqa_helpers.utils.errors import UserError

CHOICES = ("dog", "cat", "car", "bell")


def answer_alike(trainer: AudioGRPOTrainer, model: object, numbers) -> list[list[int]]:
    """A choice by the prompt's tokens and the row's place in its group; some without tags."""
    trainer.rounds = getattr(trainer, "rounds", 0) + 1
    if trainer.rounds == 2 and os.environ.get("R1AQA_TEST_FAIL") == os.environ.get("RANK", "0"):
        raise UserError("question q1: made to fail")
    tokenizer, answers = trainer.loaded.processor.tokenizer, []
    for row, number in enumerate(numbers.tolist()):
        place = row % trainer.num_generations
        choice = CHOICES[(sum(trainer.prompts[number].ids) + place) % len(CHOICES)]
        text = choice if place == 0 else f"<answer>{choice}</answer>"
        tokens = tokenizer(text, add_special_tokens=False)["input_ids"]
        answers.append([*tokens, trainer.loaded.eos_ids[0]])
    return answers


if __name__ == "__main__":
    AudioGRPOTrainer.sample = answer_alike
    sys.exit(main())
