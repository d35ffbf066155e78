"""Profiles: what a reproduction runs on, and with which settings. Nothing here loads a model."""

import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from r1aqa_helpers.errors import UserError
from r1aqa_helpers.paths import TINY


@dataclass(frozen=True)
class Profile:
    """One way to run the main job.

    Attributes:
        model: folder of the base checkpoint, or its name on the Hugging Face Hub.
        device, dtype: as ``models.load`` takes them; a dtype of None is its own choice.
        tiny_questions: use ``tiny-avqa`` and ``tiny-mmau`` where no files are given.
        train, test: files of questions, as ``questions.read_questions`` takes them.
        audio_dir: folder of the recordings; None: the folder of each file.
        eval_tokens: tokens per batch when answering, prompts and answers with their padding.
        max_new_tokens: the longest answer, in tokens.
        sft, grpo: what differs from the defaults of ``SFTSettings`` and ``GRPOSettings``.
    """

    name: str
    model: str
    device: str
    dtype: str | None
    eval_tokens: int
    max_new_tokens: int
    tiny_questions: bool = False
    train: Path | None = None
    test: Path | None = None
    audio_dir: Path | None = None
    sft: Mapping[str, Any] = field(default_factory=dict)
    grpo: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The profile as JSON has it."""
        values = asdict(self)
        return {name: str(v) if isinstance(v, Path) else v for name, v in values.items()}


#: Two CPU cores, minutes. The numbers that were chosen for the tiny model stand here and
#: nowhere else.
TINY_PROFILE = Profile(
    name="tiny",
    model=str(TINY / "model"),
    device="cpu",
    dtype="float32",
    eval_tokens=8192,
    max_new_tokens=64,
    tiny_questions=True,
    # Both train on the same 800 questions, each seen once, in the same order.
    sft={
        "steps": 100,
        "batch_size": 8,
        "rows_per_forward": 8,
        "lr": 1e-4,
        "save_every": 25,
    },
    grpo={
        "steps": 100,
        "prompts_per_step": 8,
        "group_size": 8,
        "prompts_per_forward": 8,
        "lr": 1e-4,
        "max_completion": 32,
        "save_every": 25,
    },
)

#: One GPU for the 7B model. LoRA, because all weights in float32 with their optimiser take more
#: than one GPU has, and in bfloat16 R1-AQA's small steps vanish in rounding.
FULL_PROFILE = Profile(
    name="full",
    model="Qwen/Qwen2-Audio-7B-Instruct",
    device="cuda",
    dtype="bfloat16",
    eval_tokens=8192,
    max_new_tokens=256,
    sft={"lora_rank": 16, "lr": 1e-4, "batch_size": 16},
    grpo={"lora_rank": 16, "lr": 1e-5, "prompts_per_step": 16, "group_size": 8},
)

PROFILES = {profile.name: profile for profile in (TINY_PROFILE, FULL_PROFILE)}


def pick_profile(name: str | None = None) -> Profile:
    """The profile of that name; without one, ``tiny`` unless there is a CUDA device.

    Raises:
        UserError: there is no such profile.
    """
    if name is None:
        import torch  # here, so that asking for help stays quick

        return FULL_PROFILE if torch.cuda.is_available() else TINY_PROFILE
    if name not in PROFILES:
        raise UserError(f"profile {name!r}: unknown, choose one of {', '.join(PROFILES)}")
    return PROFILES[name]


def hardware() -> str:
    """The machine in words: processor, cores, GPU."""
    import torch  # here, so that asking for help stays quick

    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next(x.split(":", 1)[1].strip() for x in lines if x.startswith("model name"))
    except (OSError, StopIteration):
        pass  # not Linux, or a processor that does not say
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return f"{name}, {os.cpu_count()} cores, {torch.get_num_threads()} threads{gpu}"
