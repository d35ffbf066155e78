"""Sampling answers for groups of rows that share prompt and clip."""

import torch
from transformers import DynamicCache, GenerationConfig, Qwen2AudioForConditionalGeneration

from ..models.decoding import own_generation_config
from .prompt_store import Clips
from .scoring import embed_prompts, positions


@torch.no_grad()
def sample_answers(
    model: Qwen2AudioForConditionalGeneration,
    prompt_ids: torch.Tensor,
    prompt_mask: torch.Tensor,
    clips: Clips,
    group: torch.Tensor,
    config: GenerationConfig,
    shared_prefix: bool = True,
) -> torch.Tensor:
    """One answer per row by ``generate``, which takes nothing from the checkpoint's settings.

    With ``shared_prefix`` each prompt goes through the language model once, and the rows of its
    group get copies of its key/value cache; without, once per row. The distributions are equal.

    Args:
        prompt_ids: (B, P), padded on the left, one per group; ``prompt_mask`` likewise.
        clips: those of the B prompts.
        group: (N,), each row's prompt.
        config: with every field set; ``models.decoding`` says why.

    Returns:
        (N, T) tokens, filled up with the pad token after the end token.
    """
    embedded = embed_prompts(model, prompt_ids, clips)
    inputs = {"attention_mask": prompt_mask[group]}
    if shared_prefix:
        cache = DynamicCache(config=model.config.text_config)
        # The last token stays: generate() must have one to begin with.
        model.model.language_model(
            inputs_embeds=embedded[:, :-1],
            attention_mask=prompt_mask[:, :-1],
            position_ids=positions(prompt_mask)[:, :-1],
            past_key_values=cache,
            use_cache=True,
        )
        cache.batch_select_indices(group)
        inputs |= {"input_ids": prompt_ids[group], "past_key_values": cache}
    else:
        inputs |= {"inputs_embeds": embedded[group]}
    with own_generation_config(model, config):
        tokens = model.generate(**inputs, generation_config=config)
    return tokens[:, prompt_ids.shape[1] :] if shared_prefix else tokens
