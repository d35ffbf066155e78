"""What notebook 05 trains: a bandit, and the tiny model by the learner's own loop."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from transformers import DynamicCache, PreTrainedModel

from r1aqa_helpers.course.session import Lab
from r1aqa_helpers.course.training_curves import LiveCurves
from r1aqa_helpers.data import AudioQuestion, read_questions
from r1aqa_helpers.data.audio import clip_to_window, load_audio
from r1aqa_helpers.data.prompts import build_prompt, question_text
from r1aqa_helpers.hardware import TINY_PROFILE
from r1aqa_helpers.models import (
    Clips,
    LoadedModel,
    chat_text,
    embed_prompts,
    encode,
    load,
    positions,
    sampling_config,
)
from r1aqa_helpers.tiny.data import MODEL, prepare
from r1aqa_helpers.training.grpo.objective import group_advantages, grpo_loss, per_token_kl
from r1aqa_helpers.training.grpo.trainer import sample_answers
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


@dataclass(frozen=True)
class Group:
    """A question's prompt, and its sampled answers with their rewards.

    Attributes:
        prompt: (1, P), its tokens.
        clips: the recording, for the audio encoder.
        ids: (G, T), the answers' tokens, filled up after the end token.
        mask: (G, T), 1 up to and with an answer's end token, 0 after it.
        rewards: (G,), the sum of the paper's two rewards.
        parts: the same by reward, (G,) each.
        texts: the answers.
    """

    prompt: torch.Tensor
    clips: Clips
    ids: torch.Tensor
    mask: torch.Tensor
    rewards: torch.Tensor
    parts: dict[str, torch.Tensor]
    texts: list[str]


def tiny_model() -> LoadedModel:
    """A copy of the tiny model in float32 on the CPU, whatever the profile."""
    return load(MODEL, device="cpu", dtype="float32")


def sample_groups(
    loaded: LoadedModel, questions: Sequence[AudioQuestion], size: int = 8, most: int = 24
) -> list[Group]:
    """``size`` answers of at most ``most`` tokens to each question, with prompt <2>, rewarded."""
    rewards, found = rewards_for(2), []
    for question in questions:
        text = build_prompt(question_text(question), question.choices, 2)
        wave, _ = clip_to_window(load_audio(question.audio), loaded.window_seconds)
        row = encode(loaded, [chat_text(loaded, text)], [wave])
        prompt = row["input_ids"]
        clip = prompt.new_zeros(1, 1)
        clips = Clips(row["input_features"], row["feature_attention_mask"], clip)
        same = prompt.new_zeros(size)  # all of them answer prompt 0
        config = sampling_config(loaded, max_new_tokens=most)
        with torch.no_grad():
            ids = sample_answers(loaded.model, prompt, torch.ones_like(prompt), clips, same, config)
        end = torch.isin(ids, torch.tensor(loaded.eos_ids).to(ids)).long()
        mask = (end.cumsum(dim=1) - end == 0).float()
        texts = loaded.processor.batch_decode(ids, skip_special_tokens=True)
        columns = {"solution": [question.answer] * size}
        parts = {
            reward.__name__: torch.tensor(reward(completions=texts, **columns))
            for reward in rewards
        }
        total = torch.stack([*parts.values()]).sum(dim=0)
        found.append(Group(prompt, clips, ids, mask, total, parts, texts))
    return found


def row_logits(model: PreTrainedModel, group: Group) -> torch.Tensor:
    """Logits of prompt and answer, a row per answer: (G, P + T, vocabulary), float32.

    The prompt goes through the language model once; every answer looks back at its keys and values.
    """
    size, width = len(group.ids), group.prompt.shape[1]
    language, cache = model.model.language_model, DynamicCache()
    prompt = language(
        inputs_embeds=embed_prompts(model, group.prompt, group.clips), past_key_values=cache
    ).last_hidden_state
    cache.batch_repeat_interleave(size)
    mask = torch.cat([torch.ones_like(group.prompt).expand(size, -1), group.mask.long()], dim=1)
    replies = language(
        inputs_embeds=model.get_input_embeddings()(group.ids),
        attention_mask=mask,
        position_ids=positions(mask)[:, width:],
        past_key_values=cache,
    ).last_hidden_state
    first, rest = model.lm_head(prompt).expand(size, -1, -1), model.lm_head(replies)
    return torch.cat([first, rest], dim=1).float()


def completion_logprobs(logits: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    """The solution of exercise 05.2."""
    before = logits[:, -ids.shape[1] - 1 : -1]
    return torch.log_softmax(before, dim=-1).gather(-1, ids.unsqueeze(-1)).squeeze(-1)


def train_step(
    policy: PreTrainedModel,
    reference: PreTrainedModel,
    optimizer: torch.optim.Optimizer,
    groups: Sequence[Group],
    beta: float = 0.04,
) -> float:
    """The solution of exercise 05.4: one update, and its loss."""
    optimizer.zero_grad()
    total = 0.0
    for group in groups:
        logps = completion_logprobs(row_logits(policy, group), group.ids)
        with torch.no_grad():
            ref = completion_logprobs(row_logits(reference, group), group.ids)
        advantages = group_advantages(group.rewards, len(group.rewards))
        loss = grpo_loss(logps, logps.detach(), ref, advantages, group.mask, beta)
        (loss / len(groups)).backward()
        total += loss.item() / len(groups)
    optimizer.step()
    return total


def train(
    step: Callable[..., float],
    lab: Lab,
    beta: float = 0.04,
    steps: int = 12,
    questions: int = 4,
    lr: float = 1e-4,
) -> list[dict[str, float]]:
    """Train the tiny model with ``step``, live curves beside it; a row of the log per step.

    On every profile the tiny model: the learner's loop trains all weights, and keeps a second
    model as the reference.

    Args:
        step: of the signature of `train_step`.
        questions: training questions of one step, eight answers each.
        lr: by default three times the profile's, so that a few steps show something.
    """
    policy, reference = tiny_model(), tiny_model()
    asked = read_questions(prepare().train)
    optimizer = torch.optim.AdamW(policy.model.parameters(), lr=lr, weight_decay=0.0)
    torch.manual_seed(lab.seed)
    live, rows = LiveCurves(steps), []
    try:
        for number in range(steps):
            begun = time.perf_counter()
            groups = sample_groups(policy, asked[questions * number : questions * (number + 1)])
            loss = step(policy.model, reference.model, optimizer, groups, beta)
            with torch.no_grad():
                kl = [_kl(policy.model, reference.model, group) for group in groups]
            row = {
                "step": number + 1,
                "loss": loss,
                "reward": _mean(group.rewards for group in groups),
                "accuracy": _mean(group.parts["accuracy_reward"] for group in groups),
                "format": _mean(group.parts["format_reward"] for group in groups),
                "zero_variance_groups": _mean((g.rewards.std() == 0).float() for g in groups),
                "kl": sum(kl) / len(kl),
                "completion_length": _mean(group.mask.sum(dim=1) for group in groups),
                "seconds": time.perf_counter() - begun,
            }
            rows.append(row)
            live(row)
    finally:
        live.close()
    return rows


def several_updates(
    lab: Lab, updates: int = 4, steps: int = 6, questions: int = 4, clip: float = 0.2
) -> list[list[float]]:
    """Train the tiny model with several updates from the same answers.

    Returns:
        For each step, and in it for each update, the share of tokens whose ratio is clipped: it
        lies beyond 1 - ``clip`` or 1 + ``clip``, on the side where their advantage pulled it.
    """
    policy, reference = tiny_model(), tiny_model()
    asked = read_questions(prepare().train)
    rate = TINY_PROFILE.grpo["lr"]
    optimizer = torch.optim.AdamW(policy.model.parameters(), lr=rate, weight_decay=0.0)
    torch.manual_seed(lab.seed)
    shares: list[list[float]] = []
    for number in range(steps):
        groups = sample_groups(policy, asked[questions * number : questions * (number + 1)])
        with torch.no_grad():
            old, ref = (
                [completion_logprobs(row_logits(one.model, g), g.ids) for g in groups]
                for one in (policy, reference)
            )
        shares.append([])
        for _ in range(updates):
            optimizer.zero_grad()
            clipped = tokens = 0.0
            for group, before, base in zip(groups, old, ref, strict=True):
                logps = completion_logprobs(row_logits(policy.model, group), group.ids)
                advantages = group_advantages(group.rewards, len(group.rewards))
                loss = grpo_loss(logps, before, base, advantages, group.mask, clip=clip)
                (loss / len(groups)).backward()
                gone = (logps.detach() - before).exp() - 1
                beyond = gone * advantages.sign().unsqueeze(1) > clip
                clipped += float((beyond * group.mask).sum())
                tokens += float(group.mask.sum())
            optimizer.step()
            shares[-1].append(clipped / tokens)
    return shares


def _kl(policy: PreTrainedModel, reference: PreTrainedModel, group: Group) -> float:
    """The mean estimate of the divergence per token, after the update."""
    logps, ref = (
        completion_logprobs(row_logits(model, group), group.ids) for model in (policy, reference)
    )
    return float((per_token_kl(logps, ref) * group.mask).sum() / group.mask.sum())


def _mean(values: Iterable[torch.Tensor]) -> float:
    return float(torch.stack([value.float().mean() for value in values]).mean())
