"""From questions to predictions: batches through a local model, with a journal to resume from."""

import hashlib
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .audio import clip_to_window, load_audio
from .errors import UserError
from .files import append_jsonl, read_journal, shown, shown_value, write_json
from .models import (
    MAX_NEW_TOKENS,
    LoadedModel,
    SeededSampling,
    chat_text,
    encode,
    generate,
    greedy_config,
    weights_fingerprint,
)
from .progress import track
from .prompts import build_prompt, question_text
from .questions import AudioQuestion, mmau_row
from .scoring import extract_answer


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
    batch_size: int = 8,
    max_new_tokens: int = MAX_NEW_TOKENS,
    sample: bool = False,
    seed: int = 0,
    journal: Path | None = None,
) -> list[Prediction]:
    """Ask every question; predictions in the order of the questions.

    Greedy, or with ``sample`` drawn at temperature 1 from the model's whole distribution, each
    question from its own seed. Either way an answer depends neither on batch size nor on order,
    beyond floating-point ties.

    ``journal`` is a JSON-lines file to which each answer is added when it is there; called again
    after an interruption, only the rest is asked. Raises ``UserError`` where it is the journal
    of a different run, and for recordings that cannot be read. Warns once where recordings were
    cut to the model's window.
    """
    texts = {q.id: _prompt_text(loaded, q, prompt) for q in questions}
    run = {
        "model": loaded.name,
        "weights": weights_fingerprint(loaded),
        "dtype": str(loaded.model.dtype),
        "prompt": prompt,
        "max_new_tokens": max_new_tokens,
        "sample": sample,
        "seed": seed if sample else None,  # greedy answers do not depend on it
        "questions": _digest(sorted(texts.items())),
    }
    rows = {} if journal is None else _open_journal(journal, run)
    # Longest first: similar lengths need little padding, and too large a batch fails at once.
    rest = sorted(
        (q for q in questions if q.id not in rows), key=lambda q: len(texts[q.id]), reverse=True
    )
    batches = [rest[start : start + batch_size] for start in range(0, len(rest), batch_size)]
    answered = _answer_batches(loaded, batches, texts, max_new_tokens, seed if sample else None)
    for row in track(answered, f"answering, prompt <{prompt}>", total=len(rest)):
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


def _answer_batches(
    loaded: LoadedModel,
    batches: Sequence[Sequence[AudioQuestion]],
    texts: dict[str, str],
    max_new_tokens: int,
    seed: int | None,
) -> Iterator[dict[str, Any]]:
    """A journal row per question: id, response, seconds, seconds_cut. Greedy without a seed."""
    config = greedy_config(loaded, max_new_tokens)
    for batch in batches:
        started = time.perf_counter()
        clips = [clip_to_window(load_audio(q.audio), loaded.window_seconds) for q in batch]
        inputs = encode(loaded, [texts[q.id] for q in batch], [wave for wave, _ in clips])
        sampler = None
        if seed is not None:
            sampler = SeededSampling([_question_seed(seed, q.id) for q in batch])
        try:
            responses = generate(loaded, inputs, config, sampler)
        except torch.OutOfMemoryError as error:
            raise UserError(
                f"batch of {len(batch)} questions: does not fit into the GPU's memory, "
                "choose a smaller --batch-size; the answers so far are kept in the journal"
            ) from error
        seconds = (time.perf_counter() - started) / len(batch)
        for question, response, (_, cut) in zip(batch, responses, clips, strict=True):
            yield {
                "id": question.id,
                "response": response,
                "seconds": round(seconds, 4),
                "seconds_cut": round(cut, 4),
            }


def _open_journal(path: Path, run: dict[str, Any]) -> dict[str, dict[str, Any]]:
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
            stacklevel=3,
        )


def _prediction(row: dict[str, Any]) -> Prediction:
    return Prediction(
        row["id"], row["response"], extract_answer(row["response"]), row["seconds"]
    )


def _question_seed(seed: int, question_id: str) -> int:
    return int(_digest([seed, question_id]), 16)


def _digest(value: object) -> str:
    return hashlib.sha256(repr(value).encode()).hexdigest()[:15]
