"""A server asked over HTTP, a real one on this machine that behaves well, badly, or not at all."""

import base64
import io
import json
import socket
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from r1aqa_helpers.cli import app
from r1aqa_helpers.data import AudioQuestion, read_questions
from r1aqa_helpers.data.audio import load_audio
from r1aqa_helpers.data.prompts import build_prompt, caption_prompt
from r1aqa_helpers.evaluation import endpoint
from r1aqa_helpers.evaluation.endpoint import answer_at_endpoint
from r1aqa_helpers.evaluation.openai_client import (
    GREEDY_EXTENDED,
    KEY_VARIABLES,
    Endpoint,
    Pace,
    find_endpoint,
)
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import read_json

KEY = "sk-secret/0123456789"
QUICK = Pace(concurrency=4, timeout=5)


class Server(ThreadingHTTPServer):
    """Imitates ``chat/completions``. ``behave(number, attempt)`` may say something else.

    ``number`` is the question's, ``attempt`` counts from 0; it returns None for the normal
    answer, or status, headers and body, or a function that is given the handler.
    """

    daemon_threads = True
    # The default, 5, makes a burst of connections wait a second for a second try.
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.behave: Callable[[int, int], Any] = lambda number, attempt: None
        self.requests: list[dict[str, Any]] = []
        self.times: list[float] = []
        self.attempts: Counter[int] = Counter()
        self.lock = threading.Lock()
        self.under_way = self.most_under_way = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def handle_error(self, *_: object) -> None:
        """Clients that hang up are part of the tests."""


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Not to stderr."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        content = body["messages"][0]["content"]
        text = content if isinstance(content, str) else content[1]["text"]
        number = int(text.split("sound ")[1].split("?")[0])
        server = self.server
        with server.lock:
            attempt = server.attempts[number]
            server.attempts[number] += 1
            server.times.append(time.monotonic())
            headers = {name.title(): value for name, value in self.headers.items()}
            server.requests.append({"path": self.path, "headers": headers, **body})
            server.under_way += 1
            server.most_under_way = max(server.most_under_way, server.under_way)
        try:
            wanted = server.behave(number, attempt)
        finally:
            with server.lock:  # before the answer goes out: the client may then ask again at once
                server.under_way -= 1
        if callable(wanted):
            wanted(self)
        else:
            self.reply(*(wanted or (200, {}, completion(f"<answer>said {number}</answer>"))))

    def reply(self, status: int, headers: dict[str, str], body: bytes | dict) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)


def completion(content: object, **fields: object) -> dict:
    message = {"role": "assistant", "content": content, **fields}
    return {
        "object": "chat.completion",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
    }


@pytest.fixture(autouse=True)
def no_keys_and_no_long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*KEY_VARIABLES, "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0.01)
    # What the package would send by itself.
    for name in ("OPENAI_ADMIN_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.setenv(name, "not-to-be-sent")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "Authorization: Bearer not-to-be-sent")


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as made:
        # A short poll interval, so that shutdown is at once.
        thread = threading.Thread(target=made.serve_forever, args=(0.01,))
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def files(make_questions) -> Path:
    return make_questions(12)[1]


@pytest.fixture(scope="module")
def questions(files) -> list[AudioQuestion]:
    return read_questions(files, None)


def ask(server: Server, questions, pace: Pace = QUICK, key: str = "", **options):
    found = find_endpoint(server.url, "a model", {"R1AQA_API_KEY": key})
    return answer_at_endpoint(found, questions, pace=pace, **options)


def ask_with_warnings(server: Server, questions, **options) -> tuple[dict[str, str], list[str]]:
    """Answers by id, and what was warned of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        predictions = ask(server, questions, **options)
    return {p.id: p.answer for p in predictions}, [str(w.message) for w in caught]


# --- what is asked ------------------------------------------------------------------------


def test_answers_are_predictions_in_order(server, questions):
    # The later, the quicker: answers come in another order than the questions.
    server.behave = lambda number, attempt: time.sleep(0.02 * (11 - number))
    predictions = ask(server, questions)
    assert [p.id for p in predictions] == [q.id for q in questions]
    assert [p.answer for p in predictions] == [f"said {n}" for n in range(12)]
    assert server.most_under_way == QUICK.concurrency


def test_a_request_has_the_recording_before_the_text_and_every_setting(server, questions):
    (question,) = questions[3:4]
    ask(server, [question], prompt=3, max_new_tokens=77)
    (request,) = server.requests
    assert request.pop("path") == "/v1/chat/completions"
    headers, (message,) = request.pop("headers"), request.pop("messages")
    assert "Authorization" not in headers and "not-to-be-sent" not in str(headers)
    assert request == {
        "model": "a model", "temperature": 0, "top_p": 1, "top_k": -1, "min_p": 0, "n": 1,
        "repetition_penalty": 1, "frequency_penalty": 0, "presence_penalty": 0,
        "stream": False, "max_tokens": 77,
    }  # fmt: skip
    assert message["role"] == "user"
    clip, text = message["content"]
    assert text == {"type": "text", "text": build_prompt(question.question, question.choices, 3)}
    assert clip["type"] == "input_audio" and clip["input_audio"]["format"] == "wav"
    sent = io.BytesIO(base64.b64decode(clip["input_audio"]["data"], validate=True))
    wave, rate = soundfile.read(sent, dtype="float32")
    assert rate == 16_000 and np.array_equal(wave, load_audio(question.audio))


def test_with_captions_no_recording_leaves_this_machine(server, questions, tmp_path):
    captions = {q.id: f"A caption of {q.id}." for q in questions}
    moved = [replace(q, audio=tmp_path / "nowhere.wav") for q in questions]
    log = tmp_path / "log.jsonl"
    predictions = ask(server, moved, captions=captions, prompt=2, log=log)
    assert [p.answer for p in predictions] == [f"said {n}" for n in range(12)]
    asked = [request["messages"] for request in server.requests]
    texts = {message["content"] for (message,) in asked}
    assert texts == {caption_prompt(captions[q.id], q.question, q.choices, 2) for q in moved}
    # The recordings, other settings or another model are another run.
    for changes, fault in (
        ({"captions": None}, "another text or recording"),
        ({"max_new_tokens": 3}, "settings differs"),
        ({"prompt": 1}, "prompt differs"),
    ):
        with pytest.raises(UserError, match=fault):
            ask(server, questions, **{"captions": captions, "prompt": 2, "log": log, **changes})
    with pytest.raises(UserError, match="model"):
        answer_at_endpoint(find_endpoint(server.url, "b", {}), questions, log=log)


def test_a_server_without_extensions_is_asked_without_and_told_of(server, questions):
    def strict(number, attempt):
        with server.lock:
            body = next(r for r in reversed(server.requests) if f"sound {number}?" in str(r))
        if "top_k" in body:
            return 400, {}, {"error": {"message": "Your request is invalid"}}

    server.behave = strict
    answers, told = ask_with_warnings(server, questions, pace=Pace(concurrency=1))
    assert len(answers) == 12 and len(server.requests) == 13
    assert len(told) == 1 and "does not take min_p, repetition_penalty, top_k" in told[0]
    assert server.requests[-1]["temperature"] == 0


def openai_refuses(name: str) -> tuple[int, dict]:
    text = f"Unsupported parameter: '{name}' is not supported with this model."
    text += " Use 'max_completion_tokens' instead." * (name == "max_tokens")
    return 400, {"error": {"message": text, "param": name, "code": "unsupported_parameter"}}


def gemini_refuses(name: str) -> tuple[int, list]:
    text = f'Invalid JSON payload received. Unknown name \\"{name}\\": Cannot find field.\n'
    return 400, [{"error": {"code": 400, "message": text, "status": "INVALID_ARGUMENT"}}]


def pydantic_refuses(name: str) -> tuple[int, dict]:
    fault = {"type": "extra_forbidden", "loc": ["body", name], "msg": "Extra inputs are forbidden"}
    return 422, {"detail": [fault]}


def refuses_in_http_200(name: str) -> tuple[int, dict]:
    return 200, {"error": {"code": 400, "message": f"{name} is not known"}}


@pytest.mark.parametrize(
    "refuse", [openai_refuses, gemini_refuses, pydantic_refuses, refuses_in_http_200]
)
@pytest.mark.parametrize("concurrency", [1, 8])
def test_refused_settings_are_left_out_and_told_of_once(
    server, questions, tmp_path, refuse, concurrency
):
    refused = ["temperature", "frequency_penalty", "max_tokens", *GREEDY_EXTENDED]

    def strict(number, attempt):
        with server.lock:
            body = next(r for r in reversed(server.requests) if f"sound {number}?" in str(r))
        if name := next((name for name in refused if name in body), None):
            status, said = refuse(name)
            return status, {}, said

    server.behave = strict
    options = {"pace": Pace(concurrency=concurrency), "max_new_tokens": 9}
    answers, told = ask_with_warnings(server, questions, log=tmp_path / "log.jsonl", **options)
    assert len(answers) == 12 and len(told) == 1
    assert all(name in told[0] for name in refused) and "presence_penalty" not in told[0]
    last = server.requests[-1]
    assert last["max_completion_tokens"] == 9 and last["top_p"] == 1
    assert not last.keys() & set(refused)
    first = len(refused) + 1  # requests until the first answer
    assert len(server.requests) <= 12 + concurrency * first
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()][1:]
    assert {tuple(row["left_out"]) for row in rows} == {tuple(sorted(refused))}


def test_a_question_at_fault_changes_no_setting_for_the_others(server, questions):
    long = "max_tokens or max_completion_tokens is too large: 256. Your request has 9999 tokens"
    server.behave = lambda number, attempt: None if number else (400, {}, {"message": long})
    answers, told = ask_with_warnings(server, questions[:4], pace=Pace(concurrency=1))
    assert list(answers) == ["q1", "q2", "q3"]
    assert "question 'q0': no answer: HTTP 400: 'max_tokens or" in told[0] and len(told) == 2
    assert all("max_completion_tokens" not in r for r in server.requests if "sound 0" not in str(r))
    assert {r["temperature"] for r in server.requests} == {0}


def test_cut_answers_are_counted_and_told(server, questions, tmp_path):
    cut = {0: "", 1: None, 2: "half a thou"}

    def behave(number, attempt):
        reply = completion(cut.get(number, "whole"))
        reply["choices"][0]["finish_reason"] = "length" if number in cut else "stop"
        return 200, {}, reply

    server.behave = behave
    options = {"log": tmp_path / "log.jsonl", "max_new_tokens": 5}
    for _ in range(2):  # the second time, all of them are in the log
        with pytest.warns(UserWarning, match="3 of 5 answers were cut at 5 tokens"):
            said = ask(server, questions[:5], **options)
        assert [one.cut for one in said] == [True] * 3 + [False] * 2
        assert [one.answer for one in said] == ["", "", "half a thou", "whole", "whole"]


@pytest.mark.parametrize("text", [None, "", "half a thou", [{"type": "text", "text": "half"}]])
@pytest.mark.parametrize("ending", ["content_filter", "error", "abort"])
def test_a_text_that_was_filtered_or_broke_off_is_no_answer(server, questions, text, ending):
    broken = completion(text)
    broken["choices"][0]["finish_reason"] = ending
    server.behave = lambda number, attempt: (200, {}, broken)
    _, told = ask_with_warnings(server, questions[5:6])
    assert f"no chat completion with text: 'finish_reason {ending}'" in told[0]


def test_answers_inside_the_thinking_are_counted(server, questions):
    said = "<think><answer>dog</answer></think><answer>cat</answer>"
    server.behave = lambda number, attempt: (200, {}, completion(said)) if number == 1 else None
    with pytest.warns(UserWarning, match="1 of 3 responses have <answer> inside the thinking"):
        ask(server, questions[:3])


def test_a_key_that_is_no_secret_stays_a_word_of_an_answer(server, questions):
    server.behave = lambda number, attempt: (200, {}, completion("none of these"))
    assert ask(server, questions[:1], key="none")[0].answer == "none of these"


# --- a server with troubles ---------------------------------------------------------------


def hang_up(handler: Handler) -> None:
    handler.connection.shutdown(socket.SHUT_RDWR)
    handler.close_connection = True


def half(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"choices": [')
    handler.wfile.flush()
    hang_up(handler)


BUSY = [(status, {}, b"busy") for status in (408, 429, 503)]


@pytest.mark.parametrize("fault", [*BUSY, hang_up, half])
def test_a_busy_server_and_a_broken_connection_are_asked_again(server, questions, fault):
    server.behave = lambda number, attempt: fault if attempt < 2 else None
    answers, told = ask_with_warnings(server, questions[:4])
    assert len(answers) == 4 and told == []
    assert set(server.attempts.values()) == {3}


def test_a_slow_reply_is_given_up_and_asked_for_again(server, questions):
    server.behave = lambda number, attempt: time.sleep(0 if attempt else 5)
    started = time.monotonic()
    answers, told = ask_with_warnings(server, questions[:2], pace=Pace(timeout=0.3))
    assert len(answers) == 2 and told == [] and time.monotonic() - started < 4


def test_retry_after_is_kept_to_where_it_is_short(server, questions):
    limited = (429, {"Retry-After": "1"}, {"error": {"message": "slow down"}})
    server.behave = lambda number, attempt: None if attempt else limited
    answers, told = ask_with_warnings(server, questions[:1])
    assert len(answers) == 1 and told == []
    assert server.times[1] - server.times[0] > 0.9
    server.behave = lambda number, attempt: (429, {"Retry-After": "86400"}, b"tomorrow")
    with pytest.warns(UserWarning), pytest.raises(UserError, match="8 questions .*'tomorrow'"):
        ask(server, questions[1:])
    assert {n for n in server.attempts if server.attempts[n] != 1} == {0}


def test_the_rate_limit_holds_with_many_threads_and_for_retries(server, questions):
    server.behave = lambda number, attempt: None if attempt else (503, {}, b"busy")
    ask(server, questions[:3], pace=Pace(concurrency=3, per_minute=600))
    assert len(server.times) == 6 and server.times[-1] - server.times[0] > 0.35  # of 0.5


GARBAGE = [
    b"<html>gateway</html>", b"\xff\xfe", b"[" * 100_000, [], {"choices": [{"message": {}}]},
    completion(None), b'{"choices": [{"message": {"content": "\\ud800"}}]}',
]  # fmt: skip


def test_replies_that_cannot_be_read_are_missing_and_asked_again(server, questions, tmp_path):
    """Each is one line, and the answers to the other questions are kept."""
    options = {"pace": Pace(concurrency=1), "log": tmp_path / "log.jsonl"}
    server.behave = lambda number, attempt: (
        (200, {}, GARBAGE[number - 1]) if 1 <= number <= len(GARBAGE) else None
    )
    answers, told = ask_with_warnings(server, questions, **options)
    bad = [f"q{n + 1}" for n in range(len(GARBAGE))]
    assert list(answers) == [q.id for q in questions if q.id not in bad]
    *lines, total = told
    assert [text.split("'")[1] for text in lines] == bad
    assert all("no chat completion" in text and "\n" not in text for text in lines)
    assert f"{len(bad)} of 12 questions have no answer" in total
    assert set(server.attempts.values()) == {1}
    # The same call asks these again, and no other. Text may come in parts.
    parts = [{"type": "text", "text": "said "}, {"type": "text", "text": "so"}]
    server.behave = lambda number, attempt: (200, {}, completion(parts))
    again, told = ask_with_warnings(server, questions, **options)
    assert len(again) == 12 and told == [] and again["q1"] == "said so"
    assert {f"q{n}" for n, count in server.attempts.items() if count == 2} == set(bad)


def test_a_question_that_the_server_cannot_take_does_not_stop_the_others(server, questions):
    refused = (413, {}, {"message": "too\nlong"})
    server.behave = lambda number, attempt: refused if number else None
    answers, told = ask_with_warnings(server, questions, pace=Pace(concurrency=1))
    assert list(answers) == ["q0"] and len(told) == 12
    assert told[0] == r"question 'q1': no answer: HTTP 413: 'too\nlong'"


def test_bad_recordings_cost_only_their_own_questions(server, questions, tmp_path):
    """Also where the first ones, more than a server may fail at, are damaged."""
    bad = tmp_path / "damaged.wav"
    bad.write_bytes(questions[0].audio.read_bytes()[:999])
    asked = [replace(q, audio=bad) for q in questions[:9]] + questions[9:11]
    asked.append(replace(questions[11], audio=tmp_path / "missing.wav"))
    log = tmp_path / "log.jsonl"
    answers, told = ask_with_warnings(server, asked, pace=Pace(concurrency=1), log=log)
    assert list(answers) == ["q9", "q10"] and len(server.requests) == 2
    assert "missing.wav: no such file" in told[0] and "10 of 12 questions" in told[-1]
    assert sum("damaged.wav: is damaged" in text for text in told) == 9
    again, _ = ask_with_warnings(server, questions, log=log)
    assert len(again) == 12 and len(server.requests) == 12


def test_a_server_that_answers_nothing_is_given_up(server, questions, tmp_path):
    server.behave = lambda number, attempt: (200, {}, b"garbage")
    with pytest.warns(UserWarning), pytest.raises(UserError, match="8 questions in a row"):
        ask(server, questions, pace=Pace(concurrency=1))
    assert len(server.requests) in (8, 9)  # one more may be under way
    # Failing again and again after some answers
    server.behave = lambda number, attempt: (503, {}, b"down") if number > 1 else None
    log = tmp_path / "log.jsonl"
    with pytest.warns(UserWarning), pytest.raises(UserError, match="HTTP 503: 'down'"):
        ask(server, questions, pace=Pace(concurrency=1, tries=2), log=log)
    assert len(log.read_text().splitlines()) == 1 + 2


# --- the log --------------------------------------------------------------------------


def test_an_interrupted_run_goes_on_and_asks_nothing_twice(server, questions, tmp_path):
    log = tmp_path / "log.jsonl"
    # Question 5 makes the run fail while others are under way: their answers are kept.
    gone = (402, {}, {"error": {"message": "no credit left"}})
    server.behave = lambda number, attempt: gone if number == 5 else time.sleep(0.3)
    with pytest.raises(UserError, match="no credit left"):
        ask(server, questions, log=log)
    rows = [json.loads(line) for line in log.read_text().splitlines()][1:]
    asked = set(server.attempts) - {5}
    assert {row["id"] for row in rows} == {f"q{n}" for n in asked} and 4 <= len(asked) < 11
    with log.open("a") as stream:
        stream.write('{"id": "q11", "respo')  # what a power cut leaves

    server.behave = lambda number, attempt: None
    predictions = ask(server, questions, log=log)
    assert [p.answer for p in predictions] == [f"said {n}" for n in range(12)]
    assert server.attempts == Counter({**dict.fromkeys(range(12), 1), 5: 2})
    assert ask(server, questions, log=log) == predictions
    assert server.attempts.total() == 13


def test_ctrl_c_keeps_what_was_answered_and_does_not_wait(server, questions, tmp_path, monkeypatch):
    log = tmp_path / "log.jsonl"
    server.behave = lambda number, attempt: time.sleep(9 if number > 3 else 0)

    def interrupted(done):
        while len(server.requests) < 8:  # from then on, four are answered and four under way
            time.sleep(0.01)
        raise KeyboardInterrupt

    monkeypatch.setattr(endpoint, "_take", interrupted)
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        ask(server, questions, log=log)
    assert time.monotonic() - started < 5
    rows = [json.loads(line) for line in log.read_text().splitlines()][1:]
    assert sorted(row["id"] for row in rows) == ["q0", "q1", "q2", "q3"]


# --- the address and the key --------------------------------------------------------------


@pytest.mark.parametrize("url, whole", [
    ("https://api.example.com/v1/", "https://api.example.com/v1/chat/completions"),
    ("https://a.example/x/chat/completions", "https://a.example/x/chat/completions"),
    ("http://[::1]:9", "http://[::1]:9/chat/completions"),
])  # fmt: skip
def test_addresses(url, whole):
    assert find_endpoint(url, "m", {"OPENAI_API_KEY": KEY}) == Endpoint(
        whole, "m", KEY, "OPENAI_API_KEY"
    )


@pytest.mark.parametrize("url", [
    "", "localhost:8000", "file:///etc/passwd", "http://[::1", "http://a.example:port",
    "http://a b.example", "https://ä.example", f"https://me:{KEY}@a.example", f"https://a.example/v1?key={KEY}",
    f"https://a.example/#{KEY}",
])  # fmt: skip
def test_no_addresses(url):
    with pytest.raises(UserError, match="^--endpoint: ") as caught:
        find_endpoint(url, "m", {})
    assert KEY not in str(caught.value)


def test_the_key_is_found_and_never_leaves_unencrypted():
    both = {"R1AQA_API_KEY": f" {KEY}\n", "OPENAI_API_KEY": "other"}
    found = find_endpoint("https://a.example", "m", both)
    assert (found.key, found.key_variable) == (KEY, "R1AQA_API_KEY") and KEY not in repr(found)
    for host in ("a.example", "10.0.0.7:8000", "localhost.a.example", "127.0.0.1.a.example"):
        with pytest.raises(UserError, match="unencrypted") as caught:
            find_endpoint(f"http://{host}", "m", {"OPENAI_API_KEY": KEY})
        assert KEY not in str(caught.value)
        # Set to nothing, the first variable says that no key shall be sent.
        none = find_endpoint(f"http://{host}", "m", {"R1AQA_API_KEY": "", "OPENAI_API_KEY": KEY})
        assert none.key is None and none.key_variable is None
    with pytest.raises(UserError, match="^R1AQA_API_KEY: holds a space") as caught:
        find_endpoint("https://a.example", "m", {"R1AQA_API_KEY": f"{KEY}\r\nX: y"})
    assert KEY not in str(caught.value)


def test_the_key_is_struck_out_of_all_that_the_server_says(server, questions, tmp_path):
    def tells(number, attempt):
        said = f"you sent {KEY}"
        if number == 0:
            return 200, {}, completion(said)
        return 422, {}, {"error": {"message": said}} if number == 1 else said.encode()

    server.behave = tells
    log = tmp_path / "log.jsonl"
    answers, told = ask_with_warnings(server, questions[:3], key=KEY, log=log)
    assert {r["headers"]["Authorization"] for r in server.requests} == {f"Bearer {KEY}"}
    assert answers == {"q0": "you sent [key]"}
    assert len(told) == 3 and sum("HTTP 422: 'you sent [key]'" in text for text in told) == 2
    assert KEY not in "".join(told) and KEY not in log.read_text()


@pytest.mark.parametrize("key", ["", KEY], ids=["none", "wrong"])
def test_a_server_that_refuses_the_key_is_not_asked_further(server, questions, key):
    server.behave = lambda number, attempt: (401, {}, {"error": {"message": f"not {key}!"}})
    wanted = r"\(R1AQA_API_KEY\)" if key else "none is set in R1AQA_API_KEY or OPENAI_API_KEY"
    with pytest.raises(UserError, match=wanted) as caught:
        ask(server, questions, key=key)
    assert KEY not in str(caught.value) and set(server.attempts.values()) == {1}


def test_redirects_are_not_followed(server, questions):
    with Server() as other:
        threading.Thread(target=other.serve_forever, args=(0.01,)).start()
        moved = (307, {"Location": f"{other.url}/chat/completions"}, b"")
        server.behave = lambda number, attempt: moved
        # Another port of this machine, and yet no other host: it is not followed, either.
        with pytest.raises(UserError, match="a redirect to another address of the same host"):
            ask(server, questions, key=KEY)
        other.shutdown()
        assert other.requests == []


def test_a_server_that_is_not_there_is_one_line(questions, free_port):
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(UserError, match="cannot be reached"):
        answer_at_endpoint(find_endpoint(url, "m", {}), questions)


# --- the command --------------------------------------------------------------------------


def evaluate(server: Server, files: Path, out: Path, *more: object):
    arguments = ["evaluate", "--endpoint", server.url, "--model", "a model", "--questions", files,
                 "--out", out, *more]  # fmt: skip
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_evaluate_takes_a_limit_of_tokens_and_tells_what_it_cut(server, files, tmp_path):
    reply = completion("<think>half a")
    reply["choices"][0]["finish_reason"] = "length"
    server.behave = lambda number, attempt: (200, {}, reply) if number < 2 else None
    with pytest.warns(UserWarning, match="2 of 12 answers were cut at 7 tokens"):
        result = evaluate(server, files, tmp_path / "p.json", "--max-new-tokens", 7)
    assert result.exit_code == 0, (result.output, result.exception)
    assert {request["max_tokens"] for request in server.requests} == {7}
    about = read_json(tmp_path / "p.json.about.json")
    assert (about["cut"], about["max_new_tokens"]) == (2, 7)


def test_evaluate_at_an_endpoint(server, files, tmp_path, monkeypatch):
    monkeypatch.setenv("R1AQA_API_KEY", KEY)
    golds = {n: row["answer"] for n, row in enumerate(read_json(files))}
    server.behave = lambda number, attempt: (
        (200, {}, completion(golds[number])) if number else (200, {}, b"garbage")
    )
    out = tmp_path / "p.json"
    with pytest.warns(UserWarning) as told:
        result = evaluate(server, files, out, "--concurrency", 2, "--timeout", 9,
                          "--requests-per-minute", 60_000)  # fmt: skip
    assert "question 'q0': no answer: " in str(told[0].message)
    assert result.exit_code == 1, (result.output, result.exception)  # one answer is missing
    assert f"asking {server.url}/chat/completions with the key from R1AQA_API_KEY" in result.stdout
    assert "11 answers in " in result.stdout and "91.67" in result.stdout
    assert "1 without a prediction (counted as wrong)" in result.stdout
    assert [row["model_prediction"] for row in read_json(out)] == list(golds.values())[1:]
    written = "".join(path.read_text() for path in tmp_path.iterdir())
    assert KEY not in result.output + written

    server.behave = lambda number, attempt: (200, {}, completion(golds[number]))
    result = evaluate(server, files, out)
    assert result.exit_code == 0 and "100.00" in result.stdout
    assert server.attempts == Counter({**dict.fromkeys(range(12), 1), 0: 2})
