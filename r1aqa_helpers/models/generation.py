"""Decoding answers for rows that share prompts, and nothing computed twice.

A prompt goes through the language model once, however many rows it has; each row gets a
copy of its key/value cache. Rows that have ended are taken out of the batch, unless its passes are
compiled. The tokens are those of ``generate``, which does neither.
"""

import functools
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import nn
from transformers import (
    Cache,
    DynamicLayer,
    GenerationConfig,
    LogitsProcessorList,
    MinPLogitsWarper,
    Qwen2AudioForConditionalGeneration,
    RepetitionPenaltyLogitsProcessor,
    StaticLayer,
    SuppressTokensLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from r1aqa_helpers.models.audio_embedding import (
    AudioFeatureCache,
    Clips,
    embed_prompts,
    positions,
)
from r1aqa_helpers.models.generation_config import NEUTRAL, SAMPLING, SeededSampling
from r1aqa_helpers.models.loaded import TOKENIZING, LoadedModel
from r1aqa_helpers.models.precision import check_finite
from r1aqa_helpers.utils.errors import UserError

#: Tokens that a cache can take in before it is copied to a larger place.
_SPARE = 64
#: Rows are taken out of the batch once so large a share of them has ended.
_ENDED = 0.25
#: A compiled cache has a multiple of so many places: each number of them is compiled anew.
_PLACES = 256
#: How a pass is compiled; on a GPU, to a CUDA graph.
_COMPILE: dict[str, Any] = {"mode": "reduce-overhead", "dynamic": False}
#: Fields of a generation configuration that are followed here, or change no answer.
_SUPPORTED = {
    *SAMPLING, "do_sample", "max_length", "max_new_tokens", "suppress_tokens", "eos_token_id",
    "pad_token_id", "bos_token_id", "transformers_version", "_from_model_config",
    "disable_compile",
}  # fmt: skip


class Answer(NamedTuple):
    """What a model wrote, without special tokens; ``cut``: whether it reached the limit first."""

    text: str
    cut: bool


def generate(*arguments: Any, **options: Any) -> list[str]:
    """The texts of `generate_answers`, which has the arguments."""
    return [answer.text for answer in generate_answers(*arguments, **options)]


@torch.no_grad()
def generate_answers(
    loaded: LoadedModel,
    inputs: Mapping[str, torch.Tensor],
    config: GenerationConfig,
    sampler: SeededSampling | None = None,
    recordings: Sequence[Hashable] | None = None,
    cache: AudioFeatureCache | None = None,
) -> list[Answer]:
    """The answers to `encode`'s rows.

    Nothing is taken from the checkpoint's generation configuration.

    Args:
        sampler: see `decode`.
        recordings: a name for each row's clip; rows of the same name share the first one's.
        cache: keeps what the audio encoder makes of the recordings, by these names.
    """
    names = list(range(len(inputs["input_ids"])) if recordings is None else recordings)
    distinct = list(dict.fromkeys(names))
    rows = torch.tensor([names.index(name) for name in distinct], device=loaded.device)
    clip = torch.tensor([[distinct.index(name)] for name in names], device=loaded.device)
    clips = Clips(
        inputs["input_features"][rows],
        inputs["feature_attention_mask"][rows],
        clip,
        tuple(map(str, distinct)),
        cache,
    )
    ids, mask = inputs["input_ids"], inputs["attention_mask"]
    tokens = decode(
        loaded.model,
        ids,
        mask,
        embed_prompts(loaded.model, ids, clips),
        torch.arange(len(ids), device=loaded.device),
        config,
        sampler,
    )
    with TOKENIZING:
        texts = loaded.processor.batch_decode(
            tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
    ends = torch.tensor(config.eos_token_id, device=tokens.device)
    ended = torch.isin(tokens, ends).any(dim=1).tolist()
    return [Answer(text, not end) for text, end in zip(texts, ended, strict=True)]


@torch.no_grad()
def decode(
    model: Qwen2AudioForConditionalGeneration,
    prompt_ids: torch.Tensor,
    prompt_mask: torch.Tensor,
    embeddings: torch.Tensor,
    group: torch.Tensor,
    config: GenerationConfig,
    sampler: SeededSampling | None = None,
) -> torch.Tensor:
    """The answers of N rows to B prompts: greedy, or sampled where ``config`` says so.

    Args:
        prompt_ids: (B, P), padded on the left; ``prompt_mask`` likewise, 1 where the prompt is.
        embeddings: (B, P, width), of the prompts with their clips, from `embed_prompts`.
        group: (N,), each row's prompt.
        config: with every field set, as `decoding` makes them. Where ``disable_compile`` is
            False, the answers' passes have fixed shapes and are compiled.
        sampler: draws from seeds of each of the N rows, in place of ``config``'s own sampling.

    Returns:
        (N, T) tokens, filled up with the pad token after the end token.

    Raises:
        UserError: ``config`` asks for what is not built in here, such as beams; or the model's
            logits are not finite, of which no answer could be made.
    """
    adjust = _adjustments(config)
    penalised = config.repetition_penalty not in (None, 1.0)
    language, last = model.model.language_model, prompt_ids.shape[1] - 1
    cache = Cache(
        layers=[GrowingLayer() for _ in range(model.config.text_config.num_hidden_layers)]
    )
    states = language(
        inputs_embeds=embeddings,
        attention_mask=prompt_mask,
        position_ids=positions(prompt_mask),
        past_key_values=cache,
        use_cache=True,
    ).last_hidden_state[:, last]
    logits = model.lm_head(states).float()[group]
    cache.batch_select_indices(group)
    mask, position = prompt_mask[group], prompt_mask.sum(dim=1)[group]
    fixed = None
    if config.disable_compile is False:
        fixed = FixedPasses(language, cache, mask, config.max_new_tokens)

    ends = torch.tensor(config.eos_token_id, device=group.device)
    tokens = torch.full(
        (len(group), config.max_new_tokens), config.pad_token_id, device=group.device
    )
    rows = torch.arange(len(group), device=group.device)  # whose logits are in hand
    ended = torch.zeros_like(rows, dtype=torch.bool)
    for step in range(config.max_new_tokens):
        check_finite(logits, "the model's logits")
        history = tokens[rows, :step]
        if penalised:
            history = torch.cat([prompt_ids[group[rows]], history], dim=1)
        scores = adjust(history, logits)
        if sampler is not None:
            scores = sampler(rows, scores)
        if config.do_sample and sampler is None:
            chosen = torch.multinomial(torch.softmax(scores, dim=-1), 1).squeeze(1)
        else:
            chosen = scores.argmax(dim=-1)
        chosen = torch.where(ended, config.pad_token_id, chosen)
        tokens[rows, step] = chosen
        ended |= torch.isin(chosen, ends)
        going = int((~ended).sum())
        if not going or step == config.max_new_tokens - 1:
            return tokens[:, : step + 1]
        if fixed is None and going <= (1 - _ENDED) * len(rows):
            keep = (~ended).nonzero().squeeze(1)
            cache.batch_select_indices(keep)
            rows, ended, chosen = rows[keep], ended[keep], chosen[keep]
            mask, position = mask[keep], position[keep]
        mask = torch.cat([mask, mask.new_ones(len(rows), 1)], dim=1)
        inputs = model.get_input_embeddings()(chosen.unsqueeze(1)), position.unsqueeze(1)
        states = _pass(language, cache, mask, *inputs) if fixed is None else fixed(*inputs)
        logits, position = model.lm_head(states[:, -1]).float(), position + 1
    return tokens


def _pass(
    language: nn.Module,
    cache: Cache,
    mask: torch.Tensor,
    embeddings: torch.Tensor,
    position: torch.Tensor,
) -> torch.Tensor:
    """The last layer's states (N, 1, width) of one more token per row, which the cache takes in."""
    return language(
        inputs_embeds=embeddings,
        attention_mask=mask,
        position_ids=position,
        past_key_values=cache,
        use_cache=True,
    ).last_hidden_state


@functools.cache
def _compiled_pass() -> Callable[..., torch.Tensor]:
    return torch.compile(_pass, **_COMPILE)


class FixedPasses:
    """Passes of one token per row in tensors that keep their shapes, so that they can be compiled.

    With few rows, starting the kernels of a pass takes longer than they do; a CUDA graph starts all
    at once. The price: rows that have ended stay, and the cache has its full length from the start.
    """

    def __init__(self, language: nn.Module, cache: Cache, mask: torch.Tensor, more: int) -> None:
        """Take over what ``cache`` holds of the prompts, whose ``mask`` is (N, P).

        Args:
            more: the most tokens that follow.
        """
        self.language, self.held = language, mask.shape[1]
        places = -(-(self.held + more) // _PLACES) * _PLACES
        self.cache = Cache(layers=[StaticLayer(places) for _ in cache.layers])
        for index, layer in enumerate(cache.layers):
            self.cache.update(layer.keys, layer.values, index)
            layer.keys = layer.values = None  # or the prompts would be held twice
        lowest = torch.finfo(self.cache.layers[0].keys.dtype).min
        self.mask = mask.new_full(
            (len(mask), 1, 1, places), lowest, dtype=self.cache.layers[0].keys.dtype
        )
        self.mask[..., : self.held].masked_fill_(mask.bool()[:, None, None], 0.0)

    def __call__(self, embeddings: torch.Tensor, position: torch.Tensor) -> torch.Tensor:
        """The states (N, 1, width) of one more token per row."""
        self.mask[..., self.held] = 0.0
        self.held += 1
        return _compiled_pass()(self.language, self.cache, self.mask, embeddings, position).clone()


class GrowingLayer(DynamicLayer):
    """A cache layer that grows in place: `DynamicLayer` copies all it holds at every token."""

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Add (rows, heads, new, width), and return all that is held."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            # As they are: a prompt's are copied for the rows of its group, with spare places then.
            self.keys, self.values = key_states, value_states
            return self.keys, self.values
        held, new = self.keys.shape[-2], key_states.shape[-2]
        if held + new > self.keys.stride(1) // self.keys.stride(2):
            self.keys, self.values = _with_spare(self.keys), _with_spare(self.values)
        self.keys, self.values = _extended(self.keys, new), _extended(self.values, new)
        self.keys[..., held:, :], self.values[..., held:, :] = key_states, value_states
        return self.keys, self.values

    def batch_select_indices(self, indices: torch.Tensor) -> None:
        """Keep the rows with these indices, which may repeat."""
        self.keys = _with_spare(self.keys, indices)
        self.values = _with_spare(self.values, indices)


def _with_spare(states: torch.Tensor, rows: torch.Tensor | None = None) -> torch.Tensor:
    """A copy (of some rows) in a tensor that can take `_SPARE` tokens more."""
    count, heads, held, width = states.shape
    count = count if rows is None else len(rows)
    place = states.new_empty(count, heads, held + _SPARE, width)[:, :, :held]
    if rows is None:
        return place.copy_(states)
    # Straight into its place: `states[rows]` would be another copy, as large.
    return torch.index_select(states, 0, rows, out=place)


def _extended(states: torch.Tensor, new: int) -> torch.Tensor:
    count, heads, held, width = states.shape
    return states.as_strided((count, heads, held + new, width), states.stride())


def _adjustments(config: GenerationConfig) -> LogitsProcessorList:
    """What is done to the logits, in the order in which transformers does it.

    Raises:
        UserError: ``config`` asks for what is not built in here.
    """
    for name, value in vars(config).items():
        if name not in _SUPPORTED and value not in (None, NEUTRAL.get(name)):
            raise UserError(f"generation: {name}={value} is not supported here")
    found = LogitsProcessorList()
    if config.repetition_penalty not in (None, 1.0):
        found.append(RepetitionPenaltyLogitsProcessor(config.repetition_penalty))
    if config.suppress_tokens:
        found.append(SuppressTokensLogitsProcessor(config.suppress_tokens))
    if config.do_sample:
        if config.temperature not in (None, 1.0):
            found.append(TemperatureLogitsWarper(config.temperature))
        if config.top_k:
            found.append(TopKLogitsWarper(config.top_k))
        if config.top_p is not None and config.top_p < 1.0:
            found.append(TopPLogitsWarper(config.top_p))
        if config.min_p:
            found.append(MinPLogitsWarper(config.min_p))
    return found
