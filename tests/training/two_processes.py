"""Run by test_processes.py under torchrun: one GRPO step, its answers and gradients to a file."""

import gc
import sys
from pathlib import Path

import torch
from accelerate.utils import gather_object
from test_trainer import GROUP, Recorder, make, rows, shifted

from r1aqa_helpers.data import read_questions
from r1aqa_helpers.models import LoadedModel
from r1aqa_helpers.tiny.build import random_tiny


def main() -> None:
    """One step of two groups on each process; the first writes what all of them sampled."""
    torch.set_num_threads(1)
    folder = Path(sys.argv[1])
    questions = read_questions(folder / "questions.jsonl")
    loaded, recorder = LoadedModel(*random_tiny(seed=0), "random"), Recorder()
    trainer = make(
        loaded, rows(questions), folder / "out", recorder, per_device_train_batch_size=2 * GROUP
    )
    shifted(trainer.model)
    trainer.train()
    sampled = gather_object(recorder.sampled[0])
    if trainer.accelerator.is_main_process:
        strip = "module."
        torch.save(
            {
                "processes": trainer.accelerator.num_processes,
                "sampled": [list(one) for one in sampled],
                "loss": recorder.logs[0]["loss"],
                "gradients": {k.removeprefix(strip): g for k, g in recorder.gradients[0].items()},
                "rollouts": [rollout["id"] for rollout in trainer.rollouts],
            },
            folder / "found.pt",
        )
    # Both are done before either goes: gloo can wait for ever for a peer that has gone.
    torch.distributed.barrier()
    del trainer
    gc.collect()
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
