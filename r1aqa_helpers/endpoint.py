"""From questions to predictions by a server: any OpenAI-compatible chat that takes `input_audio`.

vLLM, SGLang and hosted models speak this protocol: ``POST …/chat/completions``, the recording as
base64 WAV in the message (https://platform.openai.com/docs/guides/audio). Predictions and journal
are those of `answering`, so that scoring and writing do not know who answered.

The key comes from the environment alone. It is sent to the named host and to no other (redirects
are refused), over HTTPS or to this machine, and is struck out of all that a server sends back.
Whether the model behind a server hears is not checked: `models.listening_check` needs its
log-probabilities.
"""

import base64
import hashlib
import http.client
import io
import ipaddress
import json
import math
import os
import queue
import random
import socket
import ssl
import threading
import time
import urllib.error
import urllib.request
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import soundfile

from r1aqa_helpers.answering import Prediction, open_journal
from r1aqa_helpers.audio import SAMPLE_RATE, load_audio
from r1aqa_helpers.errors import UserError
from r1aqa_helpers.files import append_jsonl, shown_value
from r1aqa_helpers.models import MAX_NEW_TOKENS
from r1aqa_helpers.progress import track
from r1aqa_helpers.prompts import build_prompt, chat_messages, question_text
from r1aqa_helpers.questions import AudioQuestion
from r1aqa_helpers.scoring import extract_answer

#: Where the key may be, the first that is set; set to nothing, no key is sent.
KEY_VARIABLES = ("R1AQA_API_KEY", "OPENAI_API_KEY")

#: Greedy decoding in the words of the protocol, all said, so that nothing is inherited.
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
_LONGEST_WAIT = 300.0  # s that a server may ask for with Retry-After
_LONGEST_BACKOFF = 60.0  # s
_GIVE_UP = 8  # questions without an answer, one after another
_GRACE = 10.0  # s for answers under way when a run fails
_TRY_AGAIN = {408, 425, 429}  # and all from 500


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

    @property
    def is_local(self) -> bool:
        """Whether the server is this machine, which needs neither HTTPS nor a proxy."""
        return _is_local(urlsplit(self.url).hostname or "")


@dataclass(frozen=True)
class Pace:
    """How hard a server may be asked."""

    concurrency: int = 8
    """Requests under way at once."""
    per_minute: float | None = None
    """Requests started in a minute, repeated ones included; None: no limit."""
    timeout: float = 120.0
    """Seconds for one request."""
    tries: int = 6
    """Requests for one question, at most, where the server is busy or fails."""
    backoff: float = 1.0
    """Seconds before the second try, less up to a half by chance; doubled for each further one."""


def find_endpoint(url: str, model: str, environment: Mapping[str, str] | None = None) -> Endpoint:
    """The endpoint at ``url``, with the key from ``environment`` (by default the process's).

    ``url`` is a server's base address, such as ``http://localhost:8000/v1``, or that of
    ``chat/completions`` itself. Raises ``UserError`` for an address that is none or that holds
    credentials, for a key that cannot be sent, and where the key would leave this machine
    unencrypted.
    """
    environment = os.environ if environment is None else environment
    try:
        parts = urlsplit(url.strip())
        host, _ = parts.hostname, parts.port
        (host or "").encode("idna")  # as the connection will; it also finds empty labels
    except ValueError:
        parts, host = urlsplit(""), None
    if not host or parts.scheme not in ("http", "https") or not url.strip().isascii():
        raise UserError(
            "--endpoint: is no http or https address; give one such as http://localhost:8000/v1"
        )
    if "@" in parts.netloc or parts.query or parts.fragment:
        # Not shown: it may be a secret, and it would be written to the journal.
        raise UserError(
            "--endpoint: holds more than an address (user, password, ? or #); leave that out, "
            f"and put a key into {KEY_VARIABLES[0]}"
        )
    if any(ord(letter) <= 32 or ord(letter) == 127 for letter in url.strip()):
        raise UserError("--endpoint: holds a space or control character; remove it")
    path = parts.path.rstrip("/")
    if not path.endswith("/chat/completions"):
        path += "/chat/completions"
    variable = next((name for name in KEY_VARIABLES if name in environment), None)
    key = environment[variable].strip() if variable else ""
    if not key:
        variable = None
    elif not all(33 <= ord(letter) <= 126 for letter in key):
        raise UserError(f"{variable}: holds a space or a letter that no key has; set it anew")
    elif parts.scheme == "http" and not _is_local(host):
        raise UserError(
            f"--endpoint: {host} would get the key from {variable} unencrypted; use https, or "
            f"set {KEY_VARIABLES[0]} to nothing if the server needs no key"
        )
    return Endpoint(f"{parts.scheme}://{parts.netloc}{path}", model, key or None, variable)


def answer_at_endpoint(
    endpoint: Endpoint,
    questions: Sequence[AudioQuestion],
    *,
    prompt: int = 2,
    max_new_tokens: int = MAX_NEW_TOKENS,
    pace: Pace | None = None,
    journal: Path | None = None,
) -> list[Prediction]:
    """Ask every question; predictions in the order of the questions.

    Greedy. Recordings go whole, as 16-bit WAV at 16 kHz (samples beyond ±1 are clipped): what
    exceeds a model's window, its server cuts. A busy or failing server is asked again, after the
    time that it names, or ever longer. A question that gets no answer, or one that cannot be
    read, is told in a warning and has no prediction.

    ``journal`` as in `answering.answer_questions`: called again, only questions without an
    answer are asked. Raises ``UserError`` where it is the journal of a different run, for
    recordings that cannot be read, and where to go on is of no use: the server cannot be reached,
    refuses the key or the model, wants to be left alone for long, or fails on and on.
    """
    pace = pace or Pace()
    texts = {q.id: _text(q, prompt) for q in questions}
    settings = {**GREEDY, "max_tokens": max_new_tokens}
    run = {
        "endpoint": endpoint.url,
        "model": endpoint.model,
        "prompt": prompt,
        "settings": {**settings, **GREEDY_EXTENDED},
        "questions": hashlib.sha256(repr(sorted(texts.items())).encode()).hexdigest()[:15],
    }
    rows = {} if journal is None else open_journal(journal, run)
    rest = [q for q in questions if q.id not in rows]
    client = _Client(endpoint, settings, pace)
    answered = _ask_all(client, rest, texts, bool(rows))
    for row in track(answered, f"asking {endpoint.model}, prompt <{prompt}>", total=len(rest)):
        if row is None:
            continue
        rows[row["id"]] = row
        if journal is not None:
            append_jsonl(journal, row)
    missing = len(questions) - len(rows)
    if missing:
        warnings.warn(
            f"{missing} of {len(questions)} questions have no answer; "
            "the same command asks them again",
            stacklevel=2,
        )
    return [
        Prediction(row["id"], row["response"], extract_answer(row["response"]), row["seconds"])
        for row in (rows[q.id] for q in questions if q.id in rows)
    ]


def _text(question: AudioQuestion, prompt: int) -> str:
    try:
        return build_prompt(question_text(question), question.choices, prompt)
    except UserError as error:
        raise UserError(f"question {shown_value(question.id)}: {error}") from error


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


# --- many questions at once ---------------------------------------------------------------


def _ask_all(
    client: "_Client", questions: Sequence[AudioQuestion], texts: Mapping[str, str], some: bool
) -> Iterator[dict[str, Any] | None]:
    """A journal row per question, as they come; None, after a warning, where one is missing.

    ``some``: whether there are answers from before.
    """
    waiting: queue.SimpleQueue[AudioQuestion] = queue.SimpleQueue()
    for question in questions:
        waiting.put(question)
    done: queue.Queue[tuple[AudioQuestion, dict[str, Any] | Exception]] = queue.Queue()

    def work() -> None:
        while not client.stopped.is_set():
            try:
                question = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                done.put((question, client.ask(question, texts[question.id])))
            except Exception as error:  # raised again where the results are taken
                done.put((question, error))

    # Daemons: an interrupted program need not wait for a server's answer.
    count = min(client.pace.concurrency, len(questions))
    threads = [threading.Thread(target=work, daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    failed = 0
    try:
        for _ in questions:
            question, result = _take(done)
            if isinstance(result, dict):
                failed, some = 0, True
                yield result
                continue
            if not isinstance(result, _NoAnswerError):
                raise result
            warnings.warn(f"question {shown_value(question.id)}: no answer: {result}", stacklevel=2)
            # Of a server that answers others, a question that it cannot take says nothing.
            if result.of_server or not some:
                failed += 1
            if failed == _GIVE_UP:
                raise UserError(
                    f"{client.endpoint.url}: {failed} questions in a row got no answer, the last "
                    f"one: {result}; see to the server; the answers so far are kept in the journal"
                )
            yield None
    except (Exception, KeyboardInterrupt) as error:
        # Answers under way are paid for: those that are there, or come soon, are kept.
        client.stopped.set()
        end = time.monotonic() + (_GRACE if isinstance(error, Exception) else 0)
        for thread in threads:
            thread.join(max(0, end - time.monotonic()))
        while not done.empty():
            _, result = done.get_nowait()
            if isinstance(result, dict):
                yield result
        raise
    finally:
        client.stopped.set()


def _take(done: queue.Queue[Any]) -> Any:
    while True:
        try:
            return done.get(timeout=0.5)  # without a limit, Windows would not see Ctrl-C
        except queue.Empty:
            continue


# --- one question -------------------------------------------------------------------------


class _NoAnswerError(Exception):
    """One question has no answer; ``of_server``: the fault seems the server's, not its own."""

    def __init__(self, reason: str, of_server: bool = False) -> None:
        super().__init__(reason)
        self.of_server = of_server


class _NotTakenError(_NoAnswerError):
    """The server found fault with the request."""


class _BusyError(Exception):
    """Worth another try, after ``wait`` seconds where the server named them."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect is an error: the key and the recordings go where the user said."""

    def redirect_request(self, *_: Any) -> None:
        return None


class _Client:
    """Asks one question at a time from each of many threads."""

    def __init__(self, endpoint: Endpoint, settings: Mapping[str, Any], pace: Pace) -> None:
        self.endpoint, self.settings, self.pace = endpoint, settings, pace
        self.stopped = threading.Event()
        self._lock = threading.Lock()
        self._next = 0.0  # when the next request may start, of time.monotonic()
        self._reached = False
        self._extended: bool | None = None  # whether it takes GREEDY_EXTENDED; None: not known
        direct = [urllib.request.ProxyHandler({})] if endpoint.is_local else []
        self._opener = urllib.request.build_opener(_NoRedirects, *direct)

    def ask(self, question: AudioQuestion, text: str) -> dict[str, Any]:
        """The journal row of a question. Raises ``_NoAnswerError``, or ``UserError`` for all."""
        with self._lock:  # decoding of MP3 is not for several threads at once
            wave = load_audio(question.audio)
        messages = _messages(text, wave)
        for attempt in range(1, self.pace.tries + 1):
            try:
                response, seconds, extended = self._exchange(messages)
                return {
                    "id": question.id,
                    "response": response,
                    "seconds": round(seconds, 4),
                    "seconds_cut": 0.0,
                    "extended": extended,
                }
            except _BusyError as busy:
                if attempt == self.pace.tries or self.stopped.is_set():
                    tries = f"{attempt} tries" if attempt > 1 else "1 try"
                    raise _NoAnswerError(f"{busy} ({tries})", of_server=True) from busy
                longest = min(self.pace.backoff * 2 ** (attempt - 1), _LONGEST_BACKOFF)
                wait = longest * random.uniform(0.5, 1)
                if busy.wait is not None:
                    self._hold(busy.wait)
                    wait = max(wait, busy.wait)
                self.stopped.wait(wait)
        raise AssertionError("the last try returns or raises")

    def _exchange(self, messages: Any) -> tuple[str, float, bool]:
        """Response, seconds, and whether the server took `GREEDY_EXTENDED`."""
        if self._extended is not False:
            try:
                answer = *self._post(messages, GREEDY_EXTENDED), True
                self._extended = True
                return answer
            except _NotTakenError:
                if self._extended:
                    raise
        answer = *self._post(messages, {}), False
        with self._lock:
            first, self._extended = self._extended is None, False
        if first:
            warnings.warn(
                f"{self.endpoint.url}: does not take {', '.join(GREEDY_EXTENDED)}; its own "
                "settings hold there, so see to it that it has no repetition penalty",
                stacklevel=2,
            )
        return answer

    def _post(self, messages: Any, extension: Mapping[str, Any]) -> tuple[str, float]:
        """What the model said, and in how many seconds."""
        body = {"model": self.endpoint.model, "messages": messages, **self.settings, **extension}
        request = urllib.request.Request(
            self.endpoint.url,
            json.dumps(body).encode(),
            {"Content-Type": "application/json", "Accept": "application/json",
             "User-Agent": "r1aqa"},
            method="POST",
        )  # fmt: skip
        if self.endpoint.key is not None:
            bearer = f"Bearer {self.endpoint.key}"
            request.add_unredirected_header("Authorization", bearer)
        self._wait_for_turn()
        started = time.monotonic()
        try:
            with self._opener.open(request, timeout=self.pace.timeout) as response:
                data = _read(response, started + self.pace.timeout)
        except urllib.error.HTTPError as error:
            with error:
                self._reached = True
                raise self._fault(error, started) from None
        except (OSError, http.client.HTTPException) as error:
            raise self._unreached(error) from None
        self._reached = True
        seconds = time.monotonic() - started
        return self._strike(_content(data)), seconds

    def _wait_for_turn(self) -> None:
        while True:
            with self._lock:
                wait = self._next - time.monotonic()
                if wait <= 0:
                    if self.pace.per_minute:
                        self._next = time.monotonic() + 60 / self.pace.per_minute
                    return
            if self.stopped.wait(wait):
                raise _NoAnswerError("the run ended before it was asked")

    def _hold(self, seconds: float) -> None:
        """No request of any thread for so long."""
        with self._lock:
            self._next = max(self._next, time.monotonic() + seconds)

    def _fault(self, error: urllib.error.HTTPError, started: float) -> Exception:
        """What a reply with an error status means."""
        status, url = error.code, self.endpoint.url
        if 300 <= status < 400:
            target = urlsplit(str(error.headers.get("Location", ""))).hostname
            where = self._shown(target) if target else "another address"
            return UserError(f"{url}: sends on to {where}; give --endpoint the right address")
        try:
            data = _read(error, started + self.pace.timeout)
        except (OSError, http.client.HTTPException, _NoAnswerError):
            data = b""
        reason = f"HTTP {status}"
        if said := _error_text(data):
            reason += f": {self._shown(said)}"
        if status in _TRY_AGAIN or status >= 500:
            wait = _retry_after(error.headers.get("Retry-After"))
            if wait is not None and wait > _LONGEST_WAIT:
                return UserError(
                    f"{url}: wants to be left alone for {wait:.0f} s ({reason}); "
                    "the same command goes on later"
                )
            return _BusyError(reason, wait)
        if status == 401:
            names = " or ".join(KEY_VARIABLES)
            asked = f"does not take the key from {self.endpoint.key_variable}"
            if self.endpoint.key is None:
                asked = f"wants a key; set {names}"
            return UserError(f"{url}: {asked} ({reason})")
        if status in (402, 403, 404, 405):
            return UserError(
                f"{url}: does not let this run go on ({reason}); check the address, "
                "--model, and what the key may do"
            )
        return _NotTakenError(reason)

    def _unreached(self, error: Exception) -> Exception:
        """What it means that there was no reply."""
        cause = getattr(error, "reason", None)
        cause = cause if isinstance(cause, Exception) else error
        url = self.endpoint.url
        if isinstance(cause, ssl.SSLCertVerificationError):
            return UserError(f"{url}: its certificate cannot be trusted ({cause.verify_message})")
        if isinstance(cause, TimeoutError):
            return _BusyError(f"no reply within {self.pace.timeout:g} s")
        reason = getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
        if not self._reached and isinstance(cause, ConnectionRefusedError | socket.gaierror):
            return UserError(
                f"{url}: cannot be reached ({self._shown(reason)}); "
                "start the server, or mend the address"
            )
        return _BusyError(f"connection failed: {self._shown(reason)}")

    def _shown(self, text: str) -> str:
        return shown_value(self._strike(text), 200)

    def _strike(self, text: str) -> str:
        return text.replace(self.endpoint.key, "[key]") if self.endpoint.key else text


def _messages(text: str, wave: np.ndarray) -> list[dict[str, Any]]:
    """One user turn, the recording before the text; ``wave`` is float32 (samples,), 16 kHz."""
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


def _read(response: Any, end: float) -> bytes:
    """A reply's body; the limits are `_REPLY_BYTES` and the moment ``end``."""
    blocks, size = [], 0
    while block := response.read1(_CHUNK):
        blocks.append(block)
        size += len(block)
        if size > _REPLY_BYTES:
            raise _NoAnswerError(f"the reply is larger than {_REPLY_BYTES >> 20} MiB")
        if time.monotonic() > end:
            raise TimeoutError
    promised = response.headers.get("Content-Length", "")
    if promised.isdecimal() and size < int(promised):  # read1 does not tell
        raise http.client.IncompleteRead(b"", int(promised) - size)
    return b"".join(blocks)


def _content(data: bytes) -> str:
    """What the model said, in a ``chat.completion``. Raises ``_NoAnswerError``."""
    try:
        reply = json.loads(data)
    except (ValueError, RecursionError):
        raise _NoAnswerError("the reply is no JSON") from None
    try:
        message = reply["choices"][0]["message"]
        content = message["content"]
        if isinstance(content, list):
            content = "".join(part["text"] for part in content if part["type"] == "text")
        if content is None and isinstance(message.get("refusal"), str):
            raise _NoAnswerError("the model refused")
    except (KeyError, IndexError, TypeError, AttributeError):
        raise _NoAnswerError("the reply is no chat completion") from None
    if not isinstance(content, str):
        raise _NoAnswerError("the reply has no text")
    try:
        content.encode()
    except UnicodeEncodeError:
        raise _NoAnswerError("the reply holds an unpaired surrogate") from None
    return content


def _error_text(data: bytes) -> str:
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


def _retry_after(value: str | None) -> float | None:
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
