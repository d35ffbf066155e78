"""A cascade over a set of questions: captions, answers from them, and scores, in one folder."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from r1aqa_helpers.data import AudioQuestion
from r1aqa_helpers.data.recordings import check_recordings
from r1aqa_helpers.evaluation.local import (
    BATCH_TOKENS,
    Prediction,
    answer_questions,
    as_predictions,
    fill_batches,
    logged,
    prompt_text,
    warn_of_answers,
    write_predictions,
)
from r1aqa_helpers.models import LoadedModel
from r1aqa_helpers.models.loaded import fingerprint
from r1aqa_helpers.models.text_model import TextModel, chat, respond
from r1aqa_helpers.scoring import Score, bootstrap_difference, mcnemar, score
from r1aqa_helpers.scoring.text import accuracy_text, gain_text
from r1aqa_helpers.utils.io import write_json, write_jsonl
from r1aqa_helpers.utils.provenance import provenance
from r1aqa_helpers.utils.untrusted import NAME, shown, shown_value

#: What the audio model is asked. One of the tiny model's own caption requests.
REQUEST = "Describe the audio."
#: Words of a strong caption that a weak one keeps.
WEAK_WORDS = 4
#: How much of a caption the text model is given.
STRENGTHS = {
    "strong": "the whole caption",
    "weak": f"the first {WEAK_WORDS} words of the caption",
}
#: Captions that are kept in ``cascade.json`` as examples.
EXAMPLES = 6


def weakened(caption: str) -> str:
    """The first few words of a caption."""
    return " ".join(caption.split()[:WEAK_WORDS])


def caption_clips(
    loaded: LoadedModel,
    questions: Sequence[AudioQuestion],
    *,
    request: str = REQUEST,
    **options: Any,
) -> dict[str, str]:
    """The model's description of each question's clip, greedily, by question id.

    It is given neither question nor choices, and each recording is described once. ``options``
    and errors as in `local.answer_questions`; also a ``UserError`` for a bad recording.
    """
    check_recordings(questions)
    first: dict[Path, AudioQuestion] = {}
    for question in questions:
        first.setdefault(question.audio, question)
    said = answer_questions(loaded, list(first.values()), request=request, **options)
    captions = {one.id: " ".join(one.response.split()) for one in said}
    return {question.id: captions[first[question.audio].id] for question in questions}


def answer_from_captions(
    text_model: TextModel,
    questions: Sequence[AudioQuestion],
    captions: Mapping[str, str],
    *,
    prompt: int = 2,
    batch_tokens: int = BATCH_TOKENS,
    max_new_tokens: int = 256,
    log: Path | None = None,
) -> list[Prediction]:
    """Ask every question of its caption, greedily; predictions in the order of the questions.

    ``captions`` by question id; the recordings are not opened. ``log`` as in
    `local.answer_questions`.

    Raises:
        UserError: ``log`` is that of a different run, or a text cannot be asked.
    """
    chats = partial(chat, text_model)
    texts = {q.id: prompt_text(q, prompt, captions, chats) for q in questions}
    run = {
        "text_model": text_model.name,
        "weights": fingerprint(text_model.model),
        "prompt": prompt,
        "max_new_tokens": max_new_tokens,
    }

    def answer(rest: list[AudioQuestion]) -> Iterator[dict[str, Any]]:
        count = partial(text_model.tokenizer, add_special_tokens=False)
        tokens = {q.id: len(count(texts[q.id]).input_ids) for q in rest}
        longest_first = sorted(rest, key=lambda q: -tokens[q.id])
        for batch in fill_batches(longest_first, tokens, batch_tokens, max_new_tokens):
            started = time.perf_counter()
            said = respond(text_model, [texts[q.id] for q in batch], max_new_tokens)
            seconds = round((time.perf_counter() - started) / len(batch), 4)
            for q, response in zip(batch, said, strict=True):
                cut = len(count(response).input_ids) >= max_new_tokens
                row = {"id": q.id, "response": response, "seconds": seconds}
                yield row | {"seconds_cut": 0.0, "cut": cut}

    doing = f"answering from captions, prompt <{prompt}>"
    rows = logged(log, run, questions, texts, answer, doing, heard=False)
    warn_of_answers(rows, max_new_tokens)
    return as_predictions(rows)


def run_cascade(
    questions: Sequence[AudioQuestion],
    captions: Mapping[str, str],
    answer: Callable[..., list[Prediction]],
    out: Path,
    facts: Mapping[str, Any],
    say: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Answer from strong and from weak captions; written to ``out/cascade.json``.

    Beside it ``captions.jsonl`` holds every caption, and ``strong.json`` and ``weak.json`` the
    predictions. Interrupted, the same call resumes from the logs of ``answer``.

    Args:
        questions: with gold answers.
        captions: the whole ones, by question id.
        answer: the text model; called with the questions, ``captions=`` by id, and ``log=``.
        facts: JSON values that the file shall keep, such as the models' names.

    Raises:
        UserError: as ``answer`` and ``scoring.score``.
    """
    weak = {id: weakened(caption) for id, caption in captions.items()}
    held = {"strong": captions, "weak": weak}

    def captions_of(question: AudioQuestion) -> dict[str, str]:
        return {"id": question.id} | {name: those[question.id] for name, those in held.items()}

    asked = [{"audio": q.audio.name, "question": q.question, **captions_of(q)} for q in questions]
    write_jsonl(out / "captions.jsonl", asked)
    say(f"captions: {shown(out / 'captions.jsonl')}")
    scores: dict[str, Score] = {}
    rows = []
    for strength, about in STRENGTHS.items():
        said = answer(questions, captions=held[strength], log=out / f"{strength}.log.jsonl")
        write_predictions(out / f"{strength}.json", questions, said)
        scored = scores[strength] = score(questions, {one.id: one.answer for one in said})
        rows.append(
            {
                "name": f"cascade-{strength}",
                "about": about,
                **scored.row_dict(),
                "strict": scored.strict.as_dict(),
                "missing": scored.missing,
                "seconds": round(sum(one.seconds for one in said), 1),
            }
        )
    matches = scores["strong"].matches, scores["weak"].matches
    test = mcnemar(*matches)
    examples = questions[:: max(1, len(questions) // EXAMPLES)][:EXAMPLES]
    result = {
        **facts,
        "n": len(questions),
        "rows": rows,
        "strong_against_weak": {
            "difference": test.difference,
            "difference_ci95": list(bootstrap_difference(*matches)),
            "mcnemar_p": test.p,
        },
        "examples": [captions_of(q) for q in examples],
        "provenance": provenance(),
    }
    write_json(out / "cascade.json", result)
    return result


def cascade_lines(result: Mapping[str, Any]) -> list[str]:
    """The result of `run_cascade` in lines for a terminal."""
    lines = []
    for row in result["rows"]:
        parts = (f"{shown(task)} {part['accuracy']:.1f}" for task, part in row["tasks"].items())
        lines.append(
            f"{row['name']}: {accuracy_text(row)}, {', '.join(parts)};"
            f" {row['unparsed']} answers name no choice; {row['about']}"
        )
    test = result["strong_against_weak"]
    gain = gain_text(test["difference"], test["mcnemar_p"], test["difference_ci95"])
    lines += [f"strong against weak: {gain}", "captions, strong | weak:"]
    for example in result["examples"]:
        strong, weak = (shown_value(example[name], NAME) for name in ("strong", "weak"))
        lines.append(f"  {shown(example['id'])}: {strong} | {weak}")
    return lines
