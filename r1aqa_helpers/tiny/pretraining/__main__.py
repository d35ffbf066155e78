"""Run the stages: ``python -m r1aqa_helpers.tiny.pretraining [--until STAGE]``."""

import argparse
from pathlib import Path

import torch

from r1aqa_helpers import files, models
from r1aqa_helpers.tiny.build import build_model, build_processor, build_tokenizer
from r1aqa_helpers.tiny.families import TESTING, TRAINING
from r1aqa_helpers.tiny.pretraining import hearing, tower
from r1aqa_helpers.tiny.pretraining.corpus import tokenizer_corpus
from r1aqa_helpers.tiny.pretraining.lessons import hearing_lessons, instruct_lesson
from r1aqa_helpers.tiny.pretraining.loop import Schedule, run_stage
from r1aqa_helpers.tiny.pretraining.pool import build_pool

POOL_CLIPS = 20_000
TOWER = Schedule(steps=1300, batch=48, learning_rate=1.5e-3, seed=1)
LISTENING = Schedule(steps=1200, batch=48, learning_rate=1.5e-3, seed=2)
HEARING = Schedule(steps=600, batch=48, learning_rate=6e-4, seed=3)
INSTRUCT = Schedule(steps=220, batch=32, learning_rate=4e-4, seed=4)
LESSONS = 4


class Workshop:
    """The model under construction, its pools, and the folder of its stages."""

    def __init__(self, work: Path) -> None:
        self.work = work
        self.processor = build_processor(build_tokenizer(tokenizer_corpus(), vocabulary=896))
        extractor = self.processor.feature_extractor
        self.pool = build_pool(work / "pool", POOL_CLIPS, TRAINING, extractor, seed=10)
        self.held_out = build_pool(work / "held-out", 600, TESTING, extractor, seed=11)
        torch.manual_seed(0)
        self.model = build_model(self.processor.tokenizer)

    def tower(self) -> None:
        """Stage 1: the audio tower alone, on frame labels."""
        tagger = tower.FrameTagger(self.model.model.audio_tower)
        loss_of = tower.tower_loss(tagger, self.pool, TOWER.batch)
        run_stage(tagger, loss_of, TOWER, self.work / "tower")
        report = tower.tower_report(tagger, self.held_out)
        print(report)
        files.write_json(self.work / "tower" / "report.json", report)

    def _teach(self, stage: str, schedule: Schedule, teach, outputs=None) -> None:
        loss_of = hearing.lesson_loss(
            self.model, self.processor, self.pool, teach, schedule.batch, outputs
        )
        run_stage(self.model, loss_of, schedule, self.work / stage)
        target = self.work / stage / "model"
        models.save(models.LoadedModel(self.model, self.processor, stage), target)

    def listening(self) -> None:
        """Stage 2a: the language model learns to read the tower, which stands still."""
        encoder = self.model.model.audio_tower
        encoder.requires_grad_(False)
        outputs = hearing.tower_outputs(encoder, self.pool)
        self._teach("listening", LISTENING, lambda s, r: hearing_lessons(s, r, LESSONS), outputs)

    def hearing(self) -> None:
        """Stage 2b: tower and language model together."""
        encoder = self.model.model.audio_tower
        encoder.requires_grad_(True)
        encoder.embed_positions.requires_grad_(False)
        self._teach("hearing", HEARING, lambda s, r: hearing_lessons(s, r, LESSONS))

    def instruct(self) -> None:
        """Stage 3: a general assistant's manners."""
        encoder = self.model.model.audio_tower
        encoder.requires_grad_(False)
        outputs = hearing.tower_outputs(encoder, self.pool)
        self._teach("instruct", INSTRUCT, lambda s, r: [instruct_lesson(s, r)], outputs)


STAGES = ["tower", "listening", "hearing", "instruct"]


def main() -> None:
    """Parse the command line; run the stages, each from where it was, up to the one named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--until", choices=STAGES, default=STAGES[-1])
    parser.add_argument("--work", type=Path, default=Path("runs/pretraining"))
    arguments = parser.parse_args()
    workshop = Workshop(arguments.work)
    for stage in STAGES[: STAGES.index(arguments.until) + 1]:
        getattr(workshop, stage)()


if __name__ == "__main__":
    main()
