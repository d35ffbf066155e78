"""Models: load, save, speak to, and check that they listen.

``bundle`` holds the model with its processor and turns texts and clips into tensors,
``loading`` reads and writes checkpoint folders, ``decoding`` says how answers are generated,
``listening`` finds out whether the model hears.
"""

from .bundle import LoadedModel, chat_text, encode, weights_fingerprint
from .decoding import (
    MAX_NEW_TOKENS,
    SeededSampling,
    generate,
    greedy_config,
    sampling_config,
)
from .listening import ListeningReport, choice_logprobs, listening_check
from .loading import load, save

__all__ = [
    "MAX_NEW_TOKENS",
    "ListeningReport",
    "LoadedModel",
    "SeededSampling",
    "chat_text",
    "choice_logprobs",
    "encode",
    "generate",
    "greedy_config",
    "listening_check",
    "load",
    "sampling_config",
    "save",
    "weights_fingerprint",
]
