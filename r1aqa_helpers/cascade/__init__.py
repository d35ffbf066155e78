"""Cascades: the audio model captions a clip, a text model answers from the caption alone.

The published table has such rows (GPT-4o and Llama-3 with strong and weak captions). `captions`
asks the audio model, `text_model` loads and asks the text model, `answers` lets it answer
questions, `run` does all of it, for strong captions and weak ones.
"""

from .answers import answer_from_captions
from .captions import REQUEST, WEAK_WORDS, caption_clips, weakened, write_captions
from .run import STRENGTHS, cascade_lines, run_cascade
from .text_model import TextModel, check_text_model, language_half, load_text_model

__all__ = [
    "REQUEST",
    "STRENGTHS",
    "WEAK_WORDS",
    "TextModel",
    "answer_from_captions",
    "caption_clips",
    "cascade_lines",
    "check_text_model",
    "language_half",
    "load_text_model",
    "run_cascade",
    "weakened",
    "write_captions",
]
