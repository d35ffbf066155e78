"""A Qwen2-Audio, loaded, saved, shared and generating; no questions, training or scores.

`loaded` holds the model with its processor, `loading` reads checkpoints, `adapters` merges LoRA
into them, `saving` writes folders to share with their `card`, `hub` uploads them; `generation` and
`generation_config` decode, `hearing_check` finds out whether the model uses the audio.
"""

from r1aqa_helpers.models.audio_embedding import (
    AudioFeatureCache,
    Clips,
    audio_states,
    embed_prompts,
    positions,
)
from r1aqa_helpers.models.card import CARD, CardFields
from r1aqa_helpers.models.generation import Answer, decode, generate, generate_answers
from r1aqa_helpers.models.generation_config import (
    MAX_NEW_TOKENS,
    SeededSampling,
    greedy_config,
    sampling_config,
)
from r1aqa_helpers.models.hearing_check import HearingReport, choice_logprobs, hearing_check
from r1aqa_helpers.models.hub import check_target, push
from r1aqa_helpers.models.loaded import LoadedModel, chat_text, encode, weights_fingerprint
from r1aqa_helpers.models.loading import load, load_for
from r1aqa_helpers.models.saving import save
