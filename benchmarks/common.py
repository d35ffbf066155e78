"""What all benchmarks share: alternating timed runs, inputs without a download, results as JSON.

Light to import, so that ``--help`` answers at once: torch and the package come in functions.
"""

import argparse
import gc
import logging
import re
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import Qwen2AudioConfig, Qwen2AudioProcessor, Trainer

    from r1aqa_helpers.data import AudioQuestion
    from r1aqa_helpers.models import LoadedModel
    from r1aqa_helpers.training.grpo.trainer import AudioGRPOTrainer

RESULTS = Path(__file__).resolve().parent / "results"
RUNS = 5
SEED = 42


def parser(description: str, runs: int | None = RUNS) -> argparse.ArgumentParser:
    """A command line with what benchmarks take: ``--out``, and ``--runs`` but where it is None."""
    made = argparse.ArgumentParser(
        description=description.strip().splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    if runs is not None:
        made.add_argument("--runs", type=int, default=runs, help="timed runs of each side")
    made.add_argument("--out", type=Path, default=RESULTS, help="folder for the JSON")
    return made


def tiny_model() -> "LoadedModel":
    """The shipped model on the CPU in float32, the seed set, and no notes but errors from now."""
    import torch

    from r1aqa_helpers.models import load
    from r1aqa_helpers.training import quiet
    from r1aqa_helpers.utils.paths import TINY

    logging.disable(logging.WARNING)
    torch.manual_seed(SEED)
    with quiet():
        return load(TINY / "model", device="cpu", dtype="float32")


def shapes_of_7b() -> "tuple[Qwen2AudioConfig, Qwen2AudioProcessor]":
    """The 7B model's sizes and window, with the tiny model's tokens (no download has to be)."""
    from transformers import Qwen2AudioProcessor

    from r1aqa_helpers.hardware.flops import config_7b, window_frames
    from r1aqa_helpers.tiny.build import build_processor
    from r1aqa_helpers.utils.paths import TINY

    tokenizer = Qwen2AudioProcessor.from_pretrained(
        TINY / "model", local_files_only=True, trust_remote_code=False
    ).tokenizer
    config = config_7b(audio_token_id=tokenizer.convert_tokens_to_ids("<|AUDIO|>"))
    config.text_config.pad_token_id = tokenizer.pad_token_id
    config.text_config.eos_token_id = tokenizer.eos_token_id
    return config, build_processor(tokenizer, window_frames(config) // 100)


# --- time ---------------------------------------------------------------------------------


def synchronise() -> None:
    """Wait until a GPU, where there is one, has done all that it was given."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()


def timed(work: Callable[[], Any]) -> float:
    """Seconds that ``work`` takes, the GPU's share included."""
    synchronise()
    collecting = gc.isenabled()
    gc.disable()  # as timeit does: else a run collects the garbage of those before
    try:
        start = time.perf_counter()
        work()
        synchronise()
        return time.perf_counter() - start
    finally:
        if collecting:
            gc.enable()


def alternate(
    sides: Mapping[str, Callable[[], Any]], runs: int = RUNS, warmup: int = 1
) -> dict[str, list[float]]:
    """Seconds of each side's timed runs, taken in turns: a drift of the machine hits all alike.

    Args:
        sides: by name, what is to be timed; called without arguments.
        runs: timed runs of each side, at least 1.
        warmup: runs of each side before them, which are not timed.
    """
    if runs < 1:
        raise ValueError(f"{runs} runs: at least 1 is needed for a median")
    for _ in range(warmup):
        for work in sides.values():
            work()
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(runs):
        for name, work in sides.items():
            seconds[name].append(timed(work))
    return seconds


def time_steps(trainer: "Trainer", before: Callable[[int], Any] | None = None) -> list[float]:
    """Seconds of each of ``trainer``'s optimiser steps, from the batch to the new weights.

    The trainer's setting up, logging and saving are left out.

    Args:
        before: called with the step's number, from 0, ahead of each; not timed. What it does
            alternates with the steps.
    """
    from transformers import TrainerCallback

    class Clock(TrainerCallback):
        started = 0.0
        seconds: list[float] = []

        def on_step_begin(self, args, state, control, **unused):
            if before is not None:
                before(state.global_step)
            synchronise()
            self.started = time.perf_counter()

        def on_step_end(self, args, state, control, **unused):
            synchronise()
            self.seconds.append(time.perf_counter() - self.started)

    clock = Clock()
    trainer.add_callback(clock)
    try:
        trainer.train()
    finally:
        trainer.remove_callback(clock)
    return clock.seconds


def ratio(seconds: Mapping[str, Sequence[float]], slow: str, fast: str) -> float:
    """How many times as long ``slow`` takes as ``fast``, by their medians."""
    return statistics.median(seconds[slow]) / statistics.median(seconds[fast])


# --- results ------------------------------------------------------------------------------


def write_result(
    script_name: str, values: Mapping[str, Any], n: int = RUNS, folder: Path = RESULTS
) -> Path:
    """Write ``values`` with what they were measured on, and return the file's path.

    The file is ``<script_name>.json``, and ``<script_name>-<card>.json`` on a machine with a
    GPU, so that neither replaces the other. ``n``: timed runs behind each median.
    """
    import torch

    from r1aqa_helpers.utils.io import write_json
    from r1aqa_helpers.utils.provenance import provenance

    card = torch.cuda.get_device_name().lower() if torch.cuda.is_available() else ""
    suffix = re.sub(r"[^a-z0-9]+", "-", f" {card}").rstrip("-")
    path = folder / f"{script_name}{suffix}.json"
    write_json(path, {"benchmark": script_name, **provenance(), "seed": SEED, "n": n, **values})
    return path


# --- inputs -------------------------------------------------------------------------------


def noise_questions(folder: Path, count: int, seconds: float) -> list["AudioQuestion"]:
    """Questions about ``count`` recordings of white noise, written to ``folder``."""
    import numpy as np

    from r1aqa_helpers.data import AudioQuestion
    from r1aqa_helpers.data.audio import SAMPLE_RATE, save_audio

    noise, choices = np.random.default_rng(SEED), ("dog", "cat", "car", "bell")
    made = []
    for number in range(count):
        path = Path(folder) / f"{number}.wav"
        wave = 0.1 * noise.standard_normal(round(seconds * SAMPLE_RATE))
        save_audio(path, wave.astype(np.float32))
        made.append(AudioQuestion(path.stem, path, "What makes the sound?", choices, "dog"))
    return made


def text_tokens(loaded: "LoadedModel", prompt: str) -> int:
    """Tokens of the chat about a clip with the user's turn ``prompt``, but for the clip's own."""
    from r1aqa_helpers.models import chat_text

    ids = loaded.processor.tokenizer(chat_text(loaded, prompt))["input_ids"]
    return sum(token != loaded.model.config.audio_token_id for token in ids)


def long_prompt(loaded: "LoadedModel", tokens: int, start: str = "What makes the sound?") -> str:
    """A user's turn that makes a chat of exactly ``tokens`` `text_tokens`: ``start`` and filling.

    Raises ``ValueError`` where ``start`` alone has more.
    """
    missing = tokens - text_tokens(loaded, start)
    if missing < 0:
        raise ValueError(f"{start!r} alone gives more than {tokens} tokens")
    for filling in (" the", " a", " ?", "?", " .", "."):
        text = start + missing * filling
        if text_tokens(loaded, text) == tokens:
            return text
    raise ValueError(f"no filling gives exactly {tokens} tokens with this tokenizer")


def prompt_rows(questions: Sequence["AudioQuestion"], prompt: str) -> list[dict[str, str]]:
    """Rows for `AudioGRPOTrainer` that ask ``prompt`` of each question's clip."""
    return [
        {"id": one.id, "prompt": prompt, "audio": str(one.audio), "solution": one.answer}
        for one in questions
    ]


def audio_trainer(
    loaded: "LoadedModel",
    rows: Sequence[Mapping[str, str]],
    folder: str | Path,
    group: int,
    answer_tokens: int,
    peft_config: Any = None,
    **fields: Any,
) -> "AudioGRPOTrainer":
    """The shipped trainer on ``rows``, with groups of answers of exactly ``answer_tokens``.

    ``fields`` of `trl.GRPOConfig`; by default all rows go through the model at once.
    """
    from datasets import Dataset
    from transformers import PrinterCallback

    from r1aqa_helpers.training.grpo.run import audio_grpo_config
    from r1aqa_helpers.training.grpo.trainer import AudioGRPOTrainer

    settings = {
        "num_generations": group,
        "per_device_train_batch_size": len(rows) * group,
        "max_completion_length": answer_tokens,
        "generation_kwargs": {"suppress_tokens": suppressed(loaded)},
        "shuffle_dataset": False,
        "save_strategy": "no",
        "use_cpu": loaded.device.type == "cpu",
        "seed": SEED,
        **fields,
    }
    trainer = AudioGRPOTrainer(
        model=loaded.model,
        reward_funcs=varied_reward,
        args=audio_grpo_config(folder, **settings),
        processing_class=loaded.processor,
        train_dataset=Dataset.from_list([dict(row) for row in rows]),
        peft_config=peft_config,
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def suppressed(loaded: "LoadedModel") -> list[int]:
    """Tokens that are never sampled here: those that end an answer, and the audio token."""
    return [*loaded.eos_ids, loaded.model.config.audio_token_id]


def varied_reward(completion_ids: Sequence[Sequence[int]], **columns: Any) -> list[float]:
    """A reward for timing: it varies within a group, so that no advantage is 0 for all."""
    return [float(sum(ids) % 3) for ids in completion_ids]
