"""From questions to predictions by a server: any OpenAI-compatible chat that takes `input_audio`.

vLLM, SGLang and hosted models speak this protocol (https://platform.openai.com/docs/guides/audio).
Predictions and logs are those of `answering`. Whether the model behind a server hears is not
checked: `models.hearing_check` needs its log-probabilities.

`client` asks one question, with the `openai` package; `engine` asks many at once and keeps the log.
"""

from r1aqa_helpers.endpoint.client import KEY_VARIABLES, Endpoint, Pace, find_endpoint
from r1aqa_helpers.endpoint.engine import answer_at_endpoint

__all__ = ["KEY_VARIABLES", "Endpoint", "Pace", "answer_at_endpoint", "find_endpoint"]
