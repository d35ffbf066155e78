"""One question asked: the request, what its faults mean, when to try again, and the pace.

Sent to the named host and to no other (redirects are refused); the key is struck out of all that
the server sends back.
"""

import http.client
import json
import random
import socket
import ssl
import threading
import time
import urllib.error
import urllib.request
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from r1aqa_helpers.audio import load_audio
from r1aqa_helpers.errors import UserError
from r1aqa_helpers.files import shown_value
from r1aqa_helpers.questions import AudioQuestion

from .address import KEY_VARIABLES, Endpoint
from .protocol import (
    GREEDY_EXTENDED,
    NoAnswerError,
    error_text,
    read_body,
    reply_text,
    request_messages,
    retry_after,
)

_LONGEST_WAIT = 300.0  # s that a server may ask for with Retry-After
_LONGEST_BACKOFF = 60.0  # s
_TRY_AGAIN = {408, 425, 429}  # and all from 500


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


class _NotTakenError(NoAnswerError):
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


class Client:
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

    def ask(self, question: AudioQuestion, text: str, heard: bool = True) -> dict[str, Any]:
        """The journal row of a question. Raises ``NoAnswerError``, or ``UserError`` for all.

        Its recording stays here where it is not to be ``heard``.
        """
        wave = None
        if heard:
            with self._lock:  # decoding of MP3 is not for several threads at once
                wave = load_audio(question.audio)
        messages = request_messages(text, wave)
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
                    raise NoAnswerError(f"{busy} ({tries})", of_server=True) from busy
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
                data = read_body(response, started + self.pace.timeout)
        except urllib.error.HTTPError as error:
            with error:
                self._reached = True
                raise self._fault(error, started) from None
        except (OSError, http.client.HTTPException) as error:
            raise self._unreached(error) from None
        self._reached = True
        seconds = time.monotonic() - started
        return self._strike(reply_text(data)), seconds

    def _wait_for_turn(self) -> None:
        while True:
            with self._lock:
                wait = self._next - time.monotonic()
                if wait <= 0:
                    if self.pace.per_minute:
                        self._next = time.monotonic() + 60 / self.pace.per_minute
                    return
            if self.stopped.wait(wait):
                raise NoAnswerError("the run ended before it was asked")

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
            data = read_body(error, started + self.pace.timeout)
        except (OSError, http.client.HTTPException, NoAnswerError):
            data = b""
        reason = f"HTTP {status}"
        if said := error_text(data):
            reason += f": {self._shown(said)}"
        if status in _TRY_AGAIN or status >= 500:
            wait = retry_after(error.headers.get("Retry-After"))
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
