"""A profile's budget: peak memory and least minutes, each with where it comes from."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from transformers import Qwen2AudioConfig

from r1aqa_helpers.budgets import measured, memory, times
from r1aqa_helpers.budgets.gpus import GPUS, MEANT_FOR, Gpu, find_gpu
from r1aqa_helpers.budgets.work import (
    ANSWER,
    AUDIO,
    QUESTIONS,
    TEXT,
    Lengths,
    Work,
    config_of,
)
from r1aqa_helpers.errors import UserError
from r1aqa_helpers.profiles import PROFILES, Profile

#: What a figure is that no machine has shown.
COMPUTED = "computed"
#: Parts of the main job, and the stages of `memory` that each goes through.
PARTS = {"answering": ("answering",), "sft": ("sft",), "grpo": ("grpo rollout", "grpo update")}


@dataclass(frozen=True)
class Figure:
    """A number and where it comes from.

    Attributes:
        value: bytes or minutes.
        source: "computed", or "measured (hardware, date)".
        at_least: whether it is a lower bound, which all computed times are.
    """

    value: float
    source: str = COMPUTED
    at_least: bool = False


@dataclass(frozen=True)
class Budget:
    """What a profile takes.

    Attributes:
        profile: its name.
        gpu: the GPU that it was computed for; None: none that is listed, so without times.
        gpus: how many of it, each with a process.
        gpu_memory: bytes of each.
        questions: that are answered.
        stages: bytes of each stage's parts: answering, sft, grpo rollout, grpo update.
        memory: peak bytes of each part of the main job: answering, sft, grpo.
        fits: whether all stages leave `memory.HEADROOM` of the GPU's memory; None: no GPU.
        minutes: of answering all questions once, and of each training; without those not known.
    """

    profile: str
    gpu: str | None
    gpus: int
    gpu_memory: int | None
    questions: int
    stages: Mapping[str, Mapping[str, int]]
    memory: Mapping[str, Figure]
    fits: bool | None
    minutes: Mapping[str, Figure] = field(default_factory=dict)

    @property
    def peak(self) -> int:
        """Bytes of the largest stage, computed."""
        return max(sum(parts.values()) for parts in self.stages.values())

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it, the computed ``peak`` included."""
        return {**asdict(self), "peak": self.peak}


def budget(
    profile: Profile | str,
    gpu: str | None = None,
    *,
    gpus: int = 1,
    gpu_memory: int | None = None,
    config: Qwen2AudioConfig | None = None,
    questions: int = QUESTIONS,
    audio: int = AUDIO,
    text: int = TEXT,
    answer: int = ANSWER,
) -> Budget:
    """What a profile takes in memory and, at least, in time.

    Memory counts the longest answers that the profile allows, and in answering the longest clips;
    times count ``audio``, ``text`` and ``answer``. Where this machine's GPU or profile has been
    measured (`measured`), the figure is that.

    Args:
        gpu: a name of `gpus.GPUS`, or PyTorch's; by default the one that the profile is meant
            for.
        gpus: processes, each on a GPU of its own, that share every step.
        gpu_memory: bytes of each; by default the data sheet's.
        config: the model's; by default that of the profile's model.
        questions: to be answered.
        audio, text, answer: tokens of a question: its clip, the rest, the answer.

    Raises:
        UserError: there is no such profile, or ``gpus`` do not divide its steps.
    """
    if isinstance(profile, str):
        if profile not in PROFILES:
            raise UserError(f"profile {profile!r}: unknown, choose one of {', '.join(PROFILES)}")
        profile = PROFILES[profile]
    for name, steps in (("sft", "batch_size"), ("grpo", "prompts_per_step")):
        if getattr(profile, name)[steps] % gpus:
            raise UserError(
                f"profile {profile.name}: {gpus} GPUs cannot share the"
                f" {getattr(profile, name)[steps]} questions of a step of {name} equally"
            )
    model = config or config_of(profile)
    lengths = Lengths(min(audio, model.audio_config.max_source_positions // 2), text, answer)
    work = Work(profile, model, questions, lengths, gpus)
    chosen = _gpu(profile, gpu, gpu_memory)
    room = gpu_memory or (chosen.memory if chosen else None)
    stages = {name: stage(work) for name, stage in memory.STAGES.items()}
    peaks = {name: sum(parts.values()) for name, parts in stages.items()}
    found = measured.find(profile, gpu or (chosen.name if chosen else None), gpus)
    return Budget(
        profile=profile.name,
        gpu=chosen.name if chosen else gpu,
        gpus=gpus,
        gpu_memory=room,
        questions=questions,
        stages=stages,
        memory={
            part: Figure(*found["memory"][part])
            if part in found.get("memory", {})
            else Figure(max(peaks[name] for name in names))
            for part, names in PARTS.items()
        },
        fits=None if room is None else max(peaks.values()) <= (1 - memory.HEADROOM) * room,
        minutes=_minutes(work, chosen, found.get("minutes", {})),
    )


def _gpu(profile: Profile, name: str | None, gpu_memory: int | None) -> Gpu | None:
    if name is not None:
        return find_gpu(name, gpu_memory)
    meant = MEANT_FOR.get(profile.name)
    return GPUS[meant] if meant else None


def _minutes(work: Work, gpu: Gpu | None, found: Mapping[str, Any]) -> dict[str, Figure]:
    """By name, in the order of the main job; what is neither measured nor computed is left out."""
    least: dict[str, float] = {}
    if gpu is not None:
        loads = {
            "answering": (times.answering(work), 1),
            "sft": (times.sft_step(work), work.profile.sft["steps"]),
            "grpo": (times.grpo_step(work), work.profile.grpo["steps"]),
        }
        least = {
            name: repeats * sum(load.seconds(gpu, work.width) for load in stages) / 60
            for name, (stages, repeats) in loads.items()
        }
    figures = {}
    for name in PARTS:
        if name in found:
            figures[name] = Figure(*found[name])
        elif name in least:
            figures[name] = Figure(least[name], at_least=True)
    return figures
