"""From questions to predictions: batches through a local model, with a log to resume from."""

import hashlib
import os
import time
import warnings
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from transformers import GenerationConfig

from r1aqa_helpers.data import AudioQuestion, mmau_row
from r1aqa_helpers.data.audio import TOKENS_PER_SECOND, clip_to_window, header_seconds, load_audio
from r1aqa_helpers.data.prompts import build_prompt, caption_prompt, question_text
from r1aqa_helpers.data.recordings import recording_digests
from r1aqa_helpers.models import (
    MAX_NEW_TOKENS,
    Answer,
    AudioFeatureCache,
    LoadedModel,
    SeededSampling,
    chat_text,
    encode,
    generate,
    generate_answers,
    greedy_config,
    sampling_config,
    weights_fingerprint,
)
from r1aqa_helpers.scoring import extract_answer
from r1aqa_helpers.scoring.predictions import warn_of_thinking
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import append_jsonl, read_log, write_json
from r1aqa_helpers.utils.locks import only_writer
from r1aqa_helpers.utils.progress import track
from r1aqa_helpers.utils.run_dir import check_there
from r1aqa_helpers.utils.untrusted import shown, shown_value

#: Tokens of a batch, padding included: at 7B half a megabyte each, of keys and values.
BATCH_TOKENS = 8192
#: Fields of a log's row that are needed.
_FIELDS = {"id": str, "response": str, "seconds": float, "seconds_cut": float, "asked": str}
_STEPS = 16  # lengths of clips that planning distinguishes
_STATE_BYTES = 2**30  # of encoded recordings that are asked about again


@dataclass(frozen=True)
class Prediction:
    """What a model said to one question."""

    id: str
    response: str
    """The whole text."""
    seconds: float
    """Wall-clock time of its batch, divided by the number of its questions."""
    cut: bool = False
    """Whether the limit of tokens ended it."""

    @property
    def answer(self) -> str:
        """The part that is scored."""
        return extract_answer(self.response)


def answer_questions(
    loaded: LoadedModel,
    questions: Sequence[AudioQuestion],
    *,
    prompt: int = 2,
    request: str | None = None,
    batch_size: int | None = None,
    batch_tokens: int = BATCH_TOKENS,
    max_new_tokens: int = MAX_NEW_TOKENS,
    sample: bool = False,
    seed: int = 0,
    sampling: Mapping[str, float] | None = None,
    log: Path | None = None,
) -> list[Prediction]:
    """Ask every question; predictions in the order of the questions.

    Greedy, or with ``sample`` drawn at temperature 1 from the model's whole distribution, each
    question from its own seed. Either way an answer depends neither on batch size nor on order,
    beyond floating-point ties.

    Where a batch does not fit into the GPU's memory, batches are halved once, with a warning.
    Each distinct recording is encoded once. Warns once where recordings were cut to the model's
    window.

    Args:
        prompt: the paper's prompt, 1 to 3.
        request: text to ask about each recording, in place of its question.
        batch_size: most questions of a batch.
        batch_tokens: most tokens of a batch, prompts and answers padded.
        sampling: with ``sample``, other settings for `models.sampling_config`.
        log: JSON-lines file to which each answer is added when it is there; called again after
            an interruption, only the rest is asked.

    A question whose recording cannot be used has no prediction, which a warning says.

    Raises:
        UserError: ``log`` is that of a different run, or no recording can be read.
    """
    asked: dict[str, Any] = {"prompt": prompt} if request is None else {"request": request}
    if request is None:
        chat = partial(chat_text, loaded)
        texts = {q.id: prompt_text(q, prompt, chat=chat) for q in questions}
        doing = f"answering, prompt <{prompt}>"
    else:
        texts = dict.fromkeys((q.id for q in questions), chat_text(loaded, request))
        doing = f"asking about {len(texts)} clips"
    run = {
        "model": loaded.name,
        "weights": weights_fingerprint(loaded),
        "dtype": str(loaded.model.dtype),
        **asked,
        "max_new_tokens": max_new_tokens,
        "sample": sample,
        "seed": seed if sample else None,  # greedy answers do not depend on it
        **({"sampling": dict(sampling)} if sample and sampling else {}),
    }
    config = greedy_config(loaded, max_new_tokens)
    if sample:
        config = sampling_config(loaded, max_new_tokens, **(sampling or {}))

    def answer(rest: list[AudioQuestion]) -> Iterator[dict[str, Any]]:
        most = batch_size or len(rest)
        batches = plan_batches(loaded, rest, texts, most, batch_tokens, max_new_tokens)
        return _Asking(loaded, texts, config, seed if sample else None).rows(batches)

    rows = logged(log, run, questions, texts, answer, doing)
    cuts = [row["seconds_cut"] for row in rows if row["seconds_cut"] > 0]
    if cuts:
        warnings.warn(
            f"{len(cuts)} of {len(rows)} clips were longer than the model's "
            f"{loaded.window_seconds} s window; {sum(cuts):.1f} s cut in all",
            stacklevel=2,
        )
    warn_of_answers(rows, max_new_tokens)
    return as_predictions(rows)


def warn_of_answers(rows: Sequence[Mapping[str, Any]], max_new_tokens: int) -> None:
    """Warn of answers in a log's rows that were cut off, or stand inside the thinking."""
    if cut := sum(row.get("cut") is True for row in rows):
        warnings.warn(
            f"{cut} of {len(rows)} answers were cut at {max_new_tokens} tokens and count as they"
            " are; allow more (evaluate --max-new-tokens)",
            stacklevel=3,
        )
    warn_of_thinking([row["response"] for row in rows])


def logged(
    log: Path | None,
    run: dict[str, Any],
    questions: Sequence[AudioQuestion],
    texts: Mapping[str, str],
    answer: Callable[[list[AudioQuestion]], Iterable[dict[str, Any]]],
    doing: str,
    heard: bool = True,
) -> list[dict[str, Any]]:
    """The rows of all questions that have an answer, in their order; those not in ``log`` asked.

    Warns where questions are left without an answer.

    Args:
        run: JSON values that identify the run: the log's first line.
        texts: what is asked, by question id.
        answer: yields a row (id, response, seconds, seconds_cut) for each question it is given
            and can answer, in any order; each is added to the log at once, with a digest of text
            and recording as ``asked``.
        doing: label of the progress bar.
        heard: whether recordings are asked about.

    Raises:
        UserError: the log is that of a different run, of other texts or recordings, damaged, or
            another process writes to it.
    """
    recordings = recording_digests(questions) if heard else {}
    asked = {
        q.id: digest([texts[q.id], recordings.get(q.audio)])
        for q in questions
        if q.audio in recordings or not heard
    }
    with nullcontext() if log is None else only_writer(log):
        rows = {} if log is None else open_log(log, run, asked)
        rest = [q for q in questions if q.id in asked and q.id not in rows]
        for row in track(answer(rest), doing, total=len(rest)):
            rows[row["id"]] = row
            if log is not None:
                check_there(log)
                append_jsonl(log, {**row, "asked": asked[row["id"]]})
    if len(rows) < len(questions):
        warnings.warn(
            f"{len(questions) - len(rows)} of {len(questions)} questions have no answer; "
            "the same command asks them again",
            stacklevel=3,
        )
    return [rows[q.id] for q in questions if q.id in rows]


def as_predictions(rows: Iterable[Mapping[str, Any]]) -> list[Prediction]:
    """What a log's rows say."""
    return [
        Prediction(row["id"], row["response"], row["seconds"], row.get("cut") is True)
        for row in rows
    ]


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
    return Prediction("", response, seconds), cut


def write_predictions(
    path: Path, questions: Sequence[AudioQuestion], predictions: Sequence[Prediction]
) -> None:
    """MMAU's JSON with ``response`` (raw), ``model_prediction`` and ``model_output`` (extracted).

    Both names, since the two releases of the official script read different ones. A question
    without a prediction is left out.
    """
    by_id = {prediction.id: prediction for prediction in predictions}
    rows = []
    for question in questions:
        if said := by_id.get(question.id):
            fields = {"model_prediction": said.answer, "model_output": said.answer}
            rows.append(mmau_row(path, question) | {"response": said.response, **fields})
    write_json(path, rows)


def prompt_text(
    question: AudioQuestion,
    prompt: int,
    captions: Mapping[str, str] | None = None,
    chat: Callable[[str], str] = str,
) -> str:
    """The question in the paper's prompt, as ``chat`` renders it.

    With ``captions``, by question id, they take the recording's place.

    Raises:
        UserError: it cannot be asked; names the question.
    """
    asked, choices = question_text(question), question.choices
    try:
        if captions is None:
            return chat(build_prompt(asked, choices, prompt))
        return chat(caption_prompt(captions[question.id], asked, choices, prompt))
    except UserError as error:
        raise UserError(f"question {shown_value(question.id)}: {error}") from error


def plan_batches(
    loaded: LoadedModel,
    questions: Sequence[AudioQuestion],
    texts: Mapping[str, str],
    batch_size: int,
    batch_tokens: int,
    max_new_tokens: int,
) -> list[list[AudioQuestion]]:
    """Batches of similar length, the longest first: too large a batch fails at once."""
    if not questions:
        return []
    window, tokenizer = loaded.window_seconds, loaded.processor.tokenizer
    # Recordings whose length is not known beforehand come first, as if they filled the window.
    # What is no regular file is not opened here: reading it says so.
    found = {audio: os.path.isfile(audio) for audio in {q.audio for q in questions}}
    known = {audio: header_seconds(audio) if there else None for audio, there in found.items()}
    seconds = {a: window if s is None else min(s, window) for a, s in known.items()}
    words = tokenizer([texts[q.id] for q in questions], add_special_tokens=False).input_ids
    tokens = {
        q.id: len(ids) + round(seconds[q.audio] * TOKENS_PER_SECOND)
        for q, ids in zip(questions, words, strict=True)
    }
    # Of a batch, the longest clip costs the audio encoder, the longest prompt the language model.
    step = window / _STEPS
    order = sorted(questions, key=lambda q: (-(seconds[q.audio] // step), -tokens[q.id]))
    return fill_batches(order, tokens, batch_tokens, max_new_tokens, batch_size)


def fill_batches(
    order: Sequence[AudioQuestion],
    tokens: Mapping[str, int],
    batch_tokens: int,
    max_new_tokens: int,
    batch_size: int | None = None,
) -> list[list[AudioQuestion]]:
    """Questions in this order, in batches of at most so many tokens, padding and answers included.

    ``tokens`` are those of each question's prompt, by id.
    """
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


class _Batch(NamedTuple):
    """Questions ready to be asked, and how many seconds of each clip were cut."""

    questions: Sequence[AudioQuestion]
    inputs: Mapping[str, torch.Tensor]
    cuts: list[float]


@dataclass
class _Asking:
    """One model, asked in batches. With a seed, answers are drawn."""

    loaded: LoadedModel
    texts: Mapping[str, str]
    config: GenerationConfig
    seed: int | None
    cache: AudioFeatureCache | None = None
    parts: int = 1  # in which a batch is answered

    def rows(self, batches: Sequence[Sequence[AudioQuestion]]) -> Iterator[dict[str, Any]]:
        """A row for the log per question, as the answers come."""
        used = Counter(question.audio for batch in batches for question in batch)
        self.cache = AudioFeatureCache(_STATE_BYTES) if len(used) < used.total() else None
        started = time.perf_counter()
        for batch, answers in self._answered(batches):
            now = time.perf_counter()
            seconds, started = (now - started) / max(1, len(batch.questions)), now
            for question, answer, lost in zip(batch.questions, answers, batch.cuts, strict=True):
                yield {
                    "id": question.id,
                    "response": answer.text,
                    "seconds": round(seconds, 4),
                    "seconds_cut": round(lost, 4),
                    "cut": answer.cut,
                }

    def _answered(
        self, batches: Sequence[Sequence[AudioQuestion]]
    ) -> Iterator[tuple[_Batch, list[Answer]]]:
        """The batches in their order.

        On a CPU several at once, each by one thread, from reading to the answer: threads that
        share a batch wait for one another after each of its many small operations. On a GPU one
        after another, while another thread reads the next one's recordings.
        """
        cpu = _on_cpu(self.loaded)

        def job(questions: Sequence[AudioQuestion]) -> tuple[_Batch, list[Answer] | None]:
            batch = self._prepare(questions)
            return batch, self._respond(batch) if cpu else None

        def taken() -> tuple[_Batch, list[Answer]]:
            batch, answers = waiting.popleft().result()
            return batch, self._respond_on_gpu(batch) if answers is None else answers

        threads = torch.get_num_threads()
        workers, each = (threads, 1) if cpu else (1, threads)
        waiting: deque[Future[tuple[_Batch, list[Answer] | None]]] = deque()
        with ThreadPoolExecutor(
            workers, initializer=torch.set_num_threads, initargs=(each,)
        ) as pool:
            for questions in batches:
                waiting.append(pool.submit(job, questions))
                if len(waiting) > workers:
                    yield taken()
            while waiting:
                yield taken()

    def _prepare(self, questions: Sequence[AudioQuestion]) -> _Batch:
        clips = {}
        for audio in dict.fromkeys(q.audio for q in questions):
            try:
                clips[audio] = clip_to_window(load_audio(audio), self.loaded.window_seconds)
            except UserError as fault:
                warnings.warn(f"{fault}; its questions have no answer", stacklevel=2)
        questions = [q for q in questions if q.audio in clips]
        if not questions:
            return _Batch([], {}, [])
        waves = [clips[q.audio][0] for q in questions]
        inputs = encode(self.loaded, [self.texts[q.id] for q in questions], waves)
        return _Batch(questions, inputs, [clips[q.audio][1] for q in questions])

    def _respond(self, batch: _Batch) -> list[Answer]:
        answers: list[Answer] = []
        size = max(1, -(-len(batch.questions) // self.parts))
        for start in range(0, len(batch.questions), size):
            part = slice(start, start + size)
            asked = batch.questions[part]
            sampler = None
            if self.seed is not None:
                sampler = SeededSampling([int(digest([self.seed, q.id]), 16) for q in asked])
            inputs = {name: tensor[part] for name, tensor in batch.inputs.items()}
            recordings = [q.audio for q in asked]
            answers += generate_answers(
                self.loaded, inputs, self.config, sampler, recordings, self.cache
            )
        return answers

    def _respond_on_gpu(self, batch: _Batch) -> list[Answer]:
        try:
            return self._respond(batch)
        except torch.OutOfMemoryError as error:
            if self.parts == 2:
                raise UserError(
                    f"batch of {len(batch.questions)} questions: does not fit into the GPU's "
                    "memory, not even in halves; choose a smaller --batch-size; the answers so "
                    "far are kept in the log"
                ) from error
        self.parts = 2
        torch.cuda.empty_cache()
        warnings.warn(
            f"a batch of {len(batch.questions)} questions does not fit into the GPU's memory: "
            "from here on batches are answered in halves",
            stacklevel=2,
        )
        return self._respond_on_gpu(batch)


def _on_cpu(loaded: LoadedModel) -> bool:
    return loaded.device.type == "cpu"


def open_log(
    path: Path, run: dict[str, Any], asked: Mapping[str, str] | None = None
) -> dict[str, dict[str, Any]]:
    """The rows of an interrupted run, by question id; a new log gets ``run`` as its first line.

    With ``asked``, which says by id what is asked now, the rows of these questions alone.

    Raises:
        UserError: the log is that of a different run, one of these questions was asked with
            another text or recording, or a row is damaged.
    """
    logged = read_log(path)
    if not logged:
        append_jsonl(path, run)
        return {}
    header, *rows = logged
    if header != run:
        names = [name for name in run if header.get(name) != run[name]] or ["header"]
        raise UserError(
            f"{shown(path)}: is the log of a different run ({', '.join(names)} differs); "
            "delete it, or choose another --out"
        )
    for number, row in enumerate(rows, start=2):
        for name, kind in _FIELDS.items():
            if not isinstance(row.get(name), kind):
                raise UserError(
                    f"{shown(path)}:{number}: field {name}: missing or damaged, delete the line"
                )
        if asked is not None and row["asked"] != asked.get(row["id"], row["asked"]):
            raise UserError(
                f"{shown(path)}:{number}: question {shown_value(row['id'])} was asked with another"
                " text or recording; delete the log, or choose another --out"
            )
    return {row["id"]: row for row in rows if asked is None or row["id"] in asked}


def digest(value: object) -> str:
    """A short name for a value's content: 15 hexadecimal digits of its ``repr``'s SHA-256."""
    return hashlib.sha256(repr(value).encode()).hexdigest()[:15]
