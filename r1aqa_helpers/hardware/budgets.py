"""A profile's budget: peak memory, and minutes where they were measured, each with its source."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from r1aqa_helpers.hardware import memory
from r1aqa_helpers.hardware.flops import window_frames
from r1aqa_helpers.hardware.gpus import MEANT_FOR, find_gpu
from r1aqa_helpers.hardware.memory import ANSWER, AUDIO, TEXT, Work, config_of
from r1aqa_helpers.hardware.profiles import PROFILES, Profile, pick_profile
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import read_json
from r1aqa_helpers.utils.paths import DATA

#: Parts of the main job, and the stages of `memory` that each goes through.
PARTS = {"answering": ("answering",), "sft": ("sft",), "grpo": ("grpo rollout", "grpo update")}
#: What was measured, beside the data in a checkout.
RESULTS = DATA.parent / "benchmarks" / "results" / "budgets.json"


@dataclass(frozen=True)
class Figure:
    """Bytes or minutes, and their source: "computed", or "measured (hardware, date)"."""

    value: float
    source: str = "computed"


@dataclass(frozen=True)
class Budget:
    """What a profile takes.

    Attributes:
        gpu: the GPU that it was computed for; None: none is listed.
        gpus: how many of it, each with a process and ``gpu_memory`` bytes.
        stages: bytes of each stage's parts: answering, sft, grpo rollout, grpo update.
        memory: peak bytes of each part of the main job: answering, sft, grpo.
        fits: whether all stages leave `memory.HEADROOM` of the GPU's memory; None: no GPU.
        minutes: of answering MMAU test-mini and of each training, where they were measured.
    """

    profile: str
    gpu: str | None
    gpus: int
    gpu_memory: int | None
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
    audio: int = AUDIO,
    text: int = TEXT,
    answer: int = ANSWER,
) -> Budget:
    """What a profile takes: in GRPO with the longest answers, in answering with the longest clips.

    Args:
        gpu: a name of `gpus.GPUS`, or PyTorch's; by default the one that the profile is meant
            for.
        gpus: processes, each on a GPU of its own, that share every step.
        gpu_memory: bytes of each; by default the data sheet's.
        audio, text, answer: tokens of a question: its clip, the rest, the answer.

    Raises:
        UserError: there is no such profile, or ``gpus`` do not divide its steps.
    """
    if isinstance(profile, str):
        profile = pick_profile(profile)
    shared = {"sft": profile.sft["batch_size"], "grpo": profile.grpo["prompts_per_step"]}
    for name, count in shared.items():
        if count % gpus:
            raise UserError(
                f"profile {profile.name}: {gpus} GPUs cannot share the {count} questions of a "
                f"step of {name} equally"
            )
    model = config_of(profile)
    work = Work(profile, model, min(audio, window_frames(model) // 4), text, answer, gpus)
    meant = gpu or MEANT_FOR.get(profile.name)
    sheet = find_gpu(meant, gpu_memory) if meant else None
    available = gpu_memory or (sheet.memory if sheet else None)
    stages = {
        name: {"weights": work.weights, **stage(work)} for name, stage in memory.STAGES.items()
    }
    peaks = {name: sum(parts.values()) for name, parts in stages.items()}
    measured = _measured(profile, gpus)
    computed = {part: Figure(max(peaks[name] for name in names)) for part, names in PARTS.items()}
    return Budget(
        profile=profile.name,
        gpu=sheet.name if sheet else gpu,
        gpus=gpus,
        gpu_memory=available,
        stages=stages,
        memory=computed | measured.get("memory", {}),
        fits=max(peaks.values()) <= (1 - memory.HEADROOM) * available if available else None,
        minutes=measured.get("minutes", {}),
    )


def _measured(profile: Profile, gpus: int) -> dict[str, dict[str, Figure]]:
    """What ``benchmarks/budgets.py`` has measured: "memory" and "minutes" by part."""
    if PROFILES.get(profile.name) != profile or gpus > 1 or not RESULTS.is_file():
        return {}  # changed settings, several GPUs, or an installation without a checkout
    found = read_json(RESULTS).get("measured", {}).get(profile.name, {})
    return {
        kind: {part: Figure(**figure) for part, figure in parts.items()}
        for kind, parts in found.items()
    }
