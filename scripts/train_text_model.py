"""Train data/tiny/text_model: a small text model that answers from captions.

    uv run scripts/train_text_model.py

It starts from three of the five layers of the tiny checkpoint's language half and learns, from
the recipes of tiny-avqa's training clips, to answer questions about a clip whose caption it
reads. Then it is asked tiny-avqa's validation questions with the true captions, as is the whole
language half for comparison, and data/tiny/text_model.json says what came out. Seeded;
interrupted, the same command goes on from the state under runs/. About a quarter of an hour on one
core.
"""

from pathlib import Path
from typing import Any

import torch
from pretraining.caption_reader import LAYERS, lesson_loss, part_of, save_reader
from pretraining.loop import Schedule, run_stage

from r1aqa_helpers.data import read_questions
from r1aqa_helpers.evaluation.cascade import WEAK_WORDS, answer_from_captions, weakened
from r1aqa_helpers.models import load
from r1aqa_helpers.models.text_model import language_half, load_text_model
from r1aqa_helpers.scoring import score
from r1aqa_helpers.tiny.data import MODEL, TEXT_MODEL, recipes
from r1aqa_helpers.tiny.question_types import caption
from r1aqa_helpers.utils.io import read_log, write_json
from r1aqa_helpers.utils.paths import DATA, TINY
from r1aqa_helpers.utils.provenance import provenance

SCHEDULE = Schedule(steps=1500, batch=32, learning_rate=1.5e-3, seed=0, save_every=25)
WORK = DATA.parent / "runs" / "text-model"
RECORD = TINY / "text_model.json"


def validation(folder: Path) -> dict[str, Any]:
    """A text model's scores on the validation questions, by the captions' strength; prompt <2>."""
    text_model = load_text_model(folder, "cpu", "float32")
    questions, scenes = read_questions(TINY / "tiny-avqa-validation.jsonl"), recipes("validation")
    strong = {question.id: caption(scenes[question.id]) for question in questions}
    captions = {"strong": strong, "weak": {id: weakened(text) for id, text in strong.items()}}
    found = {}
    for strength, held in captions.items():
        said = answer_from_captions(text_model, questions, held, prompt=2, max_new_tokens=48)
        result = score(questions, {one.id: one.answer for one in said})
        found[strength] = {
            **result.overall.as_dict(),
            "unparsed": result.unparsed,
            "tasks": {name: part.as_dict() for name, part in result.tasks.items()},
        }
    return found


def main() -> None:
    """Train, write the model, and record how it came about."""
    torch.manual_seed(0)
    base = load(MODEL, device="cpu", dtype="float32")
    text_model = part_of(language_half(base))
    scenes = list(recipes("train").values())
    run_stage(text_model.model, lesson_loss(text_model, scenes, SCHEDULE.batch), SCHEDULE, WORK)
    last = read_log(WORK / "log.jsonl")[-1]
    save_reader(text_model, TEXT_MODEL)
    write_json(
        RECORD,
        {
            "parameters": sum(weight.numel() for weight in text_model.model.parameters()),
            "megabytes": (TEXT_MODEL / "model.safetensors").stat().st_size / 1e6,
            "base": "data/tiny/model",
            "layers": list(LAYERS),
            "captions": "of the recipes of tiny-avqa's training clips",
            "weak_words": WEAK_WORDS,
            "steps": SCHEDULE.steps,
            "batch": SCHEDULE.batch,
            "learning_rate": SCHEDULE.learning_rate,
            "seed": SCHEDULE.seed,
            "loss": last["loss"],
            "validation": validation(TEXT_MODEL),
            "language_half_untrained": validation(MODEL),
            "provenance": provenance(),
        },
    )
    print(RECORD)


if __name__ == "__main__":
    main()
