"""Many questions asked at once: threads, the journal, and when to give a run up."""

import hashlib
import queue
import threading
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from r1aqa_helpers.answering import Prediction, open_journal
from r1aqa_helpers.errors import UserError
from r1aqa_helpers.files import append_jsonl, shown_value
from r1aqa_helpers.models import MAX_NEW_TOKENS
from r1aqa_helpers.progress import track
from r1aqa_helpers.prompts import build_prompt, caption_prompt, question_text
from r1aqa_helpers.questions import AudioQuestion
from r1aqa_helpers.scoring import extract_answer

from .address import Endpoint
from .client import Client, Pace
from .protocol import GREEDY, GREEDY_EXTENDED, NoAnswerError

_GIVE_UP = 8  # questions without an answer, one after another
_GRACE = 10.0  # s for answers under way when a run fails


def answer_at_endpoint(
    endpoint: Endpoint,
    questions: Sequence[AudioQuestion],
    *,
    prompt: int = 2,
    max_new_tokens: int = MAX_NEW_TOKENS,
    pace: Pace | None = None,
    journal: Path | None = None,
    captions: Mapping[str, str] | None = None,
) -> list[Prediction]:
    """Ask every question; predictions in the order of the questions.

    Greedy. Recordings go whole, as 16-bit WAV at 16 kHz (samples beyond ±1 are clipped): what
    exceeds a model's window, its server cuts. A busy or failing server is asked again, after the
    time that it names, or ever longer. A question that gets no answer, or one that cannot be
    read, is told in a warning and has no prediction.

    With ``captions``, by question id, no recording is sent: the model reads them instead.

    ``journal`` as in `answering.answer_questions`: called again, only questions without an
    answer are asked. Raises ``UserError`` where it is the journal of a different run, for
    recordings that cannot be read, and where to go on is of no use: the server cannot be reached,
    refuses the key or the model, wants to be left alone for long, or fails on and on.
    """
    pace = pace or Pace()
    texts = {q.id: _text(q, prompt, captions) for q in questions}
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
    client = Client(endpoint, settings, pace)
    answered = _ask_all(client, rest, texts, bool(rows), heard=captions is None)
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


def _text(question: AudioQuestion, prompt: int, captions: Mapping[str, str] | None) -> str:
    asked = question_text(question)
    try:
        if captions is not None:
            return caption_prompt(captions[question.id], asked, question.choices, prompt)
        return build_prompt(asked, question.choices, prompt)
    except UserError as error:
        raise UserError(f"question {shown_value(question.id)}: {error}") from error


def _ask_all(
    client: Client,
    questions: Sequence[AudioQuestion],
    texts: Mapping[str, str],
    some: bool,
    heard: bool,
) -> Iterator[dict[str, Any] | None]:
    """A journal row per question, as they come; None, after a warning, where one is missing.

    ``some``: whether there are answers from before; ``heard``: whether recordings are sent.
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
                done.put((question, client.ask(question, texts[question.id], heard)))
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
            if not isinstance(result, NoAnswerError):
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
