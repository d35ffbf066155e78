"""The first half of a cascade: the audio model says what each clip holds."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from r1aqa_helpers.answering import BATCH_TOKENS, ask_texts
from r1aqa_helpers.files import write_jsonl
from r1aqa_helpers.models import LoadedModel, chat_text
from r1aqa_helpers.questions import AudioQuestion

#: What the audio model is asked. One of the tiny model's own caption requests.
REQUEST = "Describe the audio."
#: Words of a strong caption that a weak one keeps.
WEAK_WORDS = 4


def weakened(caption: str) -> str:
    """The first few words of a caption: a weak one."""
    return " ".join(caption.split()[:WEAK_WORDS])


def caption_clips(
    loaded: LoadedModel,
    questions: Sequence[AudioQuestion],
    *,
    request: str = REQUEST,
    batch_tokens: int = BATCH_TOKENS,
    max_new_tokens: int = 64,
    journal: Path | None = None,
) -> dict[str, str]:
    """What the model says of each question's clip, greedily, by question id.

    It knows neither question nor choices, and each recording is described once. ``journal`` as
    in `answering.answer_questions`.

    Raises:
        UserError: as `answering.answer_questions`.
    """
    first: dict[Path, AudioQuestion] = {}
    for question in questions:
        first.setdefault(question.audio, question)
    text = chat_text(loaded, request)
    said = ask_texts(
        loaded,
        list(first.values()),
        {question.id: text for question in first.values()},
        {"request": request},
        f"captioning {len(first)} clips",
        batch_tokens=batch_tokens,
        max_new_tokens=max_new_tokens,
        journal=journal,
    )
    heard = {one.id: " ".join(one.response.split()) for one in said}
    return {question.id: heard[first[question.audio].id] for question in questions}


def write_captions(
    path: Path, questions: Sequence[AudioQuestion], captions: Mapping[str, Mapping[str, str]]
) -> None:
    """One line a question, to be read: id, recording, question, and its captions by strength."""
    write_jsonl(
        path,
        [
            {
                "id": question.id,
                "audio": question.audio.name,
                "question": question.question,
                **{strength: held[question.id] for strength, held in captions.items()},
            }
            for question in questions
        ],
    )
