"""Whatever a server sends, the run goes on or ends in one line, in time, and without the key."""

import gzip
import json
import socket
import struct
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from urllib.parse import quote

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from r1aqa_helpers.data import read_questions
from r1aqa_helpers.evaluation import openai_client
from r1aqa_helpers.evaluation.endpoint import answer_at_endpoint
from r1aqa_helpers.evaluation.openai_client import KEY_VARIABLES, Pace, find_endpoint
from r1aqa_helpers.evaluation.replies import ErrorReplyError, error_message, read_reply
from r1aqa_helpers.evaluation.transport import LimitedTransport
from r1aqa_helpers.utils.errors import UserError

KEY = "sk-Secret/0123456789+&"
Act = Callable[[socket.socket], None]


class RawServer:
    """Reads a request, and then does to the connection what ``act`` does."""

    def __init__(self) -> None:
        self.act: Act = lambda connection: None
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listening.getsockname()[1]}/v1"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                data = b""
                while b"\r\n\r\n" not in data:
                    if not (piece := connection.recv(1 << 16)):
                        return
                    data += piece
                head, _, body = data.partition(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                while len(body) < length:
                    body += connection.recv(1 << 16)
                self.act(connection)
            except OSError:  # the client has hung up
                pass


@pytest.fixture(autouse=True)
def no_keys_and_no_long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*KEY_VARIABLES, "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0.01)
    monkeypatch.setattr("openai._base_client.MAX_RETRY_AFTER_DELAY", 1)


@pytest.fixture(scope="module")
def server() -> Iterator[RawServer]:
    made = RawServer()
    yield made
    made.listening.close()


@pytest.fixture(scope="module")
def question(make_questions):
    return read_questions(make_questions(1)[1])


def ask(server: RawServer, question, act: Act, timeout: float = 5, tries: int = 1) -> str:
    """The one line that a reply leads to, or else the answer; neither has the key in it."""
    server.act = act
    found = find_endpoint(server.url, "m", {"R1AQA_API_KEY": KEY})
    pace = Pace(concurrency=1, timeout=timeout, tries=tries)
    captions = {q.id: "A sound." for q in question}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            said = answer_at_endpoint(found, question, pace=pace, captions=captions)
            line = said[0].response if said else str(caught[0].message)
        except UserError as error:
            line = str(error)
            assert line.isprintable()
    told = [line, *(str(one.message) for one in caught)]
    for form in (KEY, KEY.lower(), quote(KEY), quote(KEY, safe="")):
        assert form.lower() not in "".join(told).lower()
    assert all(len(one) < 600 and one.isprintable() for one in told[1:])
    return line


def sends(data: bytes) -> Act:
    return lambda connection: connection.sendall(data)


def drips(start: bytes, piece: bytes, pause: float = 0.05) -> Act:
    def act(connection: socket.socket) -> None:
        connection.sendall(start)
        while True:
            connection.sendall(piece)
            time.sleep(pause)

    return act


def reply(body: object, status: str = "200 OK", **headers: str) -> bytes:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    # The server closes each connection: told, so that the client sends no more on it.
    named = {"Content-Length": str(len(data)), "Connection": "close", **headers}
    lines = [f"HTTP/1.1 {status}", *(f"{k.replace('_', '-')}: {v}" for k, v in named.items())]
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape") + data


def completion(content: object, **choice: object) -> dict:
    return {"choices": [{"message": {"content": content}, **choice}]}


OK = b"HTTP/1.1 200 OK\r\n"
SLOW = {
    "silence": drips(b"", b"", 1),
    "half a status": drips(b"HTTP/1.1 2", b""),
    "headers byte by byte": drips(OK + b"X: ", b"a"),
    "headers without end": drips(OK, b"X: a\r\n"),
    "100 Continue without end": drips(b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0),
    "hints without end": drips(b"", b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"),
    "body byte by byte": drips(OK + b"Content-Length: 9999\r\n\r\n", b" "),
    "chunks without end": drips(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "a chunk's extension without end": drips(OK + b"Transfer-Encoding: chunked\r\n\r\n1;", b"a"),
    "no end": drips(OK + b"\r\n{", b""),
    "an error byte by byte": drips(b"HTTP/1.1 400 Bad\r\nContent-Length: 9999\r\n\r\n", b" "),
}


@pytest.mark.parametrize("act", SLOW.values(), ids=SLOW)
def test_a_request_ends_in_time(server, question, act):
    started = time.monotonic()
    assert "no whole reply within 0.4 s" in ask(server, question, act, timeout=0.4)
    assert time.monotonic() - started < 10  # on a busy machine


def test_a_slow_reply_is_asked_for_again(server, question):
    seen = []

    def act(connection: socket.socket) -> None:
        seen.append(connection)
        (sends(reply(completion("so"))) if len(seen) == 2 else SLOW["body byte by byte"])(
            connection
        )

    assert ask(server, question, act, timeout=0.4, tries=2) == "so" and len(seen) == 2


@pytest.mark.parametrize("status", ["200 OK", "400 Bad", "500 Bad"])
def test_a_reply_has_a_limit_of_size(server, question, monkeypatch, status):
    monkeypatch.setattr(openai_client, "LARGEST_REPLY", 2**20)
    head = f"HTTP/1.1 {status}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    act = drips(head, b"10000\r\n" + b" " * 65536 + b"\r\n", 0)
    assert "the reply is longer than 1 MB" in ask(server, question, act)
    bomb = gzip.compress(b" " * 2**24)
    for kind in ("gzip", "gzip, gzip", "br", "x"):
        act = sends(reply(bomb, status, Content_Encoding=kind))
        assert "is compressed" in ask(server, question, act)


LOCATIONS = [
    "http://[::1", "http://a:99999999/", "http://a:b/", "//", "", "http://", "http:///x", "\udcff",
    "javascript:alert(1)", "http://" + "a" * 70_000, f"https://evil.example/?key={quote(KEY)}",
    f"https://{KEY}@evil.example/", f"https://{KEY[:9]}.evil.example/{KEY}", "http://\x80.example",
    f"https://evil.example/{quote(KEY, safe='')}", "http://[v1.x]/", "http://ex\u0661mple:1/", "?#",
    "https://xn--a.example/", "http://a%00b/", "http://a b/", "ftp://a/b",
]  # fmt: skip


@pytest.mark.parametrize("location", LOCATIONS, ids=range(len(LOCATIONS)))
@pytest.mark.parametrize("status", ["301 Moved", "307 Moved", "302 \x1b[31m"])
def test_a_redirect_is_refused_whatever_it_says(server, question, location, status):
    line = ask(server, question, sends(reply(b"", status, Location=location)))
    assert "a redirect to another" in line or "connection failed" in line
    assert "evil" not in line and "\x1b" not in line


def test_a_redirect_on_the_same_host_is_told_as_such(server, question):
    act = sends(reply(b"", "308 Moved", Location=f"{server.url}/v2"))
    assert "another address of the same host" in ask(server, question, act)


def reset(connection: socket.socket) -> None:
    """Close the connection without the usual goodbye."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def test_a_connection_that_was_reset_is_told_as_such(server, question):
    line = ask(server, question, reset)
    assert "connection failed: '" in line and "reset" in line


def test_an_error_that_says_nothing_is_told_by_its_name(server, question, monkeypatch):
    def fails(*_: object) -> None:
        raise httpx2.ReadError("")

    monkeypatch.setattr(LimitedTransport, "handle_request", fails)
    assert "connection failed: 'ReadError'" in ask(server, question, reset)


def test_a_kept_connection_that_is_closed_meanwhile_is_made_again(server, question):
    seen = []

    def act(connection: socket.socket) -> None:
        seen.append(connection)
        if len(seen) > 1:
            return connection.sendall(reply(completion("so")))
        refusal = reply({"error": "unknown top_k"}, "400 Bad", Connection="keep-alive")
        connection.sendall(refusal)
        assert connection.recv(1)  # the next request, while the server has given up waiting
        reset(connection)

    assert ask(server, question, act, tries=2) == "so" and len(seen) == 2


MALFORMED = {
    "no HTTP": b"SSH-2.0-OpenSSH\r\n\r\n",
    "nothing": b"",
    "bytes": bytes(range(256)) * 40,
    "a version": b"HTTP/9.9 200 OK\r\n\r\n{}",
    "a status": b"HTTP/1.1 999 What\r\nContent-Length: 0\r\n\r\n",
    "a long status": b"HTTP/1.1 200000 What\r\n\r\n",
    "no status": b"HTTP/1.1 OK\r\n\r\n",
    "a switch of protocols": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nx",
    "no content": b"HTTP/1.1 204 No Content\r\n\r\n",
    **{
        f"length {length[:9]}": OK + b"Content-Length: " + length.encode() + b"\r\n\r\n{}"
        for length in ("abc", "-5", "9" * 30, "9" * 5000, "1, 2", "0x5", "", "٣", "1e3", "+2")
    },
    "two lengths": OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
    "a shorter body": OK + b"Content-Length: 99\r\n\r\n{}",
    "a chunk size": OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    "a large chunk": OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 16 + b"\r\n{}",
    "a huge chunk": OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 60 + b"\r\n{}",
    "another transfer": OK + b"Transfer-Encoding: gzip\r\n\r\n{}",
    "a long header": OK + b"X: " + b"a" * 300_000 + b"\r\n\r\n{}",
    "many headers": OK + b"X: a\r\n" * 30_000 + b"\r\n{}",
    "a header with an escape": OK + b"X: \x1b[31m\x00\r\nContent-Length: 2\r\n\r\n{}",
    "a folded header": OK + b"X: a\r\n b\r\n\r\n{}",
    "no name": OK + b": a\r\n\r\n{}",
    "a charset": reply(b"\xff{", Content_Type="text/plain; charset=idna"),
    "an error's charset": reply(b"\xff{", "400 Bad", Content_Type="text/plain; charset=punycode"),
    "cookies": reply(b"{}", Set_Cookie="a=" + "b; c" * 9000),
    "a late retry": reply(b"{}", "429 Busy", Retry_After="9" * 5000),
    "no time to retry": reply(b"{}", "503 Busy", Retry_After="nan"),
    "a date to retry": reply(b"{}", "503 Busy", Retry_After="Mon, 99 Foo -1 99:99:99 ?"),
    "the key in a status": f"HTTP/1.1 400 {KEY}\r\n{KEY}: {KEY}\r\n\r\n{KEY}".encode(),
    "the key in no HTTP": f"{KEY}\r\n{KEY}\r\n\r\n".encode(),
    "a deep error": reply(b"[" * 900 + b"]" * 900, "400 Bad"),
    "a deeper error": reply(b'{"error":' * 99_999, "500 Bad"),
    "a deep one in 200": reply(b'{"error":' * 90 + b"1" + b"}" * 90),
    "a number": reply(b"1" * 5000, "400 Bad"),
    "a number in 200": reply(b'{"error": ' + b"1" * 5000 + b"}"),
    "HTML": reply(b"<html>\x1b[31m" + b"x" * 5000, "502 Bad Gateway"),
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED)
def test_a_reply_that_is_none_is_one_line(server, question, data):
    line = ask(server, question, sends(data), tries=2)
    assert "no answer: " in line or "does not let this run continue" in line


VALID = reply({**completion("so"), "error": None}, Retry_After="1", Location="http://a/")


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_mutated_replies_are_one_line(server, question, data):
    bytes_ = bytearray(VALID)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(bytes_) - 1))
        bytes_[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    ask(server, question, sends(bytes(bytes_)), timeout=1)


FORMS = {
    "OpenAI": {"error": {"message": "wrong", "type": "x", "param": None, "code": "y"}},
    "OpenAI, inner": {"message": "wrong", "code": 1},
    "vLLM": {"object": "error", "message": "wrong", "code": 400},
    "FastAPI": {"detail": "wrong"},
    "pydantic": {"detail": [{"loc": ["body", "top_k"], "msg": "wrong"}]},
    "Gemini": [{"error": {"code": 400, "message": "wrong", "status": "INVALID_ARGUMENT"}}],
    "text": {"error": "wrong"},
}


@pytest.mark.parametrize("body", FORMS.values(), ids=FORMS)
def test_an_error_is_read_in_every_form_also_in_http_200(server, question, body):
    assert error_message(body) == "wrong"
    for status in ("200 OK", "418 Teapot", "500 Bad"):
        line = ask(server, question, sends(reply(body, status)))
        assert "wrong" in line and "no answer: " in line


@pytest.mark.parametrize(
    ("code", "fault"),
    [(401, "does not let this run continue"), (429, "HTTP 429"), (None, "HTTP 200"), ("x", "200")],
)
def test_an_error_in_http_200_counts_as_the_status_that_it_names(server, question, code, fault):
    error = {"code": code, "message": f"no more of {KEY}"}
    bodies = [{"error": error}, {**completion("so"), "error": error}, completion("so", error=error)]
    for body in bodies:
        line = ask(server, question, sends(reply(body)))
        assert fault in line and "no more of [key]" in line


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=3), lambda some: (
    st.lists(some, max_size=3) | st.dictionaries(st.sampled_from(
        ["choices", "message", "content", "error", "finish_reason", "text", "type"]), some)
)))  # fmt: skip
def test_any_json_is_an_answer_an_error_or_neither(value):
    try:
        read_reply(json.dumps(value).encode())
    except (ErrorReplyError, ValueError) as fault:
        error_message(getattr(fault, "body", None))
