"""What a server's reply says: an answer, or an error in one of many forms."""

import contextlib
import json
from typing import Any, NamedTuple

from pydantic import BaseModel, Field, ValidationError

#: Endings of a text that is not the model's answer: it was filtered, or broke off (OpenAI, vLLM).
_BROKEN_OFF = ("content_filter", "error", "abort")


class Reply(NamedTuple):
    """What a model said; ``cut``: whether the limit of tokens ended it."""

    text: str
    cut: bool


class ErrorReplyError(Exception):
    """A reply with HTTP 200 that holds an error: ``body``, and the status that it names, or 200."""

    def __init__(self, body: Any) -> None:
        super().__init__(body)
        self.body = body
        inner = body.get("error", body) if isinstance(body, dict) else None
        code = inner.get("code") if isinstance(inner, dict) else None
        self.status = code if isinstance(code, int) and 400 <= code < 600 else 200


class _Part(BaseModel):
    type: str
    text: str = ""


class _Message(BaseModel):
    content: str | list[_Part] | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: Any = None
    error: Any = None


class _Completion(BaseModel):
    """What is looked at of a ``chat.completion``."""

    choices: list[_Choice] = Field(min_length=1)
    error: Any = None


def read_reply(content: bytes) -> Reply:
    """The answer in the body of a reply with HTTP 200.

    Raises:
        ErrorReplyError: it holds an error.
        ValueError: it is something else, or holds no text; its text is a server's.
    """
    try:
        completion = _Completion.model_validate_json(content)
    except ValidationError:
        body = None
        with contextlib.suppress(ValueError, RecursionError):
            body = json.loads(content)
        if error_message(body) is not body:
            raise ErrorReplyError(body) from None
        raise ValueError(content[:200].decode("utf-8", "replace")) from None
    choice = completion.choices[0]
    if error := completion.error or choice.error:
        raise ErrorReplyError(error)
    said, cut = choice.message.content, choice.finish_reason in ("length", "max_tokens")
    if isinstance(said, list):
        said = "".join(part.text for part in said if part.type == "text")
    if said is None and not cut or choice.finish_reason in _BROKEN_OFF:
        raise ValueError(f"finish_reason {choice.finish_reason}")
    return Reply(said or "", cut)


def error_message(body: Any) -> Any:
    """What an error says, of the forms that OpenAI, vLLM, FastAPI and Gemini give it."""
    for _ in range(4):
        if isinstance(body, list) and body:
            body = body[0]
        elif isinstance(body, dict):
            names = ("error", "message", "detail", "msg")
            body = next((body[name] for name in names if body.get(name)), body)
    return body
