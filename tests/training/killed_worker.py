"""Run by test_processes.py: SFT whose process is killed in the middle of its third checkpoint."""

import os
import signal
import sys
from pathlib import Path

from transformers import Trainer

from r1aqa_helpers.data import read_questions
from r1aqa_helpers.models import LoadedModel
from r1aqa_helpers.tiny.build import random_tiny
from r1aqa_helpers.training.sft import SFTSettings, train_sft

SETTINGS = SFTSettings(steps=4, batch_size=2, rows_per_forward=2, lr=1e-2, save_every=1)


def train(questions: Path, out: Path) -> Path:
    """The run, from a random model."""
    loaded = LoadedModel(*random_tiny(seed=0), "random")
    return train_sft(loaded, read_questions(questions), SETTINGS, out)


def killed_at_third(trainer: Trainer, output_dir: str) -> None:
    """In place of writing the optimiser, after the weights: there is no warning, no cleaning up."""
    if trainer.state.global_step == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    written(trainer, output_dir)


if __name__ == "__main__":
    written = Trainer._save_optimizer_and_scheduler
    Trainer._save_optimizer_and_scheduler = killed_at_third
    train(*map(Path, sys.argv[1:]))
