"""Time the shipped trainer's update with the shared prefix and without, and its stages apart.

Without sharing (``shared_prefix=False``) each answer computes its clip, its prompt and itself;
with it, a group computes clip and prompt once. Both train all weights of the shipped tiny model in
float32, on 8 questions of noise (4 at G = 16), answers of 9 tokens (end tokens are suppressed).

- **update**: one step of the trainer, from the batch to the new weights: clips and log-mel,
  rollout, rewards, the reference's and the policy's scoring, backward pass, AdamW.
- **rollout**: sampling alone.
- **forward_backward**: the policy's scoring with its backward pass alone.
- **reference**: scoring without a gradient alone.

"tiny" prompts are those of tiny-avqa with clips of 3 s; "avqa" ones have as many tokens as AVQA's
at 7B (250 for the clip and 80 of text), here 100 for the clip and 230 of text.
"""

import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from common import (
    alternate,
    audio_trainer,
    long_prompt,
    noise_questions,
    parser,
    prompt_rows,
    ratio,
    time_steps,
    tiny_model,
    write_result,
)

from r1aqa_helpers.data.prompts import build_prompt
from r1aqa_helpers.models import LoadedModel
from r1aqa_helpers.training import quiet
from r1aqa_helpers.training.grpo.trainer import AudioGRPOTrainer
from r1aqa_helpers.training.logprobs import Answers, answer_logps
from r1aqa_helpers.training.prompt_cache import PromptCache

#: The length that R1-AQA's answers settle at.
ANSWER_TOKENS = 9
#: name -> seconds of the clip, tokens of the text (None: tiny-avqa's)
PROMPTS: dict[str, tuple[float, int | None]] = {"tiny": (3.0, None), "avqa": (4.0, 230)}
GROUPS = (4, 8, 16)
QUESTIONS = {4: 8, 8: 8, 16: 4}
SHOWN = ("avqa", 8)


def whole_updates(
    loaded: LoadedModel, rows: Sequence[dict[str, str]], group: int, runs: int
) -> dict[str, list[float]]:
    """Seconds of whole updates, plain and shared in turns, after one warm-up each."""
    with tempfile.TemporaryDirectory() as folder, quiet():
        trainer = audio_trainer(
            loaded, rows, folder, group, ANSWER_TOKENS, learning_rate=1e-6, max_steps=2 * runs + 2
        )

        def before(step: int) -> None:
            trainer.shared_prefix = step % 2 == 1
            trainer.prompts = PromptCache(loaded)  # in a real run the questions are new ones

        seconds = time_steps(trainer, before)
        trainer.release()
    return {"plain": seconds[2::2], "shared": seconds[3::2]}


def stages(
    loaded: LoadedModel, rows: Sequence[dict[str, str]], group: int, runs: int
) -> dict[str, dict[str, list[float]]]:
    """Seconds of rollout, scoring with backward and scoring alone, plain and shared in turns."""
    with tempfile.TemporaryDirectory() as folder, quiet():
        trainer = audio_trainer(loaded, rows, folder, group, ANSWER_TOKENS)
    numbers = torch.tensor([trainer.number_prompt(row) for row in rows]).repeat_interleave(group)
    with quiet():
        answers = packed_answers(trainer, numbers)
    trainer.release()
    works = {
        "rollout": lambda shared: roll(trainer, numbers, shared),
        "forward_backward": lambda shared: backward(loaded, answers, shared),
        "reference": lambda shared: forward(loaded, answers, shared),
    }
    return {
        name: alternate({"plain": partial(work, False), "shared": partial(work, True)}, runs)
        for name, work in works.items()
    }


def roll(trainer: AudioGRPOTrainer, numbers: torch.Tensor, shared: bool) -> list[list[int]]:
    """Sample an answer for each prompt number."""
    trainer.shared_prefix = shared
    return trainer.sample(trainer.loaded.model, numbers)


def packed_answers(trainer: AudioGRPOTrainer, numbers: torch.Tensor) -> Answers:
    """Sampled answers as `answer_logps` takes them."""
    said = torch.tensor(roll(trainer, numbers, True))
    distinct, group = numbers.unique(return_inverse=True)
    device = trainer.loaded.device
    ids, mask = trainer.prompts.tokens(distinct.tolist(), device)
    return Answers(
        prompt_ids=ids[group],
        prompt_mask=mask[group],
        ids=said,
        mask=torch.ones_like(said),
        group=group,
        clips=trainer.prompts.clips(distinct.tolist(), device),
        entropy=True,
    )


def backward(loaded: LoadedModel, answers: Answers, shared: bool) -> None:
    """Score the answers and go back through the model."""
    loaded.model.zero_grad()
    answer_logps(loaded.model, replace(answers, shared_prefix=shared))[0].mean().backward()


@torch.no_grad()
def forward(loaded: LoadedModel, answers: Answers, shared: bool) -> None:
    """Score the answers as the reference model does."""
    answer_logps(loaded.model, replace(answers, shared_prefix=shared, entropy=False))


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure every prompt length and group size, print the ratios, and write them."""
    options = parser(__doc__).parse_args(arguments)
    loaded = tiny_model()
    cells = []
    for kind, (seconds, tokens) in PROMPTS.items():
        for group in GROUPS:
            with tempfile.TemporaryDirectory() as folder:
                questions = noise_questions(Path(folder), QUESTIONS[group], seconds)
                prompt = build_prompt(questions[0].question, questions[0].choices, 2)
                if tokens:
                    prompt = long_prompt(loaded, tokens, prompt)
                rows = prompt_rows(questions, prompt)
                measured = stages(loaded, rows, group, options.runs)
                measured["update"] = whole_updates(loaded, rows, group, options.runs)
            ratios = {name: ratio(each, "plain", "shared") for name, each in measured.items()}
            cells.append(
                {
                    "prompt": kind,
                    "group": group,
                    "questions": len(rows),
                    "ratios": ratios,
                    "median_seconds": {
                        name: {side: statistics.median(each) for side, each in both.items()}
                        for name, both in measured.items()
                    },
                    "seconds": measured,
                }
            )
            print(
                f"{kind:5} G {group:2}  "
                + "  ".join(
                    f"{name} {statistics.median(both['plain']):.3f} -> "
                    f"{statistics.median(both['shared']):.3f} s "
                    f"({ratios[name]:.1f}x)"
                    for name, both in measured.items()
                ),
                flush=True,
            )
    write_result("grpo_update", {"cells": cells}, n=options.runs, folder=options.out)
    shown = next(cell for cell in cells if (cell["prompt"], cell["group"]) == SHOWN)["ratios"]
    print(
        f"update {shown['update']:.1f} forward_backward {shown['forward_backward']:.1f} "
        f"rollout {shown['rollout']:.1f}"
    )


if __name__ == "__main__":
    sys.exit(main())
