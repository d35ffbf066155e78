"""Ask a server one question, through the `openai` package: address, key, request, errors, rate.

The key comes from the environment alone. It goes to the named host and to no other (redirects are
not followed), over HTTPS or to this machine, and is removed from all that a server sends back.
"""

import base64
import ipaddress
import os
import socket
import threading
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from r1aqa_helpers.data import AudioQuestion
from r1aqa_helpers.data.audio import audio_file, load_audio
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.untrusted import shown_value

#: Where the key may be: the first that is set counts; if it is empty, no key is sent.
KEY_VARIABLES = ("R1AQA_API_KEY", "OPENAI_API_KEY")
#: Greedy decoding by the protocol's settings, all given, so that nothing is inherited.
#: ``transformers serve`` knows no others: temperature 0 ends its sampling, and it turns the
#: frequency penalty into a repetition penalty of 1 + 0 (tests/evaluation/test_serving.py).
GREEDY = {"temperature": 0, "top_p": 1, "frequency_penalty": 0, "presence_penalty": 0, "n": 1}
#: What vLLM and SGLang take besides. By default vLLM uses the checkpoint's own
#: generation_config.json, and Qwen2-Audio's has a repetition penalty of 1.1.
GREEDY_EXTENDED = {"top_k": -1, "min_p": 0, "repetition_penalty": 1}
_PATH = "/chat/completions"


@dataclass(frozen=True)
class Endpoint:
    """A model at an OpenAI-compatible server; the key does not show in its representation."""

    url: str
    """Address of ``chat/completions``."""
    model: str
    """The server's name for the model."""
    key: str | None = field(default=None, repr=False)
    """Sent as bearer token."""
    key_variable: str | None = None
    """Where the key was found."""


def find_endpoint(url: str, model: str, environment: Mapping[str, str] | None = None) -> Endpoint:
    """The endpoint at ``url``, with the key from ``environment`` (by default the process's).

    Args:
        url: a server's base address, such as ``http://localhost:8000/v1``, or that of
            ``chat/completions`` itself.

    Raises:
        UserError: ``url`` is no address or holds credentials, the key cannot be sent, or it would
            leave this machine unencrypted.
    """
    environment = os.environ if environment is None else environment
    url = url.strip()
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
        host.encode("idna")  # as the connection will; it also finds empty labels
    except ValueError:
        host = ""
    printable = url.isascii() and url.isprintable() and " " not in url
    if not host or not printable or parts.scheme not in ("http", "https"):
        raise UserError(
            "--endpoint: is no http or https address; give one such as http://localhost:8000/v1"
        )
    if "@" in parts.netloc or parts.query or parts.fragment:
        # Not shown: it may be a secret, and it would be written to the log.
        raise UserError(
            "--endpoint: holds more than an address (user, password, ? or #); leave that out, "
            f"and put a key into {KEY_VARIABLES[0]}"
        )
    variable = next((name for name in KEY_VARIABLES if name in environment), None)
    key = environment[variable].strip() if variable else ""
    if not all(33 <= ord(letter) <= 126 for letter in key):
        raise UserError(f"{variable}: holds a space or a letter that no key has; set it again")
    if key and parts.scheme == "http" and not _is_local(host):
        raise UserError(
            f"--endpoint: {host} would get the key from {variable} unencrypted; use https, or "
            f"set {KEY_VARIABLES[0]} to nothing if the server needs no key"
        )
    base = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/').removesuffix(_PATH)}"
    return Endpoint(base + _PATH, model, key or None, variable if key else None)


def _is_local(host: str) -> bool:
    """Whether a host is this machine: ``localhost``, or a loopback address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@dataclass(frozen=True)
class Pace:
    """How many requests are sent to a server, and how long each may take."""

    concurrency: int = 8
    """Requests under way at once."""
    per_minute: float | None = None
    """Requests started in a minute, repeated ones included; None: no limit."""
    timeout: float = 120.0
    """Seconds to wait for a connection, and for a reply to begin or to go on."""
    tries: int = 6
    """Most requests for one question, where the server is busy or fails."""


class NoAnswerError(Exception):
    """One question has no answer; ``of_server``: the fault seems the server's, not its own."""

    def __init__(self, reason: str, of_server: bool = False) -> None:
        super().__init__(reason)
        self.of_server = of_server


class _RefusedError(NoAnswerError):
    """The server found fault with the request."""


class Client:
    """Asks one question at a time from each of many threads.

    Raises:
        UserError: nothing listens at the address.
    """

    def __init__(self, endpoint: Endpoint, max_new_tokens: int, pace: Pace) -> None:
        import openai

        self.endpoint, self.pace = endpoint, pace
        self.stopped = threading.Event()
        self._max_tokens = max_new_tokens
        self._lock = threading.Lock()
        self._next = 0.0  # when the next request may start, of time.monotonic()
        self._extended: bool | None = None  # whether it takes GREEDY_EXTENDED; None: not known
        parts = urlsplit(endpoint.url)
        local = _is_local(parts.hostname or "")
        if local:  # a server that was not started shows at once, and not after all tries
            port = parts.port or (443 if parts.scheme == "https" else 80)
            try:
                socket.create_connection((parts.hostname, port), timeout=10).close()
            except OSError as error:
                raise UserError(
                    f"{endpoint.url}: cannot be reached ({error.strerror or error}); start the "
                    "server, or correct the address"
                ) from None
        # All said, or the package takes some from the environment.
        self._headers = {
            "Authorization": f"Bearer {endpoint.key}" if endpoint.key else openai.omit,
            "OpenAI-Organization": openai.omit,
            "OpenAI-Project": openai.omit,
        }
        self._openai = openai.OpenAI(
            base_url=endpoint.url.removesuffix(_PATH),
            api_key="",
            admin_api_key="",
            max_retries=pace.tries - 1,
            http_client=openai.DefaultHttpxClient(
                follow_redirects=False,
                timeout=pace.timeout,
                trust_env=not local,  # this machine needs no proxy
                event_hooks={"request": [self._wait_for_turn]},
            ),
        )

    def ask(self, question: AudioQuestion, text: str, heard: bool = True) -> dict[str, Any]:
        """The log's row for a question; its recording is sent only where ``heard``.

        Raises:
            NoAnswerError: this question has no answer.
            UserError: no question will have one.
        """
        wave = None
        if heard:
            wave = load_audio(question.audio)
        messages = request_messages(text, wave)
        known = self._extended
        extended = known is not False
        try:
            response, seconds = self._post(messages, GREEDY_EXTENDED if extended else {})
        except _RefusedError:
            if known is not None:
                raise
            extended = False
            response, seconds = self._post(messages, {})
        with self._lock:
            first, self._extended = self._extended is None, extended
        if first and not extended:
            warnings.warn(
                f"{self.endpoint.url}: does not take {', '.join(GREEDY_EXTENDED)}; its own "
                "settings hold there, so make sure that it has no repetition penalty",
                stacklevel=2,
            )
        return {
            "id": question.id,
            "response": response,
            "seconds": round(seconds, 4),
            "seconds_cut": 0.0,
            "extended": extended,
        }

    def close(self) -> None:
        """End the connections."""
        self.stopped.set()
        self._openai.close()

    def _post(
        self, messages: list[dict[str, Any]], extension: Mapping[str, Any]
    ) -> tuple[str, float]:
        """The response, and in how many seconds the last request had it."""
        import openai

        try:
            reply = self._openai.chat.completions.with_raw_response.create(
                model=self.endpoint.model,
                messages=messages,
                max_tokens=self._max_tokens,
                stream=False,
                extra_headers=self._headers,
                extra_body=dict(extension),
                **GREEDY,
            )
        except openai.APIStatusError as error:
            raise self._fault(error.status_code, error.body, error.response.headers) from None
        except openai.APITimeoutError:
            raise NoAnswerError(f"no reply within {self.pace.timeout:g} s", True) from None
        except openai.APIConnectionError as error:
            cause = self._shown(error.__cause__ or error)
            raise NoAnswerError(f"connection failed: {cause}", True) from None
        return self._strike(reply_text(reply.http_response)), reply.elapsed.total_seconds()

    def _wait_for_turn(self, _: Any) -> None:
        """Called before each request, repeated ones included."""
        with self._lock:
            now = time.monotonic()
            start = max(now, self._next)
            self._next = start + (60 / self.pace.per_minute if self.pace.per_minute else 0)
        if self.stopped.wait(start - now):
            raise NoAnswerError("the run ended before it was asked")

    def _fault(self, status: int, said: Any, headers: Mapping[str, str]) -> Exception:
        """What a reply with an error status means."""
        if isinstance(said, dict):
            said = said.get("message") or said.get("detail") or said
        reason = f"HTTP {status}" + (f": {self._shown(said)}" if said else "")
        if 300 <= status < 400:
            target = urlsplit(headers.get("Location", "")).hostname
            reason += f", a redirect to {self._shown(target or 'another address')}"
        elif status not in (401, 402, 403, 404, 405):
            busy = status in (408, 409, 429) or status >= 500
            return NoAnswerError(reason, of_server=True) if busy else _RefusedError(reason)
        key = self.endpoint.key_variable or f"none is set in {' or '.join(KEY_VARIABLES)}"
        return UserError(
            f"{self.endpoint.url}: does not let this run continue ({reason}); check the address, "
            f"--model, and the key ({key})"
        )

    def _shown(self, text: object) -> str:
        return shown_value(self._strike(str(text)), 200)

    def _strike(self, text: str) -> str:
        return text.replace(self.endpoint.key, "[key]") if self.endpoint.key else text


def request_messages(text: str, wave: np.ndarray | None) -> list[dict[str, Any]]:
    """One user turn, the recording before the text; ``wave`` is float32 (samples,), 16 kHz.

    Without a recording, the turn is text alone.
    """
    if wave is None:
        return [{"role": "user", "content": text}]
    data = base64.b64encode(audio_file(wave, "WAV")).decode("ascii")
    clip = {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}
    return [{"role": "user", "content": [clip, {"type": "text", "text": text}]}]


def reply_text(response: Any) -> str:
    """What the model said, in a ``chat.completion``.

    Raises:
        NoAnswerError: the reply is something else.
    """
    try:
        content = response.json()["choices"][0]["message"]["content"]
        if isinstance(content, list):
            content = "".join(part["text"] for part in content if part["type"] == "text")
        content.encode()  # an unpaired surrogate could not be written
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        raise NoAnswerError("the reply is no chat completion with text") from None
    return content
