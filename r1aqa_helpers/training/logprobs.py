"""Log-probabilities of answers, for the policy, the old policy and the reference model alike.

The rows of a GRPO batch come in groups that share prompt and clip. Each distinct clip goes
through the audio encoder once. With ``shared_prefix`` each distinct prompt also goes through the
language model once: a group is packed into one row (prompt, answer 1 … answer G), in which each
answer attends to the prompt and to itself only and its positions follow the prompt's (Prefix
Grouper, arXiv 2506.05433). Both ways give the same values and gradients, to rounding.

Trainers call ``model(answers=Answers(...))``, after `enable_scoring`, so that
DistributedDataParallel, DeepSpeed, FSDP and PEFT see an ordinary forward pass.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import Qwen2AudioForConditionalGeneration

from r1aqa_helpers.models import Clips, embed_prompts, positions

#: Most tokens of a packed row: attention's memory grows with their square.
ROW_TOKENS = 4096


@dataclass(frozen=True)
class Answers:
    """Rows to be scored: N answers of up to C tokens to prompts of up to P tokens."""

    prompt_ids: torch.Tensor
    """(N, P), padded on the left."""
    prompt_mask: torch.Tensor
    """(N, P), 1 where the prompt is."""
    ids: torch.Tensor
    """(N, C), padded on the right."""
    mask: torch.Tensor
    """(N, C), 1 up to and with the end token."""
    group: torch.Tensor
    """(N,), from 0 to B - 1: rows of the same group share prompt and clip."""
    clips: Clips
    """Whose ``clip`` is (B, k)."""
    temperature: float = 1.0
    shared_prefix: bool = True
    entropy: bool = False
    entropy_gradient: bool = False
    row_tokens: int = ROW_TOKENS
    """The most tokens of a packed row, see `pack_answers`."""


class ScoringQwen2Audio(Qwen2AudioForConditionalGeneration):
    """Qwen2-Audio whose forward pass can also score answers; other calls are unchanged."""

    @functools.wraps(Qwen2AudioForConditionalGeneration.forward)  # `generate` checks its arguments
    def forward(
        self,
        *args: Any,
        answers: Answers | None = None,
        work: Callable[[nn.Module], Any] | None = None,
        **kwargs: Any,
    ) -> Any:
        """`answer_logps` of ``answers``, or ``work(self)``, or what Qwen2-Audio's returns."""
        if work is not None:
            return work(self)
        if answers is not None:
            return answer_logps(self, answers)
        return super().forward(*args, **kwargs)


# Checkpoints name the class of their model: they are an ordinary Qwen2-Audio's.
ScoringQwen2Audio.__name__ = Qwen2AudioForConditionalGeneration.__name__


def enable_scoring(model: Qwen2AudioForConditionalGeneration) -> None:
    """Let ``model(answers=...)`` return what `answer_logps` does; the weights stay in place."""
    model.__class__ = ScoringQwen2Audio


def disable_scoring(model: Qwen2AudioForConditionalGeneration) -> None:
    """Undo `enable_scoring`, and anything that a trainer has put over the instance's forward."""
    model.__dict__.pop("forward", None)
    if type(model) is ScoringQwen2Audio:  # FSDP2 derives a class of its own, which it needs
        model.__class__ = Qwen2AudioForConditionalGeneration


def answer_logps(
    model: Qwen2AudioForConditionalGeneration, answers: Answers
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Log-probability of every answer token given the prompt, the clip and the tokens before.

    Returns:
        (N, C) log-probabilities in nats, float32, 0 outside the mask; and the entropies of the
        distributions that the tokens were drawn from, (N, C), or None unless asked for.
    """
    states = _packed_states if answers.shared_prefix else _row_states
    logits = model.lm_head(states(model, answers)).float() / answers.temperature
    kept = answers.mask.bool()
    chosen = torch.log_softmax(logits, dim=-1).gather(-1, answers.ids[kept].unsqueeze(-1))
    logps = _scatter(kept, chosen.squeeze(-1))
    if not answers.entropy:
        return logps, None
    with torch.set_grad_enabled(answers.entropy_gradient and torch.is_grad_enabled()):
        all_logps = torch.log_softmax(logits, dim=-1)
        return logps, _scatter(kept, -(all_logps.exp() * all_logps).sum(dim=-1))


def pack_answers(
    prompt_tokens: Sequence[int], groups: Sequence[int], lengths: Sequence[int], row_tokens: int
) -> tuple[list[int], list[int], list[int]]:
    """Plan the packed rows: one per group, or more where one would exceed ``row_tokens``.

    An answer that exceeds it alone has its own row; nothing is cut.

    Args:
        prompt_tokens: of each answer's prompt.
        groups: of each answer.
        lengths: of each answer, in tokens.

    Returns:
        Of each answer, its packed row, and how many tokens lie between the prompt and it; of each
        packed row, its first answer.
    """
    packs: list[int] = []
    starts: list[int] = []
    first: list[int] = []
    current: dict[int, tuple[int, int]] = {}  # group -> its latest packed row, and answers' tokens
    for prompt, group, length in zip(prompt_tokens, groups, lengths, strict=True):
        row, used = current.get(group, (-1, 0))
        if row < 0 or prompt + used + length > row_tokens:
            row, used = len(first), 0
            first.append(len(packs))
        packs.append(row)
        starts.append(used)
        current[group] = row, used + length
    return packs, starts, first


def _row_states(model: Qwen2AudioForConditionalGeneration, answers: Answers) -> torch.Tensor:
    """States that predict the kept answer tokens, in row order; one full row per answer."""
    width = answers.prompt_ids.shape[1]
    prompts = embed_prompts(model, answers.prompt_ids, answers.clips.repeated(answers.group))
    replies = model.get_input_embeddings()(answers.ids)
    mask = torch.cat([answers.prompt_mask, answers.mask], dim=1)
    states = model.model.language_model(
        inputs_embeds=torch.cat([prompts, replies], dim=1),
        attention_mask=mask,
        position_ids=positions(mask),
        use_cache=False,
    ).last_hidden_state
    return states[:, width - 1 : -1][answers.mask.bool()]


def _packed_states(model: Qwen2AudioForConditionalGeneration, answers: Answers) -> torch.Tensor:
    """The same states, from packed rows, one per group or few."""
    # An answer's last token predicts nothing that is scored, so it is left out of the pack.
    inputs = answers.mask.bool()[:, 1:]
    lengths = inputs.sum(dim=1)
    device = answers.ids.device
    pack, start, first = (
        torch.tensor(one, device=device)
        for one in pack_answers(
            answers.prompt_mask.sum(dim=1).tolist(),
            answers.group.tolist(),
            lengths.tolist(),
            answers.row_tokens,
        )
    )
    prompt_ids, prompt_mask = answers.prompt_ids[first], answers.prompt_mask[first].bool()
    width = prompt_ids.shape[1]

    row, column = inputs.nonzero(as_tuple=True)
    packed_row, place = pack[row], width + start[row] + column
    longest = int((start + lengths).max())

    prompts = embed_prompts(model, prompt_ids, answers.clips.of(answers.group[first]))
    shape = (len(first), width + longest)
    packed = prompts.new_zeros(*shape, prompts.shape[-1])
    packed[:, :width] = prompts
    packed[packed_row, place] = model.get_input_embeddings()(answers.ids[row, column]).to(packed)

    owner = torch.full(shape, -1, device=device)  # -1: the prompt, else the row that owns it
    owner[packed_row, place] = row
    exists = torch.zeros(shape, dtype=torch.bool, device=device)
    exists[:, :width] = prompt_mask
    exists[packed_row, place] = True
    at = torch.zeros(shape, dtype=torch.long, device=device)
    at[:, :width] = positions(prompt_mask)
    at[packed_row, place] = prompt_mask.sum(dim=1)[packed_row] + column

    states = model.model.language_model(
        inputs_embeds=packed,
        attention_mask=_block_mask(model, owner, exists, width, packed.dtype),
        position_ids=at,
        use_cache=False,
    ).last_hidden_state

    # A token is predicted at the token before it; the first one at the prompt's end.
    row, column = answers.mask.bool().nonzero(as_tuple=True)
    before = torch.where(column == 0, width - 1, width + start[row] + column - 1)
    # An embedding, whose gradient is summed in order: answers share the prompt's end, and indexing
    # would add up theirs in the order in which the CPU's threads get there.
    return nn.functional.embedding(pack[row] * states.shape[1] + before, states.flatten(0, 1))


def _block_mask(
    model: nn.Module, owner: torch.Tensor, exists: torch.Tensor, width: int, dtype: torch.dtype
) -> torch.Tensor:
    """(B, 1, L, L): causal, and answers see the prompt and themselves only."""
    size = owner.shape[1]
    causal = torch.ones(size, size, dtype=torch.bool, device=owner.device).tril()
    in_prompt = torch.arange(size, device=owner.device) < width
    visible = in_prompt | (owner.unsqueeze(2) == owner.unsqueeze(1))
    seen = causal & visible & exists.unsqueeze(1)
    # Padding sees itself: a row of nothing but -inf would turn into NaN and spread.
    seen = (seen | torch.eye(size, dtype=torch.bool, device=owner.device)).unsqueeze(1)
    if model.config.text_config._attn_implementation == "eager":  # adds its mask
        return torch.zeros_like(seen, dtype=dtype).masked_fill(~seen, torch.finfo(dtype).min)
    return seen


def _scatter(mask: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    return values.new_zeros(mask.shape).masked_scatter(mask, values)
