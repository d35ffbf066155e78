"""Cascades: the audio model captions a clip, a text model answers from the caption alone.

The published table has such rows (GPT-4o and Llama-3 with strong and weak captions). `text_model`
loads and asks the text model; `run` captions, answers and scores, for strong captions and weak.
"""

from r1aqa_helpers.cascade.run import (
    REQUEST,
    STRENGTHS,
    WEAK_WORDS,
    answer_from_captions,
    caption_clips,
    cascade_lines,
    run_cascade,
    weakened,
)
from r1aqa_helpers.cascade.text_model import (
    TextModel,
    check_text_model,
    language_half,
    load_text_model,
)

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
]
