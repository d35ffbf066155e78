"""Supervised fine-tuning on the right answers, the method that GRPO is compared with."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import get_peft_model
from torch import nn
from transformers import PreTrainedModel, Trainer, TrainingArguments

from . import processes
from .errors import UserError
from .gathering import whole_model
from .grpo.prompt_store import PromptStore
from .grpo.scoring import Answers, accept_answers, refuse_answers
from .models import LoadedModel
from .models.lora import choose_trained, lora_config
from .models.precision import training_precision
from .prompts import build_prompt, question_text
from .questions import AudioQuestion
from .training import (
    ExactResume,
    Journal,
    TrainingSettings,
    Watch,
    check_answers,
    check_loss,
    describe_run,
    divide_step,
    open_run,
    quiet,
    run_schedule,
    save_trained,
    show_made,
    train_with,
)

#: What is learnt as the answer to the paper's prompts, before the end of the turn.
_ANSWERS = {
    1: "{answer}",
    2: "<answer>{answer}</answer>",
    3: "<think>{reasoning}</think><answer>{answer}</answer>",
}
_REASONED = 3


@dataclass(frozen=True, kw_only=True)
class SFTSettings(TrainingSettings):
    """The paper's SFT code is not published; these are common values for a 7B model."""

    batch_size: int = 16
    rows_per_forward: int = 1
    """Rows that go through the model together: memory against speed, not the result."""
    lr: float = 1e-5


class AnswerTrainer(ExactResume, Trainer):
    """Minimises the cross-entropy of the answers' tokens, and of nothing else."""

    def __init__(self, store: PromptStore, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._store = store

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, torch.Tensor],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Minus the mean log-probability per answer token, over the whole step."""
        labels, numbers = inputs["labels"][:, 1:], inputs["prompt_number"].tolist()
        ids, mask = self._store.tokens(numbers, labels.device)
        answers = Answers(
            prompt_ids=ids,
            prompt_mask=mask,
            ids=labels.clamp(min=0),
            mask=(labels >= 0).long(),
            group=torch.arange(len(labels), device=labels.device),
            clips=self._store.clips(numbers, labels.device),
            shared_prefix=False,
        )
        logps, _ = model(answers=answers)
        check_loss(logps.sum(), self.state.global_step + 1)
        if num_items_in_batch is None:
            return -logps.sum() / answers.mask.sum()
        # Gradients are averaged over the processes, but each has only its share of the tokens.
        return -logps.sum() / num_items_in_batch * self.accelerator.num_processes


def train_sft(
    loaded: LoadedModel,
    questions: Sequence[AudioQuestion],
    settings: SFTSettings,
    out_dir: str | Path,
    watch: Watch | None = None,
) -> Path:
    """Train ``loaded`` in place, and save it; interrupted, the same call goes on from there.

    Writes to ``out_dir`` what `training` describes, with loss (nats per token), lr, grad_norm
    and seconds in ``metrics.jsonl``.

    With prompt <3> each question's ``extra["reasoning"]`` (a field of that name in its line) is
    learnt before its answer, between the tags of thinking.

    ``watch``: called with each step's row, for curves that grow meanwhile; first with those of the
    steps that were made before.

    For full training, load the model in float32: small steps vanish in bfloat16's rounding.

    Returns:
        The folder of the trained model, for ``models.load``; adapters are merged (and saved alone
        beside it). Where the run
        had already ended, that folder, with ``loaded`` as it was.

    Raises:
        UserError: a question without an answer, or without the reasoning where it is to be
            learnt; a clip that cannot be read, settings that do not fit one another, or a folder
            that holds another run.
    """
    out_dir = Path(out_dir)
    check_answers(questions)
    if settings.prompt not in _ANSWERS:
        known = ", ".join(map(str, _ANSWERS))
        raise UserError(f"SFT: prompt {settings.prompt} has no written answers; choose of {known}")
    training_precision(loaded.model, settings.lora_rank, settings.optim)
    choose_trained(loaded.model, settings.lora_rank, settings.tower_frozen)
    processes.join(loaded.device)
    division = divide_step("SFT", "rows", settings.batch_size, settings.rows_per_forward)
    description = describe_run(loaded, questions, settings)
    if settings.prompt == _REASONED:
        reasoning = [reasoning_of(loaded, question) for question in questions]
        digest = hashlib.sha256(json.dumps(reasoning).encode()).hexdigest()
        description = {"reasoning": digest[:16], **description}
    checkpoint = open_run(out_dir, description, ("metrics.jsonl",))
    watch = show_made(watch, out_dir, "SFT")
    if (out_dir / "model").is_dir():
        return out_dir / "model"
    with quiet():
        model = _train(loaded, questions, settings, division, out_dir, checkpoint, watch)
        trained = LoadedModel(model, loaded.processor, loaded.name)
        save_trained(trained, out_dir, "sft", questions, settings)
    return out_dir / "model"


def reasoning_of(loaded: LoadedModel, question: AudioQuestion) -> str:
    """The reasoning that is to be learnt before the question's answer.

    Raises ``UserError`` where there is none, or one with tags or special tokens in it, which
    would end the thinking or the turn within it.
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


def answer_tokens(loaded: LoadedModel, answer: str, prompt: int, reasoning: str = "") -> list[int]:
    """What the model shall write after prompt <``prompt``>, up to and with the turn's end."""
    tokenizer = loaded.processor.tokenizer
    text = _ANSWERS[prompt].format(answer=answer, reasoning=reasoning)
    return tokenizer(text, add_special_tokens=False)["input_ids"] + [loaded.eos_ids[0]]


def collate(rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    """``prompt_number`` (N,), and ``labels`` (N, 1 + C) for one prompt token and the answers.

    Only the answers' tokens, their end token among them, have a label; all else is -100. Of the
    prompt, one column stands for all: Trainer counts labels from the second column on.
    """
    widest = max(len(row["answer"]) for row in rows)
    labels = torch.full((len(rows), 1 + widest), -100)
    for place, row in enumerate(rows):
        labels[place, 1 : 1 + len(row["answer"])] = torch.tensor(row["answer"])
    numbers = torch.tensor([row["prompt_number"] for row in rows])
    return {"prompt_number": numbers, "labels": labels}


def _train(
    loaded: LoadedModel,
    questions: Sequence[AudioQuestion],
    settings: SFTSettings,
    division: tuple[int, int],
    out_dir: Path,
    checkpoint: Path | None,
    watch: Watch | None,
) -> PreTrainedModel:
    accept_answers(loaded.model)
    model: Any = loaded.model
    if settings.lora_rank:
        torch.manual_seed(settings.seed)
        model = get_peft_model(model, lora_config(settings.lora_rank, not settings.tower_frozen))
    store = PromptStore(loaded)
    trainer = AnswerTrainer(
        store,
        model=model,
        args=_arguments(loaded, settings, division, out_dir),
        train_dataset=_rows(loaded, store, questions, settings),
        data_collator=collate,
        processing_class=loaded.processor,
    )

    def row(logs: dict[str, Any]) -> dict[str, Any]:
        norm = logs.get("grad_norm")
        return {"loss": logs["loss"], "lr": logs["learning_rate"], "grad_norm": norm}

    try:
        train_with(trainer, Journal(out_dir, "SFT", row, settings.minutes, watch), checkpoint)
    finally:
        refuse_answers(loaded.model)
        loaded.model.eval()
    return whole_model(trainer)


def _rows(
    loaded: LoadedModel,
    store: PromptStore,
    questions: Sequence[AudioQuestion],
    settings: SFTSettings,
) -> Dataset:
    """One row per example, in order."""
    needed = settings.steps * settings.batch_size
    rows = []
    for index in run_schedule(len(questions), needed, settings.seed):
        question = questions[index]
        text = build_prompt(question_text(question), question.choices, settings.prompt)
        number = store.number(text, question.audio)
        reasoned = settings.prompt == _REASONED
        reasoning = reasoning_of(loaded, question) if reasoned else ""
        answer = answer_tokens(loaded, question.answer, settings.prompt, reasoning)
        rows.append({"prompt_number": number, "answer": answer})
    return Dataset.from_list(rows)


def _arguments(
    loaded: LoadedModel, settings: SFTSettings, division: tuple[int, int], out_dir: Path
) -> TrainingArguments:
    at_once, passes = division
    return TrainingArguments(
        output_dir=str(out_dir),
        max_steps=settings.steps,
        per_device_train_batch_size=at_once,
        gradient_accumulation_steps=passes,
        learning_rate=settings.lr,
        lr_scheduler_type="linear",
        train_sampling_strategy="sequential",
        save_strategy="steps",
        save_steps=settings.save_every,
        save_total_limit=2,
        logging_steps=1,
        seed=settings.seed,
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        ddp_find_unused_parameters=False,
        use_cpu=loaded.device.type == "cpu",
        optim=settings.optim,
        **training_precision(loaded.model, settings.lora_rank, settings.optim),
    )
