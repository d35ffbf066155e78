"""Time Qwen2-Audio's 8.4 B architecture on a GPU: answering, and GRPO with LoRA.

Random weights of the real sizes in bfloat16: time and memory do not depend on the values. The
tokenizer is the tiny model's; answers have a forced length, as the end tokens are suppressed.
Each part stands alone: the failure of one is noted in the results beside the others' figures.
Without a GPU the same code runs on the CPU with a miniature, and nothing is written.
"""

import dataclasses
import gc
import logging
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from common import (
    RUNS,
    SEED,
    audio_trainer,
    long_prompt,
    noise_questions,
    parser,
    prompt_rows,
    ratio,
    time_steps,
    timed,
    write_result,
)
from flops import matrix_rate
from transformers import Qwen2AudioForConditionalGeneration, Qwen2AudioProcessor

from r1aqa_helpers.data.audio import TOKENS_PER_SECOND, load_audio
from r1aqa_helpers.hardware.flops import (
    Group,
    config_7b,
    decoder_flops,
    encoder_flops,
    group_flops,
)
from r1aqa_helpers.models import (
    AudioFeatureCache,
    LoadedModel,
    chat_text,
    encode,
    generate,
    greedy_config,
)
from r1aqa_helpers.models.lora import lora_config
from r1aqa_helpers.tiny.build import build_processor, random_tiny
from r1aqa_helpers.training import quiet
from r1aqa_helpers.training.grpo.trainer import AudioGRPOTrainer
from r1aqa_helpers.training.prompt_cache import CAPACITY, PromptCache
from r1aqa_helpers.utils.paths import TINY

LORA_RANK = 16
WINDOW_SECONDS = 30
#: Groups that go through the model together: several fill the GPU's units, one at a time asks
#: for the least memory. Chosen before any measurement: `budgets.memory` gives an AVQA
#: group with LoRA 2.6 GB of activations with sharing and 17.6 without, beside 17 GB of weights.
FAST, LEAN = 4, 1


@dataclass(frozen=True)
class Scale:
    """How large the work is: the GPU's, or a miniature of it for the dry run."""

    device: str
    groups: int
    group: Group
    clips: int
    """For answering."""
    batch: int
    runs: int
    fast: int
    """See `FAST`."""

    @property
    def clip_seconds(self) -> float:
        """Length of every clip."""
        return self.group.audio / TOKENS_PER_SECOND


GPU = Scale(
    "cuda",
    groups=16,
    group=Group(size=8, audio=250, text=80, answer=9),
    clips=64,
    batch=32,
    runs=RUNS,
    fast=FAST,
)
DRY = Scale(
    "cpu",
    groups=2,
    group=Group(size=2, audio=25, text=120, answer=3),
    clips=3,
    batch=2,
    runs=1,
    fast=2,
)


def build(scale: Scale) -> LoadedModel:
    """The model with random weights, made where it is to be used, and a processor for it."""
    torch.manual_seed(SEED)
    if scale.device == "cpu":
        return LoadedModel(*random_tiny(SEED), "miniature")
    tokenizer = Qwen2AudioProcessor.from_pretrained(
        TINY / "model", local_files_only=True, trust_remote_code=False
    ).tokenizer
    processor = build_processor(tokenizer, WINDOW_SECONDS)
    config = config_7b(audio_token_id=tokenizer.convert_tokens_to_ids("<|AUDIO|>"))
    config.text_config.pad_token_id = tokenizer.pad_token_id
    config.text_config.eos_token_id = tokenizer.eos_token_id
    with torch.device(scale.device):
        model = Qwen2AudioForConditionalGeneration._from_config(
            config, dtype=torch.bfloat16, attn_implementation="sdpa"
        )
    return LoadedModel(model.eval(), processor, "random 8.4 B")


class Bench:
    """The parts, which share the model, the recordings and the measured matrix-product rate."""

    def __init__(self, scale: Scale, folder: Path) -> None:
        """``folder`` takes recordings and what the trainer wants to write."""
        self.scale, self.folder = scale, folder
        self.started = time.perf_counter()
        self.values: dict[str, Any] = {}
        self.loaded: LoadedModel | None = None
        self.rate = 0.0

    def say(self, text: str) -> None:
        """Print progress, with the seconds since the beginning."""
        print(f"[{time.perf_counter() - self.started:6.1f} s] {text}", flush=True)

    def part(self, name: str, work: Callable[[], Mapping[str, Any]]) -> None:
        """Run one part; its figures, or the reason why there are none, go to ``values``."""
        self.say(f"{name} …")
        _reset_memory()
        try:
            found = dict(work())
            found.setdefault("peak_memory_gb", _peak_memory())
        except Exception as fault:  # noqa: BLE001 - the other parts' figures must not be lost
            found = {"failed": f"{type(fault).__name__}: {fault}".splitlines()[0][:300]}
        self.values[name] = found
        self.say(f"{name}: {found}")

    # --- parts ----------------------------------------------------------------------------

    def load(self) -> Mapping[str, Any]:
        """Build the model."""

        def work() -> None:
            self.loaded = build(self.scale)

        seconds = timed(work)
        count = sum(weights.numel() for weights in self.loaded.model.parameters())
        return {"seconds": seconds, "parameters": count}

    def matrix(self) -> Mapping[str, Any]:
        """This machine's rate, which the shares of peak refer to."""
        self.rate = matrix_rate(self.scale.device)
        return {"flops_per_second": self.rate}

    def inference(self) -> Mapping[str, Any]:
        """Answer questions about different clips, greedily, in batches."""
        scale, loaded = self.scale, self.loaded
        count, batch = scale.clips, scale.batch
        questions = noise_questions(self.folder, count, scale.clip_seconds)
        text = chat_text(loaded, long_prompt(loaded, scale.group.text))
        waves = [load_audio(one.audio) for one in questions]
        config = greedy_config(loaded, scale.group.answer)
        config.suppress_tokens = sorted({*config.suppress_tokens, *loaded.eos_ids})
        parts = [waves[start : start + batch] for start in range(0, count, batch)]
        batches: list[Any] = []

        def prepare() -> None:
            batches[:] = [encode(loaded, [text] * len(part), part) for part in parts]

        def answer() -> None:
            for inputs in batches:
                generate(loaded, inputs, config)

        preparing = timed(prepare)
        answer()
        seconds = statistics.median([timed(answer) for _ in range(scale.runs)])
        group, steps = scale.group, scale.group.answer - 1
        needed = encoder_flops(loaded.model.config, group.frames) + decoder_flops(
            loaded.model.config, group.prompt + steps, logits=group.answer
        )
        return {
            "batch": batch,
            "clips": count,
            "seconds": seconds,
            "features_seconds": preparing,
            "clips_per_second": count / seconds,
            "clips_per_second_with_features": count / (seconds + preparing),
            "share_of_peak": count * needed / seconds / self.rate,
        }

    def steps(
        self, at_once: int, rollouts_at_once: bool, modes: Sequence[str] = ("shared",)
    ) -> Mapping[str, Any]:
        """GRPO steps with LoRA; the recordings are read again and encoded in each.

        Args:
            at_once: groups in a forward pass.
            rollouts_at_once: sample all groups of a step together, or with each pass.
            modes: of ``shared`` and ``plain``, in turns, step by step.
        """
        with quiet():
            trainer = self._trainer(at_once, rollouts_at_once, len(modes) * (self.scale.runs + 1))
        peaks: list[float] = []

        def before(step: int) -> None:
            peaks.append(_peak_memory())  # of the step before
            _reset_memory()
            trainer.shared_prefix = modes[step % len(modes)] == "shared"
            trainer.prompts = PromptCache(self.loaded)
            trainer.prompts.states = AudioFeatureCache(CAPACITY)

        try:
            with quiet():
                seconds = time_steps(trainer, before)
            peaks = [*peaks[1:], _peak_memory()]
        finally:
            # Without the adapter: the next part puts on its own.
            self.loaded.model = trainer.release().unload()
        self._check_lengths(trainer.state.log_history)
        found: dict[str, Any] = {
            "groups": self.scale.groups,
            "groups_at_once": at_once,
            "peak_memory_gb": max(peaks),
        }
        for place, mode in enumerate(modes):
            every = slice(place, None, len(modes))
            found[mode] = self._mode(mode, seconds[every][1:], max(peaks[every]))
        if len(modes) > 1:
            found["ratio"] = ratio({m: found[m]["seconds"] for m in modes}, "plain", "shared")
        return found

    def _trainer(self, at_once: int, rollouts_at_once: bool, steps: int) -> AudioGRPOTrainer:
        scale, loaded = self.scale, self.loaded
        questions = noise_questions(self.folder, scale.groups, scale.clip_seconds)
        passes = scale.groups // at_once
        return audio_trainer(
            loaded,
            prompt_rows(questions, long_prompt(loaded, scale.group.text)),
            self.folder,
            scale.group.size,
            scale.group.answer,
            lora_config(LORA_RANK),
            per_device_train_batch_size=at_once * scale.group.size,
            gradient_accumulation_steps=passes,
            steps_per_generation=passes if rollouts_at_once else 1,
            learning_rate=1e-5,
            max_steps=steps,
            bf16=loaded.model.dtype == torch.bfloat16,
        )

    def _check_lengths(self, logs: Sequence[Mapping[str, Any]]) -> None:
        name = "completions/mean_length"
        lengths = {log[name] for log in logs if name in log}
        if lengths != {float(self.scale.group.answer)}:
            raise RuntimeError(f"answers of {lengths} tokens, not {self.scale.group.answer}")

    def _mode(self, mode: str, seconds: Sequence[float], peak: float) -> dict[str, Any]:
        group = group_flops(self.loaded.model.config, self.scale.group, mode, lora=True)
        flops = self.scale.groups * group["total"]
        return {
            "seconds": list(seconds),
            "median_seconds": statistics.median(seconds),
            "flops": flops,
            "share_of_peak": flops / statistics.median(seconds) / self.rate,
            "peak_memory_gb": peak,
        }


def measure(scale: Scale) -> dict[str, Any]:
    """All parts' figures, or why a part has none."""
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(scale, Path(folder))
        bench.part("load", bench.load)
        if bench.loaded is None:
            return bench.values
        bench.part("matrix", bench.matrix)
        bench.part("inference", bench.inference)
        bench.part("step_fast", lambda: bench.steps(scale.fast, rollouts_at_once=True))
        bench.part("step_lean", lambda: bench.steps(LEAN, rollouts_at_once=False))
        bench.part(
            "step_sharing",
            lambda: bench.steps(LEAN, rollouts_at_once=True, modes=("shared", "plain")),
        )
        return bench.values


def last_line(values: Mapping[str, Any]) -> str:
    """The figures in one line; ``failed`` where there are none."""

    def figure(*path: str) -> str:
        found: Any = values
        for key in path:
            found = found.get(key, {})
        return f"{found:.2f}" if isinstance(found, float) else "failed"

    return (
        f"step {figure('step_fast', 'shared', 'median_seconds')} "
        f"share_of_peak {figure('step_fast', 'shared', 'share_of_peak')} "
        f"plain_vs_shared {figure('step_sharing', 'ratio')} "
        f"lean_gb {figure('step_lean', 'shared', 'peak_memory_gb')} "
        f"clips_per_second {figure('inference', 'clips_per_second')}"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure on the GPU and write the figures, or run through it all on the CPU.

    Returns 1 where a part failed.
    """
    options = parser(__doc__).parse_args(arguments)
    logging.disable(logging.WARNING)
    if torch.cuda.is_available():
        values = measure(dataclasses.replace(GPU, runs=options.runs))
        path = write_result("gpu_7b", values, n=options.runs, folder=options.out)
        print(f"written: {path.name}")
        print(last_line(values))
    else:
        print("no GPU here: a dry run with a miniature on the CPU, whose times mean nothing")
        values = measure(DRY)
        print("dry run ended; nothing was written")
    return int(any("failed" in part for part in values.values()))


def _reset_memory() -> None:
    if torch.cuda.is_available():
        gc.collect()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def _peak_memory() -> float:
    """GB (10^9 bytes) that tensors took at most since the last reset; 0 without a GPU."""
    return torch.cuda.max_memory_allocated() / 1e9 if torch.cuda.is_available() else 0.0


if __name__ == "__main__":
    sys.exit(main())
