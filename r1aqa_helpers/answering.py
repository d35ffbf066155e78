"""From questions to predictions: batches through a local model, with a journal to resume from."""

import hashlib
import time
import warnings
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from transformers import GenerationConfig

from .audio import TOKENS_PER_SECOND, clip_to_window, header_seconds, load_audio
from .errors import UserError
from .files import append_jsonl, read_journal, shown, shown_value, write_json
from .models import (
    MAX_NEW_TOKENS,
    LoadedModel,
    SeededSampling,
    StateCache,
    chat_text,
    encode,
    generate,
    greedy_config,
    sampling_config,
    weights_fingerprint,
)
from .progress import track
from .prompts import build_prompt, question_text
from .questions import AudioQuestion, mmau_row
from .scoring import extract_answer

T = TypeVar("T")

#: Tokens of a batch, padding included: at 7B half a megabyte each, of keys and values.
BATCH_TOKENS = 8192
_STEPS = 16  # lengths of clips that are told apart in planning
_STATE_BYTES = 2**30  # of encoded recordings that are asked about again


@dataclass(frozen=True)
class Prediction:
    """What a model said to one question."""

    id: str
    response: str
    """All that it said."""
    answer: str
    """What counts of it, by ``scoring.extract_answer``."""
    seconds: float
    """Wall-clock time of its batch, shared out evenly."""


def answer_questions(
    loaded: LoadedModel,
    questions: Sequence[AudioQuestion],
    *,
    prompt: int = 2,
    batch_size: int | None = None,
    batch_tokens: int = BATCH_TOKENS,
    max_new_tokens: int = MAX_NEW_TOKENS,
    sample: bool = False,
    seed: int = 0,
    sampling: Mapping[str, float] | None = None,
    journal: Path | None = None,
) -> list[Prediction]:
    """Ask every question; predictions in the order of the questions.

    Greedy, or with ``sample`` drawn at temperature 1 from the model's whole distribution, each
    question from its own seed; ``sampling`` has other settings for `models.sampling_config`.
    Either way an answer depends neither on batch size nor on order, beyond floating-point ties.

    A batch takes questions of like length, as many as keep its tokens, prompts and answers
    padded, within ``batch_tokens``, and at most ``batch_size`` of them. Where it does not fit into
    the GPU's memory, batches are halved once, with a warning. While a GPU answers one, the next
    one's recordings are read; a CPU answers as many at once as PyTorch has threads. Each
    distinct recording is encoded once.

    ``journal`` is a JSON-lines file to which each answer is added when it is there; called again
    after an interruption, only the rest is asked. Raises ``UserError`` where it is the journal
    of a different run, and for recordings that cannot be read. Warns once where recordings were
    cut to the model's window.
    """
    texts = {q.id: _prompt_text(loaded, q, prompt) for q in questions}
    return ask_texts(
        loaded,
        questions,
        texts,
        {"prompt": prompt},
        f"answering, prompt <{prompt}>",
        batch_size=batch_size,
        batch_tokens=batch_tokens,
        max_new_tokens=max_new_tokens,
        sample=sample,
        seed=seed,
        sampling=sampling,
        journal=journal,
    )


def ask_texts(
    loaded: LoadedModel,
    questions: Sequence[AudioQuestion],
    texts: dict[str, str],
    facts: Mapping[str, Any],
    doing: str,
    *,
    batch_size: int | None = None,
    batch_tokens: int = BATCH_TOKENS,
    max_new_tokens: int = MAX_NEW_TOKENS,
    sample: bool = False,
    seed: int = 0,
    sampling: Mapping[str, float] | None = None,
    journal: Path | None = None,
) -> list[Prediction]:
    """What the model says to ``texts``, chat texts by question id, of each question's recording.

    As `answer_questions`, which asks the questions themselves. ``facts`` are JSON values that the
    journal shall keep; ``doing`` is shown as long as it takes.
    """
    run = {
        "model": loaded.name,
        "weights": weights_fingerprint(loaded),
        "dtype": str(loaded.model.dtype),
        **facts,
        "max_new_tokens": max_new_tokens,
        "sample": sample,
        "seed": seed if sample else None,  # greedy answers do not depend on it
        **({"sampling": dict(sampling)} if sample and sampling else {}),
        "questions": digest(sorted(texts.items())),
    }
    rows = {} if journal is None else open_journal(journal, run)
    rest = [q for q in questions if q.id not in rows]
    most = batch_size or len(rest)
    batches = plan_batches(loaded, rest, texts, most, batch_tokens, max_new_tokens)
    config = greedy_config(loaded, max_new_tokens)
    if sample:
        config = sampling_config(loaded, max_new_tokens, **(sampling or {}))
    answered = _answer_batches(loaded, batches, texts, config, seed if sample else None)
    for row in track(answered, doing, total=len(rest)):
        rows[row["id"]] = row
        if journal is not None:
            append_jsonl(journal, row)
    _warn_of_cuts(loaded, list(rows.values()))
    return [_prediction(rows[q.id]) for q in questions]


def answer_one(
    loaded: LoadedModel,
    audio: np.ndarray | Path | str,
    question: str,
    choices: Sequence[str],
    prompt: int = 2,
    max_new_tokens: int = MAX_NEW_TOKENS,
) -> tuple[Prediction, float]:
    """The greedy answer about one recording, and how many of its seconds were cut.

    ``audio`` is a file, or float32 (samples,) at 16 kHz.
    """
    started = time.perf_counter()
    wave = audio if isinstance(audio, np.ndarray) else load_audio(audio)
    wave, cut = clip_to_window(wave, loaded.window_seconds)
    text = chat_text(loaded, build_prompt(question, choices, prompt))
    (response,) = generate(
        loaded, encode(loaded, [text], [wave]), greedy_config(loaded, max_new_tokens)
    )
    seconds = time.perf_counter() - started
    return Prediction("", response, extract_answer(response), seconds), cut


def write_predictions(
    path: Path, questions: Sequence[AudioQuestion], predictions: Sequence[Prediction]
) -> None:
    """MMAU's JSON with ``response`` (raw), ``model_prediction`` and ``model_output`` (extracted).

    Both names, since the two releases of the official script read different ones. A question
    without a prediction is left out.
    """
    by_id = {prediction.id: prediction for prediction in predictions}
    write_json(
        path,
        [
            mmau_row(path, q)
            | {
                "response": by_id[q.id].response,
                "model_prediction": by_id[q.id].answer,
                "model_output": by_id[q.id].answer,
            }
            for q in questions
            if q.id in by_id
        ],
    )


def _prompt_text(loaded: LoadedModel, question: AudioQuestion, prompt: int) -> str:
    try:
        return chat_text(loaded, build_prompt(question_text(question), question.choices, prompt))
    except UserError as error:
        raise UserError(f"question {shown_value(question.id)}: {error}") from error


def plan_batches(
    loaded: LoadedModel,
    questions: Sequence[AudioQuestion],
    texts: dict[str, str],
    batch_size: int,
    batch_tokens: int,
    max_new_tokens: int,
) -> list[list[AudioQuestion]]:
    """Batches of like length, the longest first: too large a batch fails at once."""
    if not questions:
        return []
    window, tokenizer = loaded.window_seconds, loaded.processor.tokenizer
    # Recordings whose length is not known beforehand come first, as if they filled the window.
    known = {audio: header_seconds(audio) for audio in {q.audio for q in questions}}
    seconds = {a: window if s is None else min(s, window) for a, s in known.items()}
    words = tokenizer([texts[q.id] for q in questions], add_special_tokens=False).input_ids
    tokens = {
        q.id: len(ids) + round(seconds[q.audio] * TOKENS_PER_SECOND)
        for q, ids in zip(questions, words, strict=True)
    }
    # The tower pays for a batch's longest clip, the language model for its longest prompt.
    step = window / _STEPS
    order = sorted(questions, key=lambda q: (-(seconds[q.audio] // step), -tokens[q.id]))
    batches: list[list[AudioQuestion]] = []
    longest = 0
    for question in order:
        longest = max(longest, tokens[question.id])
        full = not batches or len(batches[-1]) == batch_size
        if full or (len(batches[-1]) + 1) * (longest + max_new_tokens) > batch_tokens:
            batches.append([])
            longest = tokens[question.id]
        batches[-1].append(question)
    return batches


@dataclass(frozen=True)
class _Batch:
    """Questions ready to be asked."""

    questions: Sequence[AudioQuestion]
    inputs: Mapping[str, torch.Tensor]
    cuts: list[float]


def _prepare(
    loaded: LoadedModel, texts: dict[str, str], questions: Sequence[AudioQuestion]
) -> _Batch:
    clips = {
        audio: clip_to_window(load_audio(audio), loaded.window_seconds)
        for audio in dict.fromkeys(q.audio for q in questions)
    }
    waves = [clips[q.audio][0] for q in questions]
    inputs = encode(loaded, [texts[q.id] for q in questions], waves)
    return _Batch(questions, inputs, [clips[q.audio][1] for q in questions])


def _answer_batches(
    loaded: LoadedModel,
    batches: Sequence[Sequence[AudioQuestion]],
    texts: dict[str, str],
    config: GenerationConfig,
    seed: int | None,
) -> Iterator[dict[str, Any]]:
    """A journal row per question: id, response, seconds, seconds_cut. With a seed, it is drawn."""
    used = Counter(question.audio for batch in batches for question in batch)
    cache = StateCache(_STATE_BYTES) if len(used) < used.total() else None
    prepare = partial(_prepare, loaded, texts)
    respond = partial(_respond, loaded, config, seed, cache)
    answer = _answer_on_cpu if loaded.device.type == "cpu" else _answer_on_gpu
    started = time.perf_counter()
    for batch, responses in answer(batches, prepare, respond):
        now = time.perf_counter()
        seconds, started = (now - started) / len(batch.questions), now
        for question, response, cut in zip(batch.questions, responses, batch.cuts, strict=True):
            yield {
                "id": question.id,
                "response": response,
                "seconds": round(seconds, 4),
                "seconds_cut": round(cut, 4),
            }


def _in_order(pool: ThreadPoolExecutor, jobs: Iterable[Callable[[], T]], ahead: int) -> Iterator[T]:
    """The jobs' results in the jobs' order, with at most ``ahead`` jobs more under way."""
    waiting: deque[Future[T]] = deque()
    for job in jobs:
        waiting.append(pool.submit(job))
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _answer_on_cpu(
    batches: Sequence[Sequence[AudioQuestion]],
    prepare: Callable[[Sequence[AudioQuestion]], _Batch],
    respond: Callable[[_Batch], list[str]],
) -> Iterator[tuple[_Batch, list[str]]]:
    """Several batches at once, each by one thread, from reading to the answer.

    Threads that share a batch wait for one another after each of its many small operations.
    """

    def job(questions: Sequence[AudioQuestion]) -> tuple[_Batch, list[str]]:
        batch = prepare(questions)
        return batch, respond(batch)

    threads = torch.get_num_threads()
    with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        yield from _in_order(pool, (partial(job, questions) for questions in batches), threads)


def _answer_on_gpu(
    batches: Sequence[Sequence[AudioQuestion]],
    prepare: Callable[[Sequence[AudioQuestion]], _Batch],
    respond: Callable[[_Batch, int], list[str]],
) -> Iterator[tuple[_Batch, list[str]]]:
    """One batch after another; another thread reads the next one's recordings meanwhile."""
    parts = 1
    with ThreadPoolExecutor(max_workers=1) as reader:
        jobs = (partial(prepare, questions) for questions in batches)
        for batch in _in_order(reader, jobs, ahead=1):
            while True:
                try:
                    responses = respond(batch, parts)
                    break
                except torch.OutOfMemoryError as error:
                    if parts == 2:
                        raise UserError(
                            f"batch of {len(batch.questions)} questions: does not fit into the "
                            "GPU's memory, not even in halves; choose a smaller --batch-size; "
                            "the answers so far are kept in the journal"
                        ) from error
                parts = 2
                torch.cuda.empty_cache()
                warnings.warn(
                    f"a batch of {len(batch.questions)} questions does not fit into the GPU's "
                    "memory: from here on batches are answered in halves",
                    stacklevel=2,
                )
            yield batch, responses


def _respond(
    loaded: LoadedModel,
    config: GenerationConfig,
    seed: int | None,
    cache: StateCache | None,
    batch: _Batch,
    parts: int = 1,
) -> list[str]:
    """What the model says to a batch, asked in so many parts."""
    responses: list[str] = []
    size = -(-len(batch.questions) // parts)
    for start in range(0, len(batch.questions), size):
        part = slice(start, start + size)
        asked = batch.questions[part]
        sampler = None
        if seed is not None:
            sampler = SeededSampling([_question_seed(seed, q.id) for q in asked])
        inputs = {name: tensor[part] for name, tensor in batch.inputs.items()}
        recordings = [q.audio for q in asked]
        responses += generate(loaded, inputs, config, sampler, recordings, cache)
    return responses


def open_journal(path: Path, run: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The rows of an interrupted run, by question id; a new journal gets ``run`` as its header."""
    header, *rows = read_journal(path) or [None]
    if header is None:
        append_jsonl(path, run)
        return {}
    if header != run:
        names = [name for name in run if header.get(name) != run[name]] or ["header"]
        raise UserError(
            f"{shown(path)}: is the journal of a different run ({', '.join(names)} differs); "
            "delete it, or choose another --out"
        )
    for number, row in enumerate(rows, start=2):
        fields = (("id", str), ("response", str), ("seconds", float), ("seconds_cut", float))
        for name, kind in fields:
            if not isinstance(row.get(name), kind):
                raise UserError(
                    f"{shown(path)}:{number}: field {name}: missing or damaged, delete the line"
                )
    return {row["id"]: row for row in rows}


def _warn_of_cuts(loaded: LoadedModel, rows: Sequence[dict[str, Any]]) -> None:
    cuts = [row["seconds_cut"] for row in rows if row["seconds_cut"] > 0]
    if cuts:
        warnings.warn(
            f"{len(cuts)} of {len(rows)} clips were longer than the model's "
            f"{loaded.window_seconds} s window; {sum(cuts):.1f} s cut in all",
            stacklevel=4,  # the caller of answer_questions
        )


def _prediction(row: dict[str, Any]) -> Prediction:
    return Prediction(row["id"], row["response"], extract_answer(row["response"]), row["seconds"])


def _question_seed(seed: int, question_id: str) -> int:
    return int(digest([seed, question_id]), 16)


def digest(value: object) -> str:
    """A short name for a value's content: 15 hexadecimal digits of its ``repr``'s SHA-256."""
    return hashlib.sha256(repr(value).encode()).hexdigest()[:15]
