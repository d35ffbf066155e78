"""The second half of a cascade at work: questions answered from captions alone."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from r1aqa_helpers.answering import BATCH_TOKENS, Prediction, digest, open_journal
from r1aqa_helpers.errors import UserError
from r1aqa_helpers.files import append_jsonl, shown_value
from r1aqa_helpers.models.bundle import fingerprint
from r1aqa_helpers.progress import track
from r1aqa_helpers.prompts import caption_prompt, question_text
from r1aqa_helpers.questions import AudioQuestion
from r1aqa_helpers.scoring import extract_answer

from .text_model import TextModel, batches, chat, respond, token_count


def answer_from_captions(
    text_model: TextModel,
    questions: Sequence[AudioQuestion],
    captions: Mapping[str, str],
    *,
    prompt: int = 2,
    batch_tokens: int = BATCH_TOKENS,
    max_new_tokens: int = 256,
    journal: Path | None = None,
) -> list[Prediction]:
    """Ask every question of its caption, greedily; predictions in the order of the questions.

    ``captions`` by question id; the recordings are not opened. ``journal`` as in
    `answering.answer_questions`.

    Raises:
        UserError: it is the journal of a different run, or a text cannot be asked.
    """
    texts = {q.id: _text(text_model, q, captions[q.id], prompt) for q in questions}
    run = {
        "text_model": text_model.name,
        "weights": fingerprint(text_model.model),
        "prompt": prompt,
        "max_new_tokens": max_new_tokens,
        "questions": digest(sorted(texts.items())),
    }
    rows = {} if journal is None else open_journal(journal, run)
    rest = [q for q in questions if q.id not in rows]
    lengths = token_count(text_model, [texts[q.id] for q in rest]) if rest else []
    planned = list(batches(lengths, batch_tokens, max_new_tokens))
    for batch in track(planned, f"answering from captions, prompt <{prompt}>"):
        started = time.perf_counter()
        said = respond(text_model, [texts[rest[place].id] for place in batch], max_new_tokens)
        seconds = (time.perf_counter() - started) / len(batch)
        for place, response in zip(batch, said, strict=True):
            row = {
                "id": rest[place].id,
                "response": response,
                "seconds": round(seconds, 4),
                "seconds_cut": 0.0,
            }
            rows[row["id"]] = row
            if journal is not None:
                append_jsonl(journal, row)
    return [
        Prediction(row["id"], row["response"], extract_answer(row["response"]), row["seconds"])
        for row in (rows[q.id] for q in questions)
    ]


def _text(text_model: TextModel, question: AudioQuestion, caption: str, prompt: int) -> str:
    try:
        asked = caption_prompt(caption, question_text(question), question.choices, prompt)
        return chat(text_model, asked)
    except UserError as error:
        raise UserError(f"question {shown_value(question.id)}: {error}") from error
