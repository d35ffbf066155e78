"""Sampling answers for groups of rows that share prompt and clip."""

import torch
from transformers import GenerationConfig, Qwen2AudioForConditionalGeneration

from r1aqa_helpers.models import Clips, decode, embed_prompts
from r1aqa_helpers.models.generation_config import own_generation_config


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
    """One answer per row, which takes nothing from the checkpoint's generation settings.

    With ``shared_prefix`` by `models.decode`: each prompt goes through the language model once,
    and the rows of its group get copies of its key/value cache. Without, by ``generate``, where
    each row goes through encoder and language model alone. The distributions are equal.

    Args:
        prompt_ids: (B, P), padded on the left, one per group; ``prompt_mask`` likewise.
        clips: those of the B prompts.
        group: (N,), each row's prompt.
        config: with every field set; ``models.decoding`` says why.

    Returns:
        (N, T) tokens, filled up with the pad token after the end token.
    """
    if shared_prefix:
        embedded = embed_prompts(model, prompt_ids, clips)
        return decode(model, prompt_ids, prompt_mask, embedded, group, config)
    embedded = embed_prompts(model, prompt_ids[group], clips.repeated(group))
    with own_generation_config(model, config):
        return model.generate(
            inputs_embeds=embedded, attention_mask=prompt_mask[group], generation_config=config
        )
