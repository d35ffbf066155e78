"""Supervised fine-tuning on the correct answers, the method that GRPO is compared with."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import get_peft_model
from torch import nn
from transformers import Trainer, TrainingArguments

from r1aqa_helpers.data import AudioQuestion
from r1aqa_helpers.data.prompts import build_prompt, question_text
from r1aqa_helpers.models import LoadedModel
from r1aqa_helpers.models.lora import lora_config
from r1aqa_helpers.training.callbacks import ExactResume, Watch, check_loss
from r1aqa_helpers.training.distributed import on_one_gpu
from r1aqa_helpers.training.logprobs import Answers, enable_scoring
from r1aqa_helpers.training.out_of_memory import HalvesBatches
from r1aqa_helpers.training.prompt_cache import PromptCache
from r1aqa_helpers.training.run import RowMaker, run_training
from r1aqa_helpers.training.settings import TrainingSettings, run_schedule
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import json_digest

#: What is learnt as the answer to the paper's prompts, before the end of the turn.
_ANSWERS = {
    1: "{answer}",
    2: "<answer>{answer}</answer>",
    3: "<think>{reasoning}</think><answer>{answer}</answer>",
}
_REASONED = 3
#: Where a question's ``extra`` holds a whole completion to be learnt.
COMPLETION = "completion"


@dataclass(frozen=True, kw_only=True)
class SFTSettings(TrainingSettings):
    """The paper's SFT code is not published; these are common values for a 7B model."""

    batch_size: int = 16
    rows_per_forward: int = 1
    """Rows that go through the model together: memory against speed, not the result."""
    lr: float = 1e-5


class AnswerTrainer(HalvesBatches, ExactResume, Trainer):
    """Minimises the cross-entropy of the answers' tokens, and of nothing else."""

    def __init__(self, prompts: PromptCache, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._prompts = prompts

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, torch.Tensor],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """The loss: minus the mean log-probability per answer token, over the whole step."""
        labels, numbers = inputs["labels"][:, 1:], inputs["prompt_number"].tolist()
        # Gradients are averaged over the processes, but each has only its share of the tokens.
        count, processes = num_items_in_batch, self.accelerator.num_processes
        if count is None:
            count, processes = (labels >= 0).sum(), 1

        def of_rows(rows: slice) -> torch.Tensor:
            logps = self._logps(model, labels[rows], numbers[rows])
            check_loss(logps.sum(), self.state.global_step + 1)
            return -logps.sum() / count * processes

        return self.in_halves(len(labels), of_rows, share=lambda rows: 1.0)

    def forget_passes(self, count: int) -> None:
        """Nothing: a pass is given its rows."""

    def _logps(self, model: nn.Module, labels: torch.Tensor, numbers: list[int]) -> torch.Tensor:
        """Of each answer's tokens, (N, C), 0 where there is no label."""
        ids, mask = self._prompts.tokens(numbers, labels.device)
        answers = Answers(
            prompt_ids=ids,
            prompt_mask=mask,
            ids=labels.clamp(min=0),
            mask=(labels >= 0).long(),
            group=torch.arange(len(labels), device=labels.device),
            clips=self._prompts.clips(numbers, labels.device),
            shared_prefix=False,
        )
        return model(answers=answers)[0]


def train_sft(
    loaded: LoadedModel,
    questions: Sequence[AudioQuestion],
    settings: SFTSettings,
    out_dir: str | Path,
    watch: Watch | None = None,
) -> Path:
    """Train ``loaded`` in place, and save it; after an interruption, the same call continues.

    Writes to ``out_dir`` what `training` describes, with loss (nats per token), lr, grad_norm
    seconds and tokens (the number that was learnt) in ``metrics.jsonl``.

    With prompt <3> each question's ``extra["reasoning"]`` (a field of that name in its line) is
    learnt before its answer, between the tags of thinking. Where a question has an
    ``extra["completion"]``, this text is learnt as it is, and nothing else.

    ``loaded``, ``watch``, and what is returned and raised, as in `run.run_training`; also a
    ``UserError`` where prompt <3> has a question without reasoning.
    """
    if settings.prompt not in _ANSWERS:
        known = ", ".join(map(str, _ANSWERS))
        raise UserError(f"SFT: prompt {settings.prompt} has no written answers; choose of {known}")
    texts = [_learnt(loaded, question, settings.prompt) for question in questions]
    written = {
        "reasoning": settings.prompt == _REASONED,
        "completions": any(COMPLETION in question.extra for question in questions),
    }
    learnt = json_digest(texts)
    facts: dict[str, Any] = {name: learnt for name, there in written.items() if there}

    def build(at_once: int, shared: dict[str, Any]) -> tuple[AnswerTrainer, RowMaker]:
        enable_scoring(loaded.model)
        model, rank = loaded.model, settings.lora_rank
        if rank:
            torch.manual_seed(settings.seed)
            model = get_peft_model(model, lora_config(rank, not settings.encoder_frozen))
        prompts = PromptCache(loaded)
        rows: list[dict[str, Any]] = []
        needed = settings.steps * settings.batch_size
        for index in run_schedule(len(questions), needed, settings.seed):
            question = questions[index]
            text = build_prompt(question_text(question), question.choices, settings.prompt)
            answer = _tokens(loaded, texts[index])
            rows.append({"prompt_number": prompts.number(text, question.audio), "answer": answer})
        trainer = AnswerTrainer(
            prompts,
            model=model,
            args=on_one_gpu(
                TrainingArguments(
                    str(out_dir),
                    per_device_train_batch_size=at_once,
                    train_sampling_strategy="sequential",
                    remove_unused_columns=False,
                    **shared,
                )
            ),
            train_dataset=Dataset.from_list(rows),
            data_collator=collate,
            processing_class=loaded.processor,
        )

        def row(logs: dict[str, Any]) -> dict[str, Any]:
            end = trainer.state.global_step * settings.batch_size
            learnt = rows[end - settings.batch_size : end]
            return {**_metrics(logs), "tokens": sum(len(one["answer"]) for one in learnt)}

        return trainer, row

    step = "rows", settings.batch_size, settings.rows_per_forward
    return run_training("SFT", loaded, questions, settings, out_dir, build, step, facts, watch)


def _learnt(loaded: LoadedModel, question: AudioQuestion, prompt: int) -> str:
    """The text to be learnt as the answer to a question.

    Raises ``UserError`` as `_reasoning`, or if a completion holds special tokens.
    """
    if COMPLETION not in question.extra:
        reasoning = _reasoning(loaded, question) if prompt == _REASONED else ""
        return _ANSWERS[prompt].format(answer=question.answer, reasoning=reasoning)
    text = question.extra[COMPLETION]
    if not isinstance(text, str) or not text:
        raise UserError(f"question {question.id}: field completion: has no text; give one, or none")
    for mark in loaded.processor.tokenizer.all_special_tokens:
        if mark in text:
            raise UserError(f"question {question.id}: field completion: holds {mark}; remove it")
    return text


def _reasoning(loaded: LoadedModel, question: AudioQuestion) -> str:
    """The reasoning to be learnt before the question's answer.

    Raises ``UserError`` if it is missing, or holds tags or special tokens, which would end it.
    """
    reasoning = question.extra.get("reasoning")
    if not isinstance(reasoning, str) or not reasoning.strip():
        raise UserError(
            f"question {question.id}: field reasoning: has no text to learn before the answer; "
            "write one, or train with prompt 1 or 2"
        )
    tags = ("<think>", "</think>", "<answer>", "</answer>")
    for mark in (*tags, *loaded.processor.tokenizer.all_special_tokens):
        if mark in reasoning:
            raise UserError(f"question {question.id}: field reasoning: holds {mark}; remove it")
    return reasoning.strip()


def _tokens(loaded: LoadedModel, text: str) -> list[int]:
    tokenizer = loaded.processor.tokenizer
    return tokenizer(text, add_special_tokens=False)["input_ids"] + [loaded.eos_ids[0]]


def collate(rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    """``prompt_number`` (N,), and ``labels`` (N, 1 + C) for one prompt token and the answers.

    Only the answers' tokens, their end token included, have a label; the rest is -100. One column
    stands for the prompt, since Trainer counts labels from the second column on.
    """
    widest = max(len(row["answer"]) for row in rows)
    labels = torch.full((len(rows), 1 + widest), -100)
    for place, row in enumerate(rows):
        labels[place, 1 : 1 + len(row["answer"])] = torch.tensor(row["answer"])
    numbers = torch.tensor([row["prompt_number"] for row in rows])
    return {"prompt_number": numbers, "labels": labels}


def _metrics(logs: dict[str, Any]) -> dict[str, Any]:
    return {"loss": logs["loss"], "lr": logs["learning_rate"], "grad_norm": logs.get("grad_norm")}
