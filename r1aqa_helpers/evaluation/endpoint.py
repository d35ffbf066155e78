"""Ask many questions of a server at once: threads, the log, and when to abort a run."""

import queue
import threading
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from r1aqa_helpers.data import AudioQuestion
from r1aqa_helpers.evaluation.local import (
    Prediction,
    as_predictions,
    logged,
    prompt_text,
    warn_of_answers,
)
from r1aqa_helpers.evaluation.openai_client import (
    GREEDY,
    GREEDY_EXTENDED,
    BadRecordingError,
    Client,
    Endpoint,
    NoAnswerError,
    Pace,
)
from r1aqa_helpers.models import MAX_NEW_TOKENS
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.untrusted import shown_value

_GIVE_UP = 8  # questions without an answer, one after another
_GRACE = 10.0  # s for answers under way when a run fails


def answer_at_endpoint(
    endpoint: Endpoint,
    questions: Sequence[AudioQuestion],
    *,
    prompt: int = 2,
    max_new_tokens: int = MAX_NEW_TOKENS,
    pace: Pace | None = None,
    log: Path | None = None,
    captions: Mapping[str, str] | None = None,
) -> list[Prediction]:
    """Ask every question; predictions in the order of the questions.

    Greedy. Whole recordings are sent, as 16-bit WAV at 16 kHz (samples beyond ±1 are clipped); the
    server cuts what exceeds the model's window. A busy or failing server is asked again. A question
    without an answer that can be read is reported in a warning and has no prediction.

    Args:
        log: as in `local.answer_questions`: called again, only questions without an answer are
            asked.
        captions: by question id; the model reads them, and no recording is sent.

    Raises:
        UserError: ``log`` is that of a different run, a recording cannot be read, or the server
            cannot be reached, refuses the key or the model, or fails again and again.
    """
    texts = {q.id: prompt_text(q, prompt, captions) for q in questions}
    run = {
        "endpoint": endpoint.url,
        "model": endpoint.model,
        "prompt": prompt,
        "settings": GREEDY | GREEDY_EXTENDED | {"stream": False, "max_tokens": max_new_tokens},
    }

    def answer(rest: list[AudioQuestion]) -> Iterator[dict[str, Any]]:
        if rest:
            with closing(Client(endpoint, max_new_tokens, pace or Pace())) as client:
                some = len(rest) < len(questions)
                yield from _ask_all(client, rest, texts, some, heard=captions is None)

    doing = f"asking {endpoint.model}, prompt <{prompt}>"
    rows = logged(log, run, questions, texts, answer, doing, heard=captions is None)
    warn_of_answers(rows, max_new_tokens)
    return as_predictions(rows)


def _ask_all(
    client: Client,
    questions: Sequence[AudioQuestion],
    texts: Mapping[str, str],
    some: bool,
    heard: bool,
) -> Iterator[dict[str, Any]]:
    """The rows as they come; a warning for each that is missing.

    ``some``: whether there are answers from before; ``heard``: whether recordings are sent.
    """
    waiting = iter(questions)
    done: queue.SimpleQueue[tuple[AudioQuestion, Any]] = queue.SimpleQueue()

    def work() -> None:
        for question in waiting:  # all threads take from the one iterator
            if client.stopped.is_set():
                return
            try:
                done.put((question, client.ask(question, texts[question.id], heard)))
            except Exception as error:  # raised again where the results are taken
                done.put((question, error))

    # Daemons: an interrupted program does not wait for a server's answer.
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
            if result.of_server or not (some or isinstance(result, BadRecordingError)):
                failed += 1
            if failed == _GIVE_UP:
                raise UserError(
                    f"{client.endpoint.url}: {failed} questions in a row got no answer, the last "
                    f"one: {result}; check the server; the answers so far are kept in the log"
                )
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


def _take(done: queue.SimpleQueue[Any]) -> Any:
    while True:
        try:
            return done.get(timeout=0.5)  # without a limit, Windows would not see Ctrl-C
        except queue.Empty:
            continue
