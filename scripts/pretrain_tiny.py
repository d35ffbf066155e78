"""Pre-train the tiny model: ``python scripts/pretrain_tiny.py [--until STAGE]``.

Seeded, resumable stages: ``encoder`` (the audio encoder names each moment), ``attributes`` (and a
scene as a whole), ``rehearsal`` (both), ``hearing`` (the language model says what is heard),
``reading`` (and reads the choices), ``instruct`` (answers as a general assistant does, with a poor
multiple-choice style), ``ship``, ``ceiling``, which measures what the base could learn, and
``record``.
"""

import argparse
import copy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from pretraining import encoder, language
from pretraining.card import write_card
from pretraining.lessons import (
    Lesson,
    choice_lessons,
    hearing_lessons,
    instruct_lesson,
    rarity_of_scenes,
    rarity_of_types,
    reading_lessons,
    tokenizer_corpus,
)
from pretraining.loop import Schedule, run_stage
from pretraining.pool import Pool, build_pool
from transformers import Qwen2AudioProcessor

from r1aqa_helpers import models
from r1aqa_helpers.data import read_questions
from r1aqa_helpers.evaluation.local import answer_questions
from r1aqa_helpers.scoring import score
from r1aqa_helpers.tiny.build import build_model, build_processor, build_tokenizer
from r1aqa_helpers.tiny.data import MODEL, prepare
from r1aqa_helpers.tiny.scene_families import TESTING, TRAINING
from r1aqa_helpers.tiny.scenes import Scene
from r1aqa_helpers.utils import io
from r1aqa_helpers.utils.machine import hardware
from r1aqa_helpers.utils.paths import TINY

POOL_CLIPS = 20_000
ENCODER = Schedule(steps=1300, batch=48, learning_rate=1.5e-3, seed=1)
ATTRIBUTES = Schedule(steps=500, batch=48, learning_rate=8e-4, seed=6)
REHEARSAL = Schedule(steps=300, batch=48, learning_rate=8e-4, seed=7)
HEARING = Schedule(steps=640, batch=32, learning_rate=1.5e-3, seed=2)
READING = Schedule(steps=700, batch=32, learning_rate=1.2e-3, seed=3)
INSTRUCT = Schedule(steps=180, batch=32, learning_rate=4e-4, seed=4)
CEILING = Schedule(steps=350, batch=32, learning_rate=1e-3, seed=5)
SCHEDULES = {
    "encoder": ENCODER,
    "attributes": ATTRIBUTES,
    "rehearsal": REHEARSAL,
    "hearing": HEARING,
    "reading": READING,
    "instruct": INSTRUCT,
    "ceiling": CEILING,
}
LESSONS = 4


class PretrainingPipeline:
    """The model under construction, its pools, and the folder of its stages."""

    def __init__(self, work: Path) -> None:
        self.work = work
        self.processor = _processor(work / "processor")
        extractor = self.processor.feature_extractor
        self.pool = build_pool(work / "pool", POOL_CLIPS, TRAINING, extractor, seed=10)
        self.held_out = build_pool(work / "held-out", 600, TESTING, extractor, seed=11)
        torch.manual_seed(0)
        self.model = build_model(self.processor.tokenizer)

    def encoder(self) -> None:
        """Stage 1: the audio encoder alone, on frame labels."""
        tagger = encoder.FrameTagger(self.model.model.audio_tower)
        loss_of = encoder.encoder_loss(tagger, self.pool, ENCODER.batch)
        run_stage(tagger, loss_of, ENCODER, self.work / "encoder")
        self._report("encoder", lambda: encoder.encoder_report(tagger, self.held_out))
        self._tagger = tagger

    def attributes(self) -> None:
        """Stage 2: the encoder learns what a scene as a whole shows, on scenes that show it."""
        self._scene_tagger = encoder.SceneTagger(self._tagger)
        pool = encoder.attribute_pool(self.pool)
        self._name_attributes("attributes", ATTRIBUTES, pool, frame_weight=0.1)

    def rehearsal(self) -> None:
        """Stage 3: the same on all scenes, for stage 2 forgets what its scenes do not show."""
        self._name_attributes("rehearsal", REHEARSAL, self.pool, frame_weight=0.3)

    def _name_attributes(
        self, stage: str, schedule: Schedule, pool: Pool, frame_weight: float
    ) -> None:
        tagger = self._scene_tagger
        loss_of = encoder.attribute_loss(tagger, pool, schedule.batch, frame_weight)
        run_stage(tagger, loss_of, schedule, self.work / stage)

        def report() -> dict[str, float]:
            frames = encoder.encoder_report(tagger.tagger, self.held_out)
            return {**frames, **encoder.attribute_report(tagger, self.held_out)}

        self._report(stage, report)

    def _report(self, stage: str, measure: Callable[[], dict[str, float]]) -> None:
        """Measure a finished stage on the held-out clips, once."""
        place = self.work / stage / "report.json"
        if not place.exists():
            io.write_json(place, measure())
        print(stage, io.read_json(place))

    def _teach(
        self,
        stage: str,
        schedule: Schedule,
        teach: Callable[[Scene, np.random.Generator], list[Lesson]],
        outputs: np.ndarray,
        weights: np.ndarray | None = None,
    ) -> None:
        loss_of = language.lesson_loss(
            self.model, self.processor, self.pool, teach, schedule.batch, outputs, weights
        )
        run_stage(self.model, loss_of, schedule, self.work / stage)
        target = self.work / stage / "model"
        models.save(models.LoadedModel(self.model, self.processor, stage), target)

    def _encoder_outputs(self) -> np.ndarray:
        """The pool as the finished audio encoder hears it, which is frozen from here on."""
        self.model.model.audio_tower.requires_grad_(False)
        place = self.work / "rehearsal" / "outputs.npy"
        if not place.exists():
            outputs = language.encoder_outputs(self.model.model.audio_tower, self.pool)
            np.save(place.with_name("part.npy"), outputs)
            place.with_name("part.npy").replace(place)
        return np.load(place)

    def hearing(self) -> None:
        """Stage 4: the language model learns to read the encoder, and to say what it hears."""
        outputs = self._encoder_outputs()
        self._teach("hearing", HEARING, lambda s, r: hearing_lessons(s, r, LESSONS), outputs)

    def reading(self) -> None:
        """Stage 5: to read the choices, on all question types alike."""
        outputs = self._encoder_outputs()
        rarity = rarity_of_types(self.pool.scenes)
        weights = rarity_of_scenes(self.pool.scenes, rarity)

        def teach(scene: Scene, rng: np.random.Generator) -> list[Lesson]:
            return reading_lessons(scene, rng, LESSONS, rarity)

        self._teach("reading", READING, teach, outputs, weights)

    def instruct(self) -> None:
        """Stage 6: a general assistant's chat style."""
        outputs = self._encoder_outputs()
        self._teach("instruct", INSTRUCT, lambda s, r: [instruct_lesson(s, r)], outputs)

    def ship(self) -> None:
        """Write the base checkpoint into the repository, in half precision."""
        half = copy.deepcopy(self.model).half()
        models.save(models.LoadedModel(half, self.processor, "tiny-qwen2-audio"), MODEL)

    def ceiling(self) -> None:
        """What the shipped base can learn: fine-tune it on plenty of fresh questions, and test.

        Not a part of the shipped model. Its score bounds what SFT or GRPO could elicit.
        """
        base = models.load(MODEL, device="cpu", dtype="float32")
        self.model = base.model
        self.model.requires_grad_(True)
        outputs = self._encoder_outputs()
        self._teach("ceiling", CEILING, lambda s, r: choice_lessons(s, r, LESSONS), outputs)
        questions = read_questions(prepare().test)
        tuned = models.LoadedModel(self.model, self.processor, "ceiling")
        answers = answer_questions(tuned, questions, prompt=2, batch_size=32, max_new_tokens=32)
        report = score(questions, {a.id: a.answer for a in answers}).as_dict()
        del report["matches"]
        io.write_json(self.work / "ceiling" / "score.json", report)
        print({task: values["accuracy"] for task, values in report["tasks"].items()})

    def record(self) -> None:
        """Write what is known of the checkpoint into the repository, and its card."""
        shipped = models.load(MODEL, device="cpu", dtype="float32")
        ceiling = self.work / "ceiling" / "score.json"
        done = {n: plan for n, plan in SCHEDULES.items() if (self.work / n / "log.jsonl").exists()}
        io.write_json(
            TINY / "pretraining.json",
            {
                "parameters": sum(p.numel() for p in shipped.model.parameters()),
                "megabytes": (MODEL / "model.safetensors").stat().st_size / 1e6,
                "hardware": hardware(),
                "stages": {name: self._outcome(name, plan) for name, plan in done.items()},
                "encoder": io.read_json(self.work / "rehearsal" / "report.json"),
                "encoder_clips": len(self.held_out.scenes),
                "ceiling": io.read_json(ceiling) if ceiling.exists() else None,
            },
        )
        write_card()

    def _outcome(self, stage: str, schedule: Schedule) -> dict[str, float]:
        last = io.read_log(self.work / stage / "log.jsonl")[-1]
        return {
            "steps": schedule.steps,
            "batch": schedule.batch,
            "learning_rate": schedule.learning_rate,
            "loss": last["loss"],
            "seconds_per_step": last["pace"],
        }


def _processor(folder: Path) -> Qwen2AudioProcessor:
    """The tokenizer is trained once: its tokens are what the saved stages have learnt."""
    if not folder.exists():
        part = folder.with_name("processor.part")
        build_processor(build_tokenizer(tokenizer_corpus(), vocabulary=896)).save_pretrained(part)
        part.rename(folder)
    return Qwen2AudioProcessor.from_pretrained(folder)


STAGES = (
    "encoder attributes rehearsal hearing reading instruct ship ceiling record"  # in this order
).split()


def main() -> None:
    """Parse the command line; run the stages, each from where it was, up to the one named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--until", choices=STAGES, default=STAGES[-1])
    parser.add_argument("--work", type=Path, default=Path("runs/pretraining"))
    arguments = parser.parse_args()
    pipeline = PretrainingPipeline(arguments.work)
    for stage in STAGES[: STAGES.index(arguments.until) + 1]:
        getattr(pipeline, stage)()


if __name__ == "__main__":
    main()
