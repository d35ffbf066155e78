"""Make the tiny model: ``python scripts/pretrain_tiny.py [--until STAGE | --trial STEPS]``.

Seeded, resumable stages: ``encoder`` (the audio encoder names what sounds when),
``attributes`` (and what a scene shows as a whole), ``drills`` (the language model looks things up
in texts, counts and adds), ``hearing`` (it says what it hears, and thinks about it), ``instruct``
(it answers as a general assistant does), ``ship``, ``ceiling``, which measures what the base could
learn, and ``record``. From ``hearing`` on, a few texts run along in every step, so that what the
drills taught is not forgotten.

``--trial`` makes a few steps of each stage, twice, and ships nothing: it records how long the whole
takes on this machine, and how far two runs differ.
"""

import argparse
import copy
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pretraining import encoder, language
from pretraining.card import write_card
from pretraining.lessons import PRACTISED, Lesson, Teacher, mixed_drill, tokenizer_corpus
from pretraining.loop import Schedule, has_bf16, run_stage
from pretraining.pool import build_pool
from transformers import Qwen2AudioProcessor

from r1aqa_helpers import models
from r1aqa_helpers.data import read_questions
from r1aqa_helpers.evaluation.local import answer_questions
from r1aqa_helpers.scoring import score
from r1aqa_helpers.tiny.build import build_model, build_processor, build_tokenizer
from r1aqa_helpers.tiny.data import MODEL, prepare
from r1aqa_helpers.tiny.question_types import COMPOSITIONAL
from r1aqa_helpers.tiny.scene_families import TESTING, TRAINING
from r1aqa_helpers.tiny.scenes import Scene
from r1aqa_helpers.training.rewards import format_reward
from r1aqa_helpers.utils import io
from r1aqa_helpers.utils.machine import hardware
from r1aqa_helpers.utils.paths import TINY
from r1aqa_helpers.utils.provenance import provenance

POOL_CLIPS = 20_000
SCHEDULES = {
    "encoder": Schedule(steps=2000, batch=16, learning_rate=1.5e-3, seed=1),
    "attributes": Schedule(steps=800, batch=16, learning_rate=1e-3, seed=6),
    "drills": Schedule(steps=600, batch=32, learning_rate=2e-3, seed=2),
    "hearing": Schedule(steps=850, batch=16, learning_rate=1.5e-3, seed=3),
    "instruct": Schedule(steps=150, batch=16, learning_rate=4e-4, seed=4),
    "ceiling": Schedule(steps=600, batch=16, learning_rate=1e-3, seed=5),
}
TEXTS = 12  # beside the lessons of a step
TRIAL_CLIPS = 600


class PretrainingPipeline:
    """The model under construction, its pools, and the folder of its stages."""

    def __init__(self, work: Path, clips: int = POOL_CLIPS, steps: int | None = None) -> None:
        """``steps`` in place of each stage's own."""
        self.work = work
        self.schedules = {
            name: plan if steps is None else replace(plan, steps=steps)
            for name, plan in SCHEDULES.items()
        }
        self.processor = _processor(work / "processor")
        extractor = self.processor.feature_extractor
        self.pool = build_pool(work / "pool", clips, TRAINING, extractor, seed=10)
        self.held_out = build_pool(work / "held-out", 600, TESTING, extractor, seed=11)
        torch.manual_seed(0)
        self.model = build_model(self.processor.tokenizer)
        language.start_with_lookup(self.model)
        self.tagger = encoder.Tagger(self.model.model.audio_tower)
        self._teacher = Teacher(self.pool.scenes)
        self._practised = Teacher(self.pool.scenes, PRACTISED)

    def encoder(self) -> None:
        """Stage 1: the audio encoder alone, on labels of frames and scenes."""
        plan = self.schedules["encoder"]
        loss_of = encoder.encoder_loss(self.tagger, self.pool, plan.batch)
        run_stage(self.tagger, loss_of, plan, self.work / "encoder")

    def attributes(self) -> None:
        """Stage 2: the same, with those scenes more often that show something as a whole."""
        plan = self.schedules["attributes"]
        weights = encoder.attribute_weights(self.pool.scenes)
        loss_of = encoder.encoder_loss(self.tagger, self.pool, plan.batch, weights)
        run_stage(self.tagger, loss_of, plan, self.work / "attributes")
        place = self.work / "attributes" / "report.json"
        if not place.exists():
            frames = encoder.frame_report(self.tagger, self.held_out)
            shown = encoder.attribute_report(self.tagger, self.held_out)
            io.write_json(place, {**frames, **shown})
        print("encoder", io.read_json(place))

    def drills(self) -> None:
        """Stage 3: the language model alone, on texts."""
        self.model.model.audio_tower.requires_grad_(False)  # from here on it is frozen
        plan = self.schedules["drills"]
        loss_of = language.drill_loss(self.model, self.processor, plan.batch)
        run_stage(self.model, loss_of, plan, self.work / "drills")

    def hearing(self) -> None:
        """Stage 4: to read the encoder, to say what is heard, and to think about it."""
        self._teach("hearing", self._practised.hearing, self._practised.weights)

    def instruct(self) -> None:
        """Stage 5: a general assistant's chat style."""
        self._teach("instruct", self._teacher.instruct, self._teacher.weights)

    def _teach(
        self,
        stage: str,
        teach: Callable[[Scene, np.random.Generator], Lesson],
        weights: np.ndarray,
    ) -> None:
        plan, heard = self.schedules[stage], self._encoder_outputs()
        lessons = language.lesson_loss(
            self.model, self.processor, self.pool, teach, plan.batch, heard, weights
        )
        texts = language.drill_loss(self.model, self.processor, TEXTS, mixed_drill)
        run_stage(self.model, lambda rng: lessons(rng) + texts(rng), plan, self.work / stage)

    def _encoder_outputs(self) -> np.ndarray:
        """The pool as the finished audio encoder hears it."""
        place = self.work / "attributes" / "outputs.npy"
        if not place.exists():
            outputs = language.encoder_outputs(self.model.model.audio_tower, self.pool)
            np.save(place.with_name("part.npy"), outputs)
            place.with_name("part.npy").replace(place)
        return np.load(place)

    def ship(self) -> None:
        """Write the base checkpoint into the repository, in half precision."""
        half = copy.deepcopy(self.model).half()
        fresh = _processor(self.work / "processor")  # a tokenizer keeps how it padded last
        models.save(models.LoadedModel(half, fresh, "tiny-qwen2-audio"), MODEL)

    def ceiling(self) -> None:
        """What the shipped base can learn: fine-tune it on plenty of fresh questions, and test.

        Not a part of the shipped model. Its score bounds what SFT or GRPO could elicit.
        """
        self.model = models.load(MODEL, device="cpu", dtype="float32").model
        self.model.model.audio_tower.requires_grad_(False)
        self._teach("ceiling", self._practised.ceiling, self._practised.weights)
        tuned = models.LoadedModel(self.model.eval(), self.processor, "ceiling")
        io.write_json(self.work / "ceiling" / "answers.json", answers_report(tuned, (2, 3)))

    def record(self) -> None:
        """Write what is known of the checkpoint into the repository, and its card."""
        shipped = models.load(MODEL, device="cpu", dtype="float32")
        ceiling = self.work / "ceiling" / "answers.json"
        done = {n: plan for n, plan in SCHEDULES.items() if (self.work / n / "log.jsonl").exists()}
        io.write_json(
            TINY / "pretraining.json",
            {
                "parameters": sum(p.numel() for p in shipped.model.parameters()),
                "megabytes": (MODEL / "model.safetensors").stat().st_size / 1e6,
                "hardware": hardware(),
                "stages": {name: self._outcome(name, plan) for name, plan in done.items()},
                "encoder": io.read_json(self.work / "attributes" / "report.json"),
                "encoder_clips": len(self.held_out.scenes),
                "base": answers_report(shipped, (1, 2, 3)),
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


def trial(work: Path, steps: int) -> dict[str, Any]:
    """So many steps of each stage that makes the base, twice from the start, in ``work``.

    Every pace is that of both runs. ``minutes`` are those of the whole command up to the base, at
    each run's pace: each stage's steps, and all clips rendered, and read by the audio encoder.
    ``differ`` is the largest difference of a weight between the two runs.
    """
    clips: list[float] = []  # seconds for one
    paces: dict[str, list[float]] = {stage: [] for stage in TRIED}
    weights: dict[str, list[dict[str, torch.Tensor]]] = {stage: [] for stage in TRIED}
    for folder in (work / "one", work / "two"):
        _processor(folder / "processor")
        began = time.monotonic()
        pipeline = PretrainingPipeline(folder, TRIAL_CLIPS, steps)
        clips.append((time.monotonic() - began) / (TRIAL_CLIPS + len(pipeline.held_out.scenes)))
        for stage in TRIED:
            if stage == "hearing":
                began = time.monotonic()
                pipeline._encoder_outputs()
                clips[-1] += (time.monotonic() - began) / TRIAL_CLIPS
            getattr(pipeline, stage)()
            paces[stage].append(io.read_log(folder / stage / "log.jsonl")[-1]["pace"])
            weights[stage].append(torch.load(folder / stage / "state.pt")["module"])
    seconds = [POOL_CLIPS * each for each in clips]
    for stage, pace in paces.items():
        seconds = [s + SCHEDULES[stage].steps * p for s, p in zip(seconds, pace, strict=True)]
    return {
        **provenance(),
        "bf16": has_bf16(),
        "steps": steps,
        "seconds_per_clip": [round(each, 4) for each in clips],
        "seconds_per_step": paces,
        "minutes": [round(each / 60, 1) for each in seconds],
        "differ": {
            stage: max(float((one[key] - two[key]).abs().max()) for key in one)
            for stage, (one, two) in weights.items()
        },
    }


def answers_report(loaded: models.LoadedModel, prompts: Sequence[int]) -> dict[str, Any]:
    """How a model answers tiny-mmau, by prompt, in percent.

    ``accuracy`` is by name: of all, of the compositional types, of each sub-category and type.
    ``thinks`` is the share of answers with a thought, ``format`` that of answers in the format
    that the prompt asks for (None for prompt 1, which asks for none).
    """
    questions, report = read_questions(prepare().test), {}
    for prompt in prompts:
        answers = answer_questions(loaded, questions, prompt=prompt, batch_tokens=8192)
        matches = score(questions, {answer.id: answer.answer for answer in answers}).matches
        found: dict[str, list[int]] = {}
        for question in questions:
            kind = question.extra["question-type"]
            names = ["all", question.task, question.sub_category, kind]
            for name in names + ["compositional"] * (kind in COMPOSITIONAL):
                found.setdefault(name, []).append(matches[question.id])
        said = [answer.response for answer in answers]
        report[f"<{prompt}>"] = {
            "accuracy": {
                name: {"accuracy": _percent(each), "n": len(each)}
                for name, each in sorted(found.items())
            },
            "thinks": _percent(["<think>" in response for response in said]),
            "format": None if prompt == 1 else _percent(format_reward(prompt)(said)),
        }
    return report


def _percent(values: Sequence[float]) -> float:
    return round(100 * float(np.mean(values)), 1)


def _processor(folder: Path) -> Qwen2AudioProcessor:
    """The tokenizer is trained once: its tokens are what the saved stages have learnt."""
    if not folder.exists():
        part = folder.with_name("processor.part")
        build_processor(build_tokenizer(tokenizer_corpus(), vocabulary=896)).save_pretrained(part)
        part.rename(folder)
    return Qwen2AudioProcessor.from_pretrained(folder)


STAGES = "encoder attributes drills hearing instruct ship ceiling record".split()  # in this order
TRIED = STAGES[: STAGES.index("ship")]


def main() -> None:
    """Parse the command line; run the stages, each from where it was, up to the one named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--until", choices=STAGES, default=STAGES[-1])
    parser.add_argument("--trial", type=int, metavar="STEPS", help="steps of each stage, twice")
    parser.add_argument("--work", type=Path, default=Path("runs/pretraining"))
    arguments = parser.parse_args()
    if arguments.trial:
        with tempfile.TemporaryDirectory(prefix="r1aqa-trial-") as folder:
            io.write_json(TINY / "pretraining_trial.json", trial(Path(folder), arguments.trial))
        return
    pipeline = PretrainingPipeline(arguments.work)
    for stage in STAGES[: STAGES.index(arguments.until) + 1]:
        getattr(pipeline, stage)()


if __name__ == "__main__":
    main()
