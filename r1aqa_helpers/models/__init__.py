"""Models: load, save, speak to, and check that they listen.

``bundle`` holds the model with its processor and turns texts and clips into tensors,
``loading`` reads and writes checkpoint folders, ``embedding`` turns clips and tokens into the
language model's input, ``decoding`` says by which rules answers are generated, ``generation``
generates them, ``listening`` finds out whether the model hears.
"""

from .bundle import LoadedModel, chat_text, encode, weights_fingerprint
from .decoding import (
    MAX_NEW_TOKENS,
    SeededSampling,
    greedy_config,
    sampling_config,
)
from .embedding import Clips, StateCache, audio_states, embed_prompts, positions
from .generation import decode, generate
from .listening import ListeningReport, choice_logprobs, listening_check
from .loading import load, save

__all__ = [
    "MAX_NEW_TOKENS",
    "Clips",
    "ListeningReport",
    "LoadedModel",
    "SeededSampling",
    "StateCache",
    "audio_states",
    "chat_text",
    "choice_logprobs",
    "decode",
    "embed_prompts",
    "encode",
    "generate",
    "greedy_config",
    "listening_check",
    "load",
    "positions",
    "sampling_config",
    "save",
    "weights_fingerprint",
]
