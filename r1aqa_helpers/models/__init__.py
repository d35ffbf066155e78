"""A Qwen2-Audio: loaded, saved, shared, prompted, and checked to hear.

`loaded` holds the model with its processor, `loading` reads checkpoints, `for_profile` those of a
profile, `adapters` merges LoRA into them, `saving` writes folders to share with their `card`, `hub`
uploads them; `generation` and `generation_config` decode, `hearing_check` finds out whether the
model uses the audio. What is asked, and what answers are worth, is said elsewhere.
"""

from r1aqa_helpers.models.audio_embedding import (
    AudioFeatureCache,
    Clips,
    audio_states,
    embed_prompts,
    positions,
)
from r1aqa_helpers.models.card import CARD, CardFields
from r1aqa_helpers.models.for_profile import load_for
from r1aqa_helpers.models.generation import decode, generate
from r1aqa_helpers.models.generation_config import (
    MAX_NEW_TOKENS,
    SeededSampling,
    greedy_config,
    sampling_config,
)
from r1aqa_helpers.models.hearing_check import HearingReport, choice_logprobs, hearing_check
from r1aqa_helpers.models.hub import check_target, push
from r1aqa_helpers.models.loaded import LoadedModel, chat_text, encode, weights_fingerprint
from r1aqa_helpers.models.loading import load
from r1aqa_helpers.models.saving import save

__all__ = [
    "AudioFeatureCache",
    "CARD",
    "CardFields",
    "MAX_NEW_TOKENS",
    "Clips",
    "HearingReport",
    "LoadedModel",
    "SeededSampling",
    "audio_states",
    "chat_text",
    "check_target",
    "choice_logprobs",
    "decode",
    "embed_prompts",
    "encode",
    "generate",
    "greedy_config",
    "hearing_check",
    "load",
    "load_for",
    "positions",
    "push",
    "sampling_config",
    "save",
    "weights_fingerprint",
]
