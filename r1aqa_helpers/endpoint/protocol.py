"""The words of ``chat/completions``: settings and message of a request, what a reply says.

Nothing here opens a connection or asks twice.
"""

import base64
import http.client
import io
import json
import math
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import numpy as np
import soundfile

from r1aqa_helpers.audio import SAMPLE_RATE
from r1aqa_helpers.prompts import chat_messages

#: Greedy decoding in the words of the protocol, all said, so that nothing is inherited.
#: ``transformers serve`` knows no other words: temperature 0 ends its sampling, and of the
#: frequency penalty it makes a repetition penalty of 1 + 0 (tests/test_serving.py).
GREEDY: dict[str, Any] = {
    "temperature": 0,
    "top_p": 1,
    "frequency_penalty": 0,
    "presence_penalty": 0,
    "n": 1,
    "stream": False,
}
#: What vLLM and SGLang take beside it. Unsaid, vLLM takes over the checkpoint's own
#: generation_config.json, and Qwen2-Audio ships a repetition penalty of 1.1.
GREEDY_EXTENDED: dict[str, Any] = {"top_k": -1, "min_p": 0, "repetition_penalty": 1}

_REPLY_BYTES = 4 * 2**20  # of one reply; an answer of 256 tokens has some 2,000
_CHUNK = 2**16


class NoAnswerError(Exception):
    """One question has no answer; ``of_server``: the fault seems the server's, not its own."""

    def __init__(self, reason: str, of_server: bool = False) -> None:
        super().__init__(reason)
        self.of_server = of_server


def request_messages(text: str, wave: np.ndarray | None) -> list[dict[str, Any]]:
    """One user turn, the recording before the text; ``wave`` is float32 (samples,), 16 kHz.

    Without a recording, the turn is text alone.
    """
    if wave is None:
        return [{"role": "user", "content": text}]
    # Scaled as in `audio.save_audio`.
    steps = np.rint(wave.astype(np.float64) * 2**15).clip(-(2**15), 2**15 - 1).astype(np.int16)
    buffer = io.BytesIO()
    soundfile.write(buffer, steps, SAMPLE_RATE, format="WAV", subtype="PCM_16")
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    messages = chat_messages(text)
    clip = {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}
    for message in messages:
        message["content"] = [
            clip if part["type"] == "audio" else part for part in message["content"]
        ]
    return messages


def read_body(response: Any, end: float) -> bytes:
    """A reply's body; the limits are `_REPLY_BYTES` and the moment ``end`` (of `time.monotonic`).

    Raises ``NoAnswerError`` for a reply that is too large, ``TimeoutError``, and
    ``http.client.IncompleteRead`` for one that was cut off.
    """
    blocks, size = [], 0
    while block := response.read1(_CHUNK):
        blocks.append(block)
        size += len(block)
        if size > _REPLY_BYTES:
            raise NoAnswerError(f"the reply is larger than {_REPLY_BYTES >> 20} MiB")
        if time.monotonic() > end:
            raise TimeoutError
    promised = response.headers.get("Content-Length", "")
    if promised.isdecimal() and size < int(promised):  # read1 does not tell
        raise http.client.IncompleteRead(b"", int(promised) - size)
    return b"".join(blocks)


def reply_text(data: bytes) -> str:
    """What the model said, in a ``chat.completion``. Raises ``NoAnswerError``."""
    try:
        reply = json.loads(data)
    except (ValueError, RecursionError):
        raise NoAnswerError("the reply is no JSON") from None
    try:
        message = reply["choices"][0]["message"]
        content = message["content"]
        if isinstance(content, list):
            content = "".join(part["text"] for part in content if part["type"] == "text")
        if content is None and isinstance(message.get("refusal"), str):
            raise NoAnswerError("the model refused")
    except (KeyError, IndexError, TypeError, AttributeError):
        raise NoAnswerError("the reply is no chat completion") from None
    if not isinstance(content, str):
        raise NoAnswerError("the reply has no text")
    try:
        content.encode()
    except UnicodeEncodeError:
        raise NoAnswerError("the reply holds an unpaired surrogate") from None
    return content


def error_text(data: bytes) -> str:
    """What a server says went wrong; the protocols differ in where."""
    text = data.decode("utf-8", errors="replace").strip()
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    for name in ("error", "message", "detail"):
        if isinstance(value, dict) and value.get(name):
            value = value[name]
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def retry_after(value: str | None) -> float | None:
    """Seconds, from a number of them or a date (RFC 9110, section 10.2.3); None: not said."""
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            date = parsedate_to_datetime(value)
        except ValueError:
            return None
        seconds = (date.replace(tzinfo=date.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    return max(0.0, seconds) if math.isfinite(seconds) else None
