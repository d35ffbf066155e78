"""What notebook 06 trains: a bandit, weights for the own loop, one step of the trainer."""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

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
    logits: torch.Tensor, actions: torch.Tensor, weights: torch.Tensor
) -> torch.Tensor:
    """Each sample's own estimate of the gradient: weight * grad log pi(action).

    For a softmax over logits, grad log pi(action) is the action's one-hot vector minus pi
    (Williams, 1992, REINFORCE, https://doi.org/10.1007/BF00992696).

    Args:
        logits: (..., actions), the policy.
        actions: (..., n), the actions that were sampled, from 0.
        weights: (..., n), rewards or advantages.

    Returns:
        (..., n, actions), one estimate per sample; their mean over n is the usual estimate.
    """
    policy = torch.softmax(logits, dim=-1).unsqueeze(-2)
    sampled = torch.nn.functional.one_hot(actions, logits.shape[-1]).to(policy)
    return weights.unsqueeze(-1) * (sampled - policy)


def learn(
    win_rates: torch.Tensor,
    baseline: bool,
    shift: float = 0.0,
    group: int = 8,
    steps: int = 150,
    lr: float = 0.4,
    runs: int = 200,
    seed: int = 0,
) -> torch.Tensor:
    """Train ``runs`` bandit policies by REINFORCE, each step from a group of samples.

    Args:
        win_rates: (actions,), the probability that an action is rewarded with 1.
        baseline: subtract the group's mean reward.
        shift: added to every reward; the same action stays the best.

    Returns:
        (runs, steps), the expected reward of the policy before each step, without ``shift``.
    """
    random = torch.Generator().manual_seed(seed)
    logits = torch.zeros(runs, len(win_rates))
    curve = []
    for _ in range(steps):
        policy = torch.softmax(logits, dim=-1)
        curve.append(policy @ win_rates)
        actions = torch.multinomial(policy, group, replacement=True, generator=random)
        rewards = torch.bernoulli(win_rates[actions], generator=random) + shift
        if baseline:
            rewards = rewards - rewards.mean(dim=1, keepdim=True)
        logits = logits + lr * policy_gradients(logits, actions, rewards).mean(dim=1)
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
    for parameter in chosen if rank else ():
        parameter.data = parameter.data.float()
    return chosen


class SampledAnswer(NamedTuple):
    """One answer of the compared step."""

    question: AudioQuestion
    tokens: list[int]  #: up to and with the end token
    reward: float


class TrainerStep(TrainerCallback):
    """What the trainer did in one step: its answers, loss and gradients, and the reference.

    Attributes:
        said: the answers, in groups.
        reference: the model before its weights were changed by noise.
    """

    def __init__(self) -> None:
        self.said: list[SampledAnswer] = []
        self.loss = float("nan")
        self.gradients: dict[str, torch.Tensor] = {}
        self.reference: PreTrainedModel | None = None

    def on_pre_optimizer_step(self, *_: Any, model: PreTrainedModel, **rest: Any) -> None:
        """Keep the gradients."""
        named = model.named_parameters()
        self.gradients = {name: p.grad.clone() for name, p in named if p.grad is not None}

    def on_log(self, *_: Any, logs: dict[str, float], **rest: Any) -> None:
        """Keep the loss."""
        self.loss = logs.get("loss", self.loss)


def trainer_step(
    loaded: LoadedModel,
    questions: Sequence[AudioQuestion],
    folder: Path,
    group_size: int = 8,
    noise: float = 0.1,
    seed: int = 0,
) -> TrainerStep:
    """One step of `AudioGRPOTrainer` at learning rate 0, so that ``loaded`` stays the policy.

    Noise of ``noise`` times each tensor's standard deviation is added to the policy first:
    otherwise the KL term would be 0, and so would its gradient.

    Args:
        loaded: in float32 on the CPU; its weights are changed.
        folder: for what the trainer writes.
    """
    rewards, step = rewards_for(2), TrainerStep()
    by_id = {question.id: question for question in questions}

    def both(
        completions: list[str], completion_ids: list[Any], id: list[str], **columns: Any
    ) -> list[float]:
        parts = [reward(completions, **columns) for reward in rewards]
        totals = [sum(of_one) for of_one in zip(*parts, strict=True)]
        answers = zip(id, completion_ids, totals, strict=True)
        step.said.extend(SampledAnswer(by_id[i], list(ids), total) for i, ids, total in answers)
        return totals

    rows = [
        {
            "id": question.id,
            "prompt": build_prompt(question_text(question), question.choices, 2),
            "audio": str(question.audio),
            "solution": question.answer,
        }
        for question in questions
    ]
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
            train_dataset=Dataset.from_list(rows),
            callbacks=[step],
        )
        trainer.remove_callback(PrinterCallback)
        step.reference = copy.deepcopy(trainer.ref_model)
        disable_scoring(step.reference)
        random = torch.Generator().manual_seed(seed)
        for parameter in loaded.model.parameters():
            drawn = torch.randn(parameter.shape, generator=random)
            parameter.data.add_(noise * parameter.data.std().nan_to_num(0) * drawn)
        trainer.train()
        trainer.release()
    return step
