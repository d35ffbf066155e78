"""Where a prompt's last position looks: the language model's own attention weights."""

from dataclasses import dataclass

import numpy as np
import torch

from r1aqa_helpers.models.audio_embedding import Clips, embed_prompts
from r1aqa_helpers.models.loaded import LoadedModel, encode


@dataclass(frozen=True)
class AnswerAttention:
    """How the position that predicts an answer's next token attends to all tokens before it."""

    input_ids: torch.Tensor
    """(tokens,), on the CPU."""
    is_audio: torch.Tensor
    """(tokens,) bool: which of them are the clip's."""
    weights: torch.Tensor
    """(layers, heads, tokens) float32; each head of each layer sums to 1."""

    @property
    def on_clip(self) -> torch.Tensor:
        """The weights on the clip's tokens, averaged over heads: (layers, audio tokens)."""
        return self.weights.mean(dim=1)[:, self.is_audio]


@torch.inference_mode()
def answer_attention(loaded: LoadedModel, text: str, wave: np.ndarray) -> AnswerAttention:
    """The attention weights of ``text``'s last token, from which the next token is predicted.

    They are the model's own: fused kernels do not give them out, so that the language model
    computes this one pass in transformers' eager attention, equal to rounding.

    Args:
        text: from `chat_text`, with whatever the assistant is taken to have said so far.
        wave: (samples,), at 16 kHz, no longer than the model's window.
    """
    inputs = encode(loaded, [text], [wave])
    ids, language = inputs["input_ids"], loaded.model.model.language_model
    clips = Clips(
        inputs["input_features"],
        inputs["feature_attention_mask"],
        torch.zeros(1, 1, dtype=torch.long, device=loaded.device),
    )
    embedded = embed_prompts(loaded.model, ids, clips)
    before = language.config._attn_implementation
    language.set_attn_implementation("eager")
    try:
        layers = language(
            inputs_embeds=embedded, use_cache=False, output_attentions=True
        ).attentions
    finally:
        language.set_attn_implementation(before)
    return AnswerAttention(
        input_ids=ids[0].cpu(),
        is_audio=(ids[0] == loaded.model.config.audio_token_id).cpu(),
        weights=torch.stack([layer[0, :, -1].float().cpu() for layer in layers]),
    )
