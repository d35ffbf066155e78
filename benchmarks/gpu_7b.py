"""Time Qwen2-Audio's 8.4 B architecture on a GPU: answering, and GRPO with LoRA.

Random weights of the real sizes in bfloat16: time and memory do not depend on the values. The
tokenizer is the tiny model's; answers have a forced length, as the end tokens are suppressed.
Each part stands alone: the failure of one is noted in the results beside the others' figures.
By `PLAN` all take `LIMIT_SECONDS` at most; a part that could end later is left out. Without a GPU
the same code runs on the CPU with a miniature, and nothing is written.

``--compiled`` measures another thing, without that limit: a step with long answers whose passes are
compiled (`GRPOSettings.compile_rollouts`), beside one whose passes are not.

Afterwards ``benchmarks/budgets.py --computed`` takes what the profiles took over into the budgets,
and ``scripts/readme.py`` all figures into the tables.
"""

import dataclasses
import gc
import logging
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
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
    shapes_of_7b,
    time_steps,
    timed,
    write_result,
)
from flops import matrix_rate
from transformers import Qwen2AudioForConditionalGeneration

from r1aqa_helpers.data.audio import TOKENS_PER_SECOND, load_audio
from r1aqa_helpers.hardware import PROFILES
from r1aqa_helpers.hardware.budgets import budget
from r1aqa_helpers.hardware.flops import (
    Group,
    decoder_flops,
    encoder_flops,
    group_flops,
)
from r1aqa_helpers.hardware.gpus import GPUS, MEANT_FOR
from r1aqa_helpers.models import (
    AudioFeatureCache,
    LoadedModel,
    chat_text,
    encode,
    generate,
    greedy_config,
)
from r1aqa_helpers.models.float16 import guard_float16
from r1aqa_helpers.models.lora import lora_config
from r1aqa_helpers.models.precision import (
    keep_as_stored,
    quantisation_config,
    training_precision,
)
from r1aqa_helpers.tiny.build import random_tiny
from r1aqa_helpers.training import quiet
from r1aqa_helpers.training.grpo.trainer import AudioGRPOTrainer
from r1aqa_helpers.training.prompt_cache import CAPACITY, PromptCache

LORA_RANK = 16
#: Groups that go through the model together: several fill the GPU's units, one at a time asks
#: for the least memory. Chosen before any measurement: `budgets.memory` gives an AVQA
#: group with LoRA 2.6 GB of activations with sharing and 17.6 without, beside 17 GB of weights.
FAST, LEAN = 4, 1
LIMIT_SECONDS = 480
#: Seconds that are set aside for each part. Chosen before any measurement: the FLOPs at a third of
#: an H100's rate, and 45 ms for a token, in which a GPU waits for Python.
PLAN = {
    "load": 30, "matrix": 5, "inference": 45, "step_fast": 25, "step_lean": 60,
    "step_sharing": 110, "step_long": 45, "profile_l4": 15, "profile_a100": 35,
    "profile_h100": 45, "profile_t4": 65,
}  # fmt: skip


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
    long: int
    """Tokens of an answer in the step with long ones."""
    profiles: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Settings of GRPO by profile; without any, the profiles' own."""

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
    long=200,
)
DRY = Scale(
    "cpu",
    groups=2,
    group=Group(size=2, audio=25, text=120, answer=3),
    clips=3,
    batch=2,
    runs=1,
    fast=2,
    long=6,
    profiles={
        name: {
            **profile.grpo,
            "prompts_per_step": 2,
            "prompts_per_rollout": 1,
            "group_size": 2,
            "max_completion": 3,
        }
        for name, profile in PROFILES.items()
    },  # fmt: skip
)


def build(scale: Scale) -> LoadedModel:
    """The model with random weights, made where it is to be used, and a processor for it."""
    torch.manual_seed(SEED)
    if scale.device == "cpu":
        return LoadedModel(*random_tiny(SEED), "miniature")
    config, processor = shapes_of_7b()
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
        elapsed = time.perf_counter() - self.started
        if elapsed + PLAN[name] > LIMIT_SECONDS:
            self.values[name] = {
                "left_out": f"{elapsed:.0f} s had gone, and it may take {PLAN[name]}"
            }
            return
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
            "share_of_peak": self._share(count * needed, seconds),
        }

    def steps(
        self,
        at_once: int,
        rollout: int,
        modes: Sequence[str] = ("shared",),
        group: Group | None = None,
        groups: int | None = None,
        runs: int | None = None,
    ) -> Mapping[str, Any]:
        """GRPO steps with LoRA; the recordings are read again and encoded in each.

        Args:
            at_once: groups in a forward pass.
            rollout: groups that are sampled together.
            modes: of ``shared``, ``plain`` and ``compiled`` (shared, too), in turns, step by step.
            group, groups, runs: in place of the scale's.
        """
        group, groups = group or self.scale.group, groups or self.scale.groups
        steps = len(modes) * ((runs or self.scale.runs) + 1)
        with quiet():
            trainer = self._trainer(group, groups, at_once, rollout, steps)
        peaks: list[float] = []

        def before(step: int) -> None:
            peaks.append(_peak_memory())  # of the step before
            _reset_memory()
            mode = modes[step % len(modes)]
            trainer.shared_prefix = mode != "plain"
            trainer.compile_rollouts = mode == "compiled"
            trainer.prompts = PromptCache(self.loaded)
            trainer.prompts.states = AudioFeatureCache(CAPACITY)

        try:
            with quiet():
                seconds = time_steps(trainer, before)
            peaks = [*peaks[1:], _peak_memory()]
        finally:
            # Without the adapter: the next part puts on its own.
            self.loaded.model = trainer.release().unload()
        self._check_lengths(trainer.state.log_history, group.answer)
        found: dict[str, Any] = {
            "groups": groups,
            "groups_at_once": at_once,
            "answer_tokens": group.answer,
            "peak_memory_gb": max(peaks),
        }
        for place, mode in enumerate(modes):
            every = slice(place, None, len(modes))
            way = "plain" if mode == "plain" else "shared"
            flops = groups * group_flops(self.loaded.model.config, group, way, lora=True)["total"]
            found[mode] = self._mode(flops, seconds[every][1:], max(peaks[every]))
        if len(modes) > 1:
            fast, slow = sorted(modes, key=("compiled", "shared", "plain").index)
            found["ratio"] = ratio({m: found[m]["seconds"] for m in modes}, slow, fast)
        return found

    def long(self, modes: Sequence[str] = ("shared",)) -> Mapping[str, Any]:
        """A step with answers as long as thoughts, all groups sampled at once."""
        group = dataclasses.replace(self.scale.group, answer=self.scale.long)
        return self.steps(LEAN, self.scale.groups, modes, group=group, runs=1)

    def profile(self, name: str) -> Mapping[str, Any]:
        """A step of a profile with its longest answers, within the memory of the GPU it is for.

        Two rollouts and passes at least, the second of which meets the gradients of the first;
        more would take no more memory.
        """
        profile, limit = PROFILES[name], GPUS[MEANT_FOR[name]].memory
        chosen = self.scale.profiles.get(name, profile.grpo)
        at_once, rollout = chosen["prompts_per_forward"], chosen["prompts_per_rollout"]
        answer, size = chosen["max_completion"], chosen["group_size"]
        if profile.quantise:
            self._quantise(profile.quantise)
        model = self.loaded.model
        if chosen.get("gradient_checkpointing"):
            model.activation_checkpointing_enable({"use_reentrant": False})
        try:
            with memory_of(self.scale.device, limit):
                found = self.steps(
                    at_once,
                    rollout,
                    group=dataclasses.replace(self.scale.group, size=size, answer=answer),
                    groups=min(chosen["prompts_per_step"], 2 * max(at_once, rollout)),
                    runs=1,
                )
        finally:
            model.activation_checkpointing_disable()
        computed = budget(profile).stages
        most = max(sum(computed[f"grpo {stage}"].values()) for stage in ("rollout", "update"))
        return {**found, "limit_gb": limit / 1e9, "computed_gb": most / 1e9}

    def _quantise(self, way: str) -> None:
        """Hold the model in 4 bits from now on, as ``models.load`` does."""
        device = torch.device(self.scale.device)
        # float16 is trained on GPUs only.
        dtype = torch.bfloat16 if device.type == "cpu" else torch.float16
        model = Qwen2AudioForConditionalGeneration.from_pretrained(
            None,
            config=self.loaded.model.config,
            state_dict=self.loaded.model.state_dict(),
            dtype=dtype,
            attn_implementation="sdpa",
            quantization_config=quantisation_config(way, device, dtype),
            device_map={"": device},
        )
        keep_as_stored(model)
        if dtype == torch.float16:
            guard_float16(model)
        self.loaded.model = model.eval()
        _reset_memory()

    def _trainer(
        self, group: Group, groups: int, at_once: int, rollout: int, steps: int
    ) -> AudioGRPOTrainer:
        loaded = self.loaded
        questions = noise_questions(self.folder, groups, group.audio / TOKENS_PER_SECOND)
        return audio_trainer(
            loaded,
            prompt_rows(questions, long_prompt(loaded, group.text)),
            self.folder,
            group.size,
            group.answer,
            lora_config(LORA_RANK),
            per_device_train_batch_size=at_once * group.size,
            gradient_accumulation_steps=groups // at_once,
            steps_per_generation=max(1, rollout // at_once),
            learning_rate=1e-5,
            max_steps=steps,
            **training_precision(loaded.model, LORA_RANK, "adamw_torch"),
        )

    def _check_lengths(self, logs: Sequence[Mapping[str, Any]], answer: int) -> None:
        name = "completions/mean_length"
        lengths = {log[name] for log in logs if name in log}
        if lengths != {float(answer)}:
            raise RuntimeError(f"answers of {lengths} tokens, not {answer}")

    def _mode(self, flops: int, seconds: Sequence[float], peak: float) -> dict[str, Any]:
        return {
            "seconds": list(seconds),
            "median_seconds": statistics.median(seconds),
            "flops": flops,
            "share_of_peak": self._share(flops, statistics.median(seconds)),
            "peak_memory_gb": peak,
        }

    def _share(self, flops: int, seconds: float) -> float | None:
        """Of the machine's rate; None where that was not measured."""
        return flops / seconds / self.rate if self.rate else None


def measure(scale: Scale) -> dict[str, Any]:
    """All parts' figures, or why a part has none."""
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(scale, Path(folder))
        bench.part("load", bench.load)
        if bench.loaded is None:
            return bench.values
        bench.part("matrix", bench.matrix)
        bench.part("inference", bench.inference)
        every = scale.groups
        bench.part("step_fast", lambda: bench.steps(scale.fast, every))
        bench.part("step_lean", lambda: bench.steps(LEAN, LEAN))
        bench.part("step_sharing", lambda: bench.steps(LEAN, every, modes=("shared", "plain")))
        bench.part("step_long", bench.long)
        for name in ("l4", "a100", "h100", "t4"):  # in 4 bits last
            bench.part(f"profile_{name}", lambda name=name: bench.profile(name))
        return bench.values


def measure_compiled(scale: Scale) -> dict[str, Any]:
    """A step with long answers, and one with compiled passes; fails where one of them does."""
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(scale, Path(folder))
        bench.load()
        return dict(bench.long(("shared", "compiled")))


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
    reader = parser(__doc__)
    reader.add_argument("--compiled", action="store_true", help="measure compiled rollouts alone")
    options = reader.parse_args(arguments)
    logging.disable(logging.WARNING)
    if options.compiled:
        found = measure_compiled(GPU if torch.cuda.is_available() else DRY)
        print(f"shared / compiled, seconds: {found['ratio']:.2f}")
        if torch.cuda.is_available():
            write_result("gpu_compiled_rollouts", found, n=1, folder=options.out)
        return 0
    if torch.cuda.is_available():
        values = measure(dataclasses.replace(GPU, runs=options.runs))
        path = write_result("gpu_7b", values, n=options.runs, folder=options.out)
        print(f"written: {path.name}")
        print(last_line(values))
        print("python benchmarks/budgets.py --computed and scripts/readme.py write the tables")
    else:
        print("no GPU here: a dry run with a miniature on the CPU, whose times mean nothing")
        values = measure(DRY)
        print("dry run ended; nothing was written")
    return int(any("failed" in part for part in values.values()))


@contextmanager
def memory_of(device: str, limit: int) -> Iterator[None]:
    """As if the GPU had ``limit`` bytes; raises ``RuntimeError`` where it has fewer."""
    if device == "cpu":
        yield
        return
    total = torch.cuda.get_device_properties(0).total_memory
    if limit > total:
        raise RuntimeError(f"the GPU has {total / 1e9:.0f} GB, and {limit / 1e9:.0f} are asked for")
    torch.cuda.set_per_process_memory_fraction(limit / total)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


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
