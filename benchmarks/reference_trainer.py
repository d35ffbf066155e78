"""Time one GRPO update as the published R1-AQA trainer performs it against the shipped trainer.

Written here from a description of that trainer; none of its code is used. For each question:

1. ``generate`` with ``num_return_sequences``: text and features are repeated for the answers, so
   that audio encoder and language model take the same prompt in once per answer;
2. the features repeated and padded to the whole window, the policy's forward pass on all full
   rows, with logits at every position;
3. the same with a second model, the reference;
4. R1-AQA's loss, its backward pass, and after the last question AdamW's step.

Questions go through it one at a time: its repetition of the features pairs them with the wrong
prompts in larger batches. Both trainers answer the same questions, with as many answers of as
many tokens (end tokens are suppressed), from the same weights, read the recordings again, and
train all weights in float32.
"""

import copy
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from common import (
    audio_trainer,
    noise_questions,
    parser,
    prompt_rows,
    ratio,
    suppressed,
    time_steps,
    timed,
    tiny_model,
    varied_reward,
    write_result,
)
from torch import nn
from transformers import GenerationConfig, Qwen2AudioForConditionalGeneration

from r1aqa_helpers.data.audio import load_audio
from r1aqa_helpers.data.prompts import build_prompt
from r1aqa_helpers.models import LoadedModel, chat_text, encode
from r1aqa_helpers.models.generation_config import NEUTRAL, own_generation_config
from r1aqa_helpers.training import quiet
from r1aqa_helpers.training.prompt_cache import PromptCache

QUESTIONS = 8
GROUP = 8
#: The length that R1-AQA's answers settle at.
ANSWER_TOKENS = 9
#: Whole windows of the tiny model: with shorter clips the published way would lose more.
CLIP_SECONDS = 4.0
LEARNING_RATE = 1e-6
BETA = 0.04


class PublishedTrainer:
    """GRPO updates of ``loaded.model`` as the module's docstring describes them."""

    def __init__(self, loaded: LoadedModel, group: int, answer_tokens: int) -> None:
        """The reference is the model as it now is. Dropout is off, as the model is shipped."""
        self.loaded, self.group = loaded, group
        self.reference = copy.deepcopy(loaded.model).requires_grad_(False)
        trained = [p for p in loaded.model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(trained, lr=LEARNING_RATE, weight_decay=0.0)
        self.config = GenerationConfig(
            **{
                **NEUTRAL,
                "do_sample": True,
                "max_new_tokens": answer_tokens,
                "num_return_sequences": group,
                "eos_token_id": loaded.eos_ids,
                "pad_token_id": loaded.pad_id,
                "suppress_tokens": suppressed(loaded),
            }
        )

    def update(self, rows: Sequence[Mapping[str, str]]) -> None:
        """One optimiser step on the questions in ``rows``."""
        for row in rows:
            inputs = self.inputs(row)
            answers = self.sample(inputs)
            rewards = torch.tensor(varied_reward(answers.tolist()))
            (self.loss(inputs, answers, rewards) / len(rows)).backward()
        nn.utils.clip_grad_norm_(self.loaded.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()

    def inputs(self, row: Mapping[str, str]) -> dict[str, torch.Tensor]:
        """The question's text and recording as the model takes them, one row of each."""
        text = chat_text(self.loaded, row["prompt"])
        return dict(encode(self.loaded, [text], [load_audio(row["audio"])]))

    @torch.no_grad()
    def sample(self, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """(group, answer tokens): sampled answers, without the prompt."""
        model = self.loaded.model
        with own_generation_config(model, self.config):
            tokens = model.generate(**inputs, generation_config=self.config)
        return tokens[:, inputs["input_ids"].shape[1] :]

    def loss(
        self, inputs: Mapping[str, torch.Tensor], answers: torch.Tensor, rewards: torch.Tensor
    ) -> torch.Tensor:
        """R1-AQA's: per answer the mean of -(exp(l - l.detach()) A - beta KL), then their mean.

        The first step on answers from the policy itself: their ratio is 1, with a gradient.

        Args:
            answers: (group, answer tokens), all tokens counted.
            rewards: (group,).
        """
        logps = answer_logps(self.loaded.model, inputs, answers)
        with torch.no_grad():
            ref_logps = answer_logps(self.reference, inputs, answers)
        difference = ref_logps - logps
        divergence = torch.exp(difference) - difference - 1
        advantages = (rewards - rewards.mean()) / (rewards.std() + 1e-4)
        gain = torch.exp(logps - logps.detach()) * advantages.unsqueeze(1)
        return -(gain - BETA * divergence).mean(dim=1).mean()


def answer_logps(
    model: Qwen2AudioForConditionalGeneration,
    inputs: Mapping[str, torch.Tensor],
    answers: torch.Tensor,
) -> torch.Tensor:
    """(G, C) log-probabilities of the answers' tokens, from G full rows and all their logits.

    Args:
        inputs: of one prompt.
        answers: (G, C).
    """
    size, width = answers.shape
    ids = torch.cat([inputs["input_ids"].repeat(size, 1), answers], dim=1)
    logits = model(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        input_features=inputs["input_features"].repeat(size, 1, 1),
        feature_attention_mask=inputs["feature_attention_mask"].repeat(size, 1),
    ).logits
    chosen = torch.log_softmax(logits[:, -width - 1 : -1], dim=-1)
    return chosen.gather(-1, answers.unsqueeze(-1)).squeeze(-1)


def compare(
    loaded: LoadedModel,
    rows: Sequence[Mapping[str, str]],
    runs: int,
    group: int = GROUP,
    answer_tokens: int = ANSWER_TOKENS,
) -> dict[str, list[float]]:
    """Seconds of whole updates, ``published`` and ``shipped``, in turns after one warm-up each."""
    published = PublishedTrainer(
        LoadedModel(copy.deepcopy(loaded.model), loaded.processor, loaded.name),
        group,
        answer_tokens,
    )
    seconds = []
    with tempfile.TemporaryDirectory() as folder, quiet():
        trainer = audio_trainer(
            loaded, rows, folder, group, answer_tokens, learning_rate=LEARNING_RATE,
            max_steps=runs + 1,
        )  # fmt: skip

        def before(step: int) -> None:
            seconds.append(timed(lambda: published.update(rows)))
            trainer.prompts = PromptCache(loaded)  # in a real run the questions are new ones

        shipped = time_steps(trainer, before)
    return {"published": seconds[1:], "shipped": shipped[1:]}


def main(arguments: Sequence[str] | None = None) -> None:
    """Time both on the shipped tiny model on the CPU, print the medians, and write them."""
    options = parser(__doc__).parse_args(arguments)
    loaded = tiny_model()
    with tempfile.TemporaryDirectory() as folder:
        questions = noise_questions(Path(folder), QUESTIONS, CLIP_SECONDS)
        prompt = build_prompt(questions[0].question, questions[0].choices, 2)
        seconds = compare(loaded, prompt_rows(questions, prompt), options.runs)
    factor = ratio(seconds, "published", "shipped")
    values: dict[str, Any] = {
        "questions": QUESTIONS,
        "group": GROUP,
        "answer_tokens": ANSWER_TOKENS,
        "clip_seconds": CLIP_SECONDS,
        "seconds": seconds,
        "median_seconds": {name: statistics.median(each) for name, each in seconds.items()},
        "update_vs_published": factor,
    }
    write_result("reference_trainer", values, n=options.runs, folder=options.out)
    for name, each in values["median_seconds"].items():
        print(f"{name:<10} {each:.3f} s an update of {QUESTIONS} questions x {GROUP} answers")
    print(f"update_vs_published {factor:.1f}")


if __name__ == "__main__":
    sys.exit(main())
