"""From questions to predictions by a server: any OpenAI-compatible chat that takes `input_audio`.

vLLM, SGLang and hosted models speak this protocol: ``POST …/chat/completions``, the recording as
base64 WAV in the message (https://platform.openai.com/docs/guides/audio). Predictions and journal
are those of `answering`, so that scoring and writing do not know who answered.

The key comes from the environment alone. It is sent to the named host and to no other (redirects
are refused), over HTTPS or to this machine, and is struck out of all that a server sends back.
Whether the model behind a server hears is not checked: `models.listening_check` needs its
log-probabilities.

`address` checks the URL and finds the key; `protocol` makes messages and reads replies; `client`
asks one question, again where that helps, and keeps the pace; `engine` asks many at once and keeps
the journal. Each imports only from those named before it.
"""

from .address import KEY_VARIABLES, Endpoint, find_endpoint
from .client import Pace
from .engine import answer_at_endpoint
from .protocol import GREEDY, GREEDY_EXTENDED

__all__ = [
    "GREEDY",
    "GREEDY_EXTENDED",
    "KEY_VARIABLES",
    "Endpoint",
    "Pace",
    "answer_at_endpoint",
    "find_endpoint",
]
