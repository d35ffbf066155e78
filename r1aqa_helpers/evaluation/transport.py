"""Requests with a limit of seconds and of bytes, for the `openai` package to send.

The timeouts of `httpx2` start again with each piece that arrives, so that a server could make a
request last for ever. Here an event loop in a thread of its own ends it.
"""

import contextlib
import time

import anyio
import httpx2
from anyio.from_thread import start_blocking_portal


class RefusedReplyError(Exception):
    """A reply that is not read: too long, compressed, or (``redirect``) from another address.

    The address is not told: it may hold the key.
    """

    def __init__(self, reason: str, redirect: bool = False) -> None:
        super().__init__(reason)
        self.redirect = redirect


class LimitedTransport(httpx2.BaseTransport):
    """Sends each request, and receives its whole reply, within the limits."""

    def __init__(self, seconds: float, size: int, trust_env: bool) -> None:
        self._seconds, self._size = seconds, size
        limits = httpx2.Limits(max_connections=None)
        self._client = httpx2.AsyncClient(trust_env=trust_env, limits=limits)
        self._ending = contextlib.ExitStack()
        self._portal = self._ending.enter_context(start_blocking_portal())

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """The reply, with the ``seconds`` that it took among its extensions; called by `httpx2`.

        Raises:
            RefusedReplyError: it is not read.
            httpx2.HTTPError: there is none, or not in time.
        """
        return self._portal.call(self._fetch, request)

    def close(self) -> None:
        """End the connections, and what is under way."""
        self._portal.call(self._client.aclose)
        self._portal.call(self._portal.stop, True)
        self._ending.close()

    async def _fetch(self, request: httpx2.Request) -> httpx2.Response:
        started = time.perf_counter()
        try:
            with anyio.fail_after(self._seconds):
                response = await self._client.send(request, stream=True, follow_redirects=False)
                async with contextlib.aclosing(response):
                    body = await self._body(request, response)
        except TimeoutError:
            raise httpx2.ReadTimeout("no whole reply in time", request=request) from None
        kept = ("Retry-After", "Retry-After-Ms")  # of the others, none is followed
        return httpx2.Response(
            response.status_code,
            headers={name: response.headers[name] for name in kept if name in response.headers},
            content=body,
            extensions={"seconds": time.perf_counter() - started},
        )

    async def _body(self, request: httpx2.Request, response: httpx2.Response) -> bytes:
        if 300 <= response.status_code < 400:
            target = response.next_request
            same = target is not None and target.url.host == request.url.host
            place = "another address of the same host" if same else "another host"
            reason = f"HTTP {response.status_code}, a redirect to {place}, is not followed"
            raise RefusedReplyError(reason, redirect=True)
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise RefusedReplyError("the reply is compressed, which was not asked for")
        body = bytearray()
        async for piece in response.aiter_raw():
            body += piece
            if len(body) > self._size:
                raise RefusedReplyError(f"the reply is longer than {self._size / 2**20:g} MB")
        return bytes(body)
