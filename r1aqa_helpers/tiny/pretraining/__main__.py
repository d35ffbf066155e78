"""Run the stages: ``python -m r1aqa_helpers.tiny.pretraining [tower|hearing|instruct|all]``."""

import argparse
from pathlib import Path

import torch

from r1aqa_helpers import files
from r1aqa_helpers.tiny.build import build_model, build_processor, build_tokenizer
from r1aqa_helpers.tiny.families import TESTING, TRAINING
from r1aqa_helpers.tiny.pretraining import tower
from r1aqa_helpers.tiny.pretraining.corpus import tokenizer_corpus
from r1aqa_helpers.tiny.pretraining.loop import Schedule, run_stage
from r1aqa_helpers.tiny.pretraining.pool import build_pool

POOL_CLIPS = 20_000
TOWER = Schedule(steps=1300, batch=48, learning_rate=1.5e-3, seed=1)


def main() -> None:
    """Parse the command line and run what it names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stage", choices=["tower", "hearing", "instruct", "all"])
    parser.add_argument("--work", type=Path, default=Path("runs/pretraining"))
    arguments = parser.parse_args()
    work = arguments.work
    tokenizer = build_tokenizer(tokenizer_corpus(), vocabulary=896)
    processor = build_processor(tokenizer)
    extractor = processor.feature_extractor
    pool = build_pool(work / "pool", POOL_CLIPS, TRAINING, extractor, seed=10)
    held_out = build_pool(work / "held-out", 600, TESTING, extractor, seed=11)
    torch.manual_seed(0)
    model = build_model(tokenizer)
    if arguments.stage in ("tower", "all"):
        tagger = tower.FrameTagger(model.model.audio_tower)
        loss_of = tower.tower_loss(tagger, pool, TOWER.batch)
        run_stage(tagger, loss_of, TOWER, work / "tower")
        report = tower.tower_report(tagger, held_out)
        print(report)
        files.write_json(work / "tower" / "report.json", report)


if __name__ == "__main__":
    main()
