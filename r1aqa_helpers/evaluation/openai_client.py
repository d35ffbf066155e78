"""Ask a server one question, through the `openai` package: address, key, request, errors, rate.

The key comes from the environment alone. It goes to the named host and to no other (redirects are
not followed), over HTTPS or to this machine, and is removed from all that a server sends back.

A server is not trusted: a reply has a limit of seconds and of bytes, and one that is no answer is
one line, whatever it is.
"""

import base64
import html
import ipaddress
import os
import re
import socket
import threading
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

import numpy as np

from r1aqa_helpers.data import AudioQuestion
from r1aqa_helpers.data.audio import audio_file, load_audio
from r1aqa_helpers.evaluation.replies import ErrorReplyError, Reply, error_message, read_reply
from r1aqa_helpers.evaluation.transport import LimitedTransport, RefusedReplyError
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.untrusted import NAME, shown_value

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
#: Bytes of a reply; the longest answers have thousands.
LARGEST_REPLY = 2**24
#: Letters of a key from which on it is a secret; a shorter one, as EMPTY, may be a word to say.
_SECRET = 8
#: Characters of an error that are looked at.
_LOOKED_AT = 20_000


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
    """Seconds for one request, from the connection to the last byte of the reply."""
    tries: int = 6
    """Most requests for one question, where the server is busy or fails."""


class NoAnswerError(Exception):
    """One question has no answer; ``of_server``: the fault seems the server's, not its own."""

    def __init__(self, reason: str, of_server: bool = False) -> None:
        super().__init__(reason)
        self.of_server = of_server


class BadRecordingError(NoAnswerError):
    """The question's recording cannot be used, so that it was not sent."""


class _RefusedError(NoAnswerError):
    """The server found fault with the request; ``said`` is all that it says about it."""

    def __init__(self, reason: str, said: str) -> None:
        super().__init__(reason)
        self.said = said


class Client:
    """Asks one question at a time from each of many threads.

    Raises:
        UserError: nothing listens at the address.
    """

    def __init__(self, endpoint: Endpoint, max_new_tokens: int, pace: Pace) -> None:
        import openai

        self.endpoint, self.pace = endpoint, pace
        self.stopped = threading.Event()
        self._lock = threading.Lock()
        self._next = 0.0  # when the next request may start, of time.monotonic()
        self._settings = GREEDY | GREEDY_EXTENDED | {"max_tokens": max_new_tokens}
        self._proven = False  # whether the server has answered with these settings
        self._told: set[str] = set()  # settings of which it was said that the server refuses them
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
                headers={"Accept-Encoding": "identity"},  # what is small may not grow
                # This machine needs no proxy.
                transport=LimitedTransport(pace.timeout, LARGEST_REPLY, trust_env=not local),
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
            try:
                wave = load_audio(question.audio)
            except UserError as fault:
                raise BadRecordingError(str(fault)) from None
        reply, seconds, left_out = self._answer(request_messages(text, wave))
        return {
            "id": question.id,
            "response": reply.text,
            "seconds": round(seconds, 4),
            "seconds_cut": 0.0,
            "cut": reply.cut,
            "left_out": left_out,
        }

    def close(self) -> None:
        """End the connections."""
        self.stopped.set()
        self._openai.close()

    def _answer(self, messages: list[dict[str, Any]]) -> tuple[Reply, float, list[str]]:
        """The reply, its seconds, and the settings that were left out for it.

        What the server refuses is left out for the whole run. Once it has answered, a refusal is
        about the question.
        """
        with self._lock:
            settings, proven = self._settings, self._proven
        while True:
            try:
                reply, seconds = self._post(messages, settings)
                break
            except _RefusedError as refusal:
                fewer = settings if proven else _without_refused(settings, refusal.said)
                if fewer == settings:
                    raise
                settings = fewer
        left_out = sorted({*GREEDY, *GREEDY_EXTENDED, "max_tokens"} - settings.keys())
        with self._lock:
            if not self._proven:
                self._settings, self._proven = settings, True
            new = [name for name in left_out if name not in self._told]
            self._told.update(new)
        if new:
            names = ", ".join(new).replace("max_tokens", "max_tokens (max_completion_tokens it is)")
            warnings.warn(
                f"{self.endpoint.url}: does not take {names}, and is asked without; its own "
                "settings hold there, so make sure that it does not sample or penalise",
                stacklevel=2,
            )
        return reply, seconds, left_out

    def _post(
        self, messages: list[dict[str, Any]], settings: Mapping[str, Any]
    ) -> tuple[Reply, float]:
        """The reply, and in how many seconds the last request had it."""
        import openai

        try:
            response = self._openai.chat.completions.with_raw_response.create(
                model=self.endpoint.model,
                messages=messages,
                stream=False,
                extra_headers=self._headers,
                extra_body=dict(settings),
            ).http_response
        except openai.APIStatusError as error:
            raise self._fault(error.status_code, error.body) from None
        except openai.APITimeoutError:
            raise NoAnswerError(f"no whole reply within {self.pace.timeout:g} s", True) from None
        except openai.APIConnectionError as error:
            cause = self._shown(_said(error.__cause__ or error))
            raise NoAnswerError(f"connection failed: {cause}", True) from None
        except RefusedReplyError as error:
            if error.redirect:
                raise self._stop(str(error)) from None
            raise NoAnswerError(str(error)) from None
        except NoAnswerError:
            raise
        # What a server sends can break the libraries in ways that nobody has listed.
        except Exception as error:
            told = self._shown(_said(error))
            raise NoAnswerError(f"the reply cannot be read: {told}", True) from None
        try:
            reply = read_reply(response.content)
        except ErrorReplyError as error:
            raise self._fault(error.status, error.body) from None
        except ValueError as error:
            raise NoAnswerError(
                f"the reply is no chat completion with text: {self._shown(error)}"
            ) from None
        if len(key := self.endpoint.key or "") >= _SECRET:
            reply = reply._replace(text=reply.text.replace(key, "[key]"))
        return reply, response.extensions["seconds"]

    def _wait_for_turn(self, _: Any) -> None:
        """Called before each request, repeated ones included."""
        with self._lock:
            now = time.monotonic()
            start = max(now, self._next)
            self._next = start + (60 / self.pace.per_minute if self.pace.per_minute else 0)
        if self.stopped.wait(start - now):
            raise NoAnswerError("the run ended before it was asked")

    def _fault(self, status: int, body: Any) -> Exception:
        """What an error means; ``status`` is 200 where an error came without one of its own."""
        said = error_message(body)
        reason = f"HTTP {status}" + (f": {self._shown(said)}" if said else "")
        if status in (401, 402, 403, 404, 405):
            return self._stop(reason)
        if status in (200, 408, 409, 429) or status >= 500:
            return NoAnswerError(reason, of_server=True)
        return _RefusedError(reason, shown_value(body, _LOOKED_AT))

    def _stop(self, reason: str) -> UserError:
        """Why no question will have an answer."""
        key = self.endpoint.key_variable or f"none is set in {' or '.join(KEY_VARIABLES)}"
        return UserError(
            f"{self.endpoint.url}: does not let this run continue ({reason}); check the address, "
            f"--model, and the key ({key})"
        )

    def _shown(self, said: object) -> str:
        """What a server says, for a message: without the key, in whatever form it is there."""
        text = str(said) if isinstance(said, str | Exception) else shown_value(said, _LOOKED_AT)
        if len(text) > _LOOKED_AT:
            text = text[: _LOOKED_AT // 2] + text[-_LOOKED_AT // 2 :]
        if key := self.endpoint.key:
            quoted = (quote(key), quote(key, safe=""), key.replace("/", r"\/"), html.escape(key))
            forms = "|".join(map(re.escape, {key, *quoted}))
            text = re.sub(forms, "[key]", text, flags=re.IGNORECASE)
        return shown_value(text, NAME)


def _said(error: BaseException) -> str:
    """What an error says; where it says nothing, what its cause does, or else its name.

    `httpx2.ReadError`, of a connection that was reset, has no text of its own.
    """
    one: BaseException | None = error
    while one is not None:
        if text := str(one).strip():
            return text
        one = one.__cause__ or one.__context__
    return type(error).__name__


def _without_refused(settings: dict[str, Any], said: str) -> dict[str, Any]:
    """The settings without those that a refusal names, or else without the extended ones."""
    known = settings.keys() - {"max_completion_tokens"}  # without any limit an answer might not end
    named = {name for name in known if re.search(rf"(?<![\\\w]){name}(?!\w)", said)}
    fewer = {k: v for k, v in settings.items() if k not in (named or GREEDY_EXTENDED)}
    if "max_tokens" in named:  # the name that OpenAI has given it since
        fewer["max_completion_tokens"] = settings["max_tokens"]
    return fewer


def request_messages(text: str, wave: np.ndarray | None) -> list[dict[str, Any]]:
    """One user turn, the recording before the text; ``wave`` is float32 (samples,), 16 kHz.

    Without a recording, the turn is text alone.
    """
    if wave is None:
        return [{"role": "user", "content": text}]
    data = base64.b64encode(audio_file(wave, "WAV")).decode("ascii")
    clip = {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}
    return [{"role": "user", "content": [clip, {"type": "text", "text": text}]}]
