"""What notebook 06 trains: a bandit, weights for the own loop, one step of the trainer."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import inject_adapter_in_model
from transformers import PreTrainedModel, PrinterCallback, TrainerCallback

from r1aqa_helpers.data import AudioQuestion
from r1aqa_helpers.data.prompts import build_prompt, question_text
from r1aqa_helpers.hardware import Profile
from r1aqa_helpers.models import LoadedModel
from r1aqa_helpers.models.lora import lora_config
from r1aqa_helpers.training import quiet
from r1aqa_helpers.training.grpo.run import audio_grpo_config
from r1aqa_helpers.training.grpo.trainer import AudioGRPOTrainer
from r1aqa_helpers.training.logprobs import disable_scoring
from r1aqa_helpers.training.rewards import rewards_for


def policy_gradients(
    logits: torch.Tensor, arms: torch.Tensor, weights: torch.Tensor
) -> torch.Tensor:
    """What each pull alone says about the gradient: weight * grad log pi(arm).

    For a softmax over logits, grad log pi(arm) is the arm's one-hot vector minus pi (Williams,
    1992, REINFORCE, https://doi.org/10.1007/BF00992696).

    Args:
        logits: (..., arms), the policy.
        arms: (..., n), the arms that were pulled, from 0.
        weights: (..., n), rewards or advantages.

    Returns:
        (..., n, arms), one estimate per pull; their mean over n is the usual estimate.
    """
    policy = torch.softmax(logits, dim=-1).unsqueeze(-2)
    pulled = torch.nn.functional.one_hot(arms, logits.shape[-1]).to(policy)
    return weights.unsqueeze(-1) * (pulled - policy)


def learn(
    pays: torch.Tensor,
    baseline: bool,
    shift: float = 0.0,
    group: int = 8,
    steps: int = 150,
    lr: float = 0.4,
    runs: int = 200,
    seed: int = 0,
) -> torch.Tensor:
    """Train ``runs`` bandit policies by REINFORCE, each step from a group of pulls.

    Args:
        pays: (arms,), the chance that a pull pays 1.
        baseline: subtract the group's mean reward.
        shift: added to every reward; changes nothing about which arm is best.

    Returns:
        (runs, steps), the chance to be paid under the policy before each step.
    """
    random = torch.Generator().manual_seed(seed)
    logits = torch.zeros(runs, len(pays))
    curve = []
    for _ in range(steps):
        policy = torch.softmax(logits, dim=-1)
        curve.append(policy @ pays)
        arms = torch.multinomial(policy, group, replacement=True, generator=random)
        rewards = torch.bernoulli(pays[arms], generator=random) + shift
        if baseline:
            rewards = rewards - rewards.mean(dim=1, keepdim=True)
        logits = logits + lr * policy_gradients(logits, arms, rewards).mean(dim=1)
    return torch.stack(curve, dim=1)


#: Answers of the compared step are cut here, so that it takes seconds.
_ANSWER_TOKENS = 24


def trainable(model: PreTrainedModel, profile: Profile) -> list[torch.nn.Parameter]:
    """The weights that this profile trains: all, or those of an adapter put into ``model``.

    The adapter's are float32, whatever the model's dtype: small steps vanish in bfloat16.
    """
    rank = profile.grpo.get("lora_rank", 0)
    if rank:
        inject_adapter_in_model(lora_config(rank), model)
    chosen = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if rank:
        for parameter in chosen:
            parameter.data = parameter.data.float()
    return chosen


@dataclass(frozen=True)
class Said:
    """One answer of the compared step."""

    question: AudioQuestion
    tokens: list[int]
    """Up to and with the end token."""
    reward: float


@dataclass(frozen=True)
class TrainerStep:
    """What the trainer did in one step, and between which models."""

    said: list[Said]
    loss: float
    gradients: dict[str, torch.Tensor]
    reference: PreTrainedModel
    """The model before it was nudged."""


def trainer_step(
    loaded: LoadedModel,
    questions: Sequence[AudioQuestion],
    folder: Path,
    group_size: int = 8,
    nudge: float = 0.1,
    seed: int = 0,
) -> TrainerStep:
    """One step of `AudioGRPOTrainer` at learning rate 0, so that ``loaded`` stays the policy.

    The policy is nudged away from the reference first, by noise of ``nudge`` times each tensor's
    own deviation: otherwise the KL term would be 0, and so would its gradient.

    Args:
        loaded: in float32 on the CPU; its weights are nudged.
        folder: for what the trainer writes.
    """
    rewards, watcher, said = rewards_for(2), _Watcher(), []
    by_id = {question.id: question for question in questions}

    def both(
        completions: list[str], completion_ids: list[Any], id: list[str], **columns: Any
    ) -> list[float]:
        totals = [
            sum(parts) for parts in zip(*(f(completions, **columns) for f in rewards), strict=True)
        ]
        said.extend(
            Said(by_id[name], list(tokens), total)
            for name, tokens, total in zip(id, completion_ids, totals, strict=True)
        )
        return totals

    with quiet():
        trainer = AudioGRPOTrainer(
            model=loaded.model,
            reward_funcs=both,
            args=audio_grpo_config(
                folder,
                num_generations=group_size,
                per_device_train_batch_size=group_size * len(questions),
                max_completion_length=_ANSWER_TOKENS,
                max_steps=1,
                learning_rate=0.0,
                max_grad_norm=0.0,
                shuffle_dataset=False,
                save_strategy="no",
                use_cpu=True,
                seed=seed,
            ),
            processing_class=loaded.processor,
            train_dataset=_rows(questions),
            callbacks=[watcher],
        )
        trainer.remove_callback(PrinterCallback)
        reference = copy.deepcopy(trainer.ref_model)
        disable_scoring(reference)
        _nudge(loaded.model, nudge, seed)
        trainer.train()
        trainer.release()
    return TrainerStep(said, watcher.loss, watcher.gradients, reference)


class _Watcher(TrainerCallback):
    """The step's loss and gradients."""

    def __init__(self) -> None:
        self.loss = float("nan")
        self.gradients: dict[str, torch.Tensor] = {}

    def on_pre_optimizer_step(self, *_: Any, model: PreTrainedModel, **rest: Any) -> None:
        self.gradients = {
            name: parameter.grad.clone()
            for name, parameter in model.named_parameters()
            if parameter.grad is not None
        }

    def on_log(self, *_: Any, logs: dict[str, float], **rest: Any) -> None:
        self.loss = logs.get("loss", self.loss)


def _nudge(model: PreTrainedModel, by: float, seed: int) -> None:
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=random)
            parameter.add_(by * parameter.std().nan_to_num(0) * noise)


def _rows(questions: Sequence[AudioQuestion]) -> Dataset:
    return Dataset.from_list(
        [
            {
                "id": question.id,
                "prompt": build_prompt(question_text(question), question.choices, 2),
                "audio": str(question.audio),
                "solution": question.answer,
            }
            for question in questions
        ]
    )
