"""Models: load, save, share, speak to, and check that they listen.

``bundle`` holds the model with its processor and turns texts and clips into tensors,
``loading`` finds and reads checkpoints, ``for_profile`` that of a profile, ``adapters`` merges
LoRA into them, ``saving`` writes folders to share, with their ``card``, and ``pushing`` uploads
them. ``embedding`` turns clips and tokens into the language model's input, ``decoding`` says by
which rules answers are generated, ``generation`` generates them, ``listening`` finds out whether
the model hears.
"""

from .bundle import LoadedModel, chat_text, encode, weights_fingerprint
from .card import CARD, CardFields
from .decoding import (
    MAX_NEW_TOKENS,
    SeededSampling,
    greedy_config,
    sampling_config,
)
from .embedding import AudioFeatureCache, Clips, audio_states, embed_prompts, positions
from .for_profile import load_for
from .generation import decode, generate
from .listening import HearingReport, choice_logprobs, hearing_check
from .loading import load
from .pushing import check_target, push
from .saving import save

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
