"""Profiles: the settings of the main job for each kind of hardware, and which one a machine gets.

Those of the 7B model all train LoRA with a frozen audio encoder, except ``h200-full``. Their
batches follow from ``budgets``: the largest for which the computed peak of every stage leaves a
tenth of the GPU free, also with prompt <3> and clips of 30 s; a test holds each to that.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from r1aqa_helpers.hardware.gpus import GB
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.machine import Machine, this_machine
from r1aqa_helpers.utils.paths import TINY
from r1aqa_helpers.utils.untrusted import shown_value

#: Bytes from which on a profile is picked, by what PyTorch reports: a T4 of 16 GB shows 15.6,
#: an L4 of 24 GB 23.7, an A100 of 40 GB 42.3, an H100 of 80 GB 84.9. Half a GB below each.
LEAST_T4, LEAST_L4, LEAST_A100, LEAST_H100 = 15 * GB, 23 * GB, 39 * GB, 79 * GB
#: Apple's GPU shares the machine's memory and by default takes three quarters of it at most.
LEAST_MPS = 32 * GB
#: How NVIDIA's names begin of GPUs as fast as an H100.
_HOPPER_OR_LATER = ("H100", "H200", "H800", "GH200", "B200", "GB200", "B300")


@dataclass(frozen=True)
class Profile:
    """One way to run the main job.

    Attributes:
        model: folder of the base checkpoint, or its name on the Hugging Face Hub.
        device, dtype: as ``models.load`` takes them.
        eval_tokens: tokens per batch when answering, prompts and answers with their padding.
        max_new_tokens: the longest answer, in tokens.
        quantise: "nf4" holds the linear layers in 4 bits; None: all in ``dtype``.
        tiny_questions: use ``tiny-avqa`` and ``tiny-mmau`` where no files are given.
        train, test: files of questions, as ``questions.read_questions`` takes them.
        audio_dir: folder of the recordings; None: the folder of each file.
        sft, grpo: overrides of ``SFTSettings`` and ``GRPOSettings`` by field name.
        thinking: what differs from ``grpo`` with prompt <3>, whose answers are long.
    """

    name: str
    model: str
    device: str
    dtype: str
    eval_tokens: int
    max_new_tokens: int
    quantise: str | None = None
    tiny_questions: bool = False
    train: Path | None = None
    test: Path | None = None
    audio_dir: Path | None = None
    sft: Mapping[str, Any] = field(default_factory=dict)
    grpo: Mapping[str, Any] = field(default_factory=dict)
    thinking: Mapping[str, Any] = field(default_factory=dict)

    def for_thinking(self) -> "Profile":
        """The profile with ``grpo`` as it is with prompt <3>.

        Thinking may take as many tokens in training as it may when the model is asked.
        """
        longest = {"max_completion": self.max_new_tokens}
        return replace(self, grpo={**self.grpo, **longest, **self.thinking}, thinking={})

    def as_dict(self) -> dict[str, Any]:
        """The profile as JSON has it, without ``thinking`` where nothing differs."""
        values = asdict(self)
        if not self.thinking:
            del values["thinking"]
        return {name: str(v) if isinstance(v, Path) else v for name, v in values.items()}


QWEN2_AUDIO = "Qwen/Qwen2-Audio-7B-Instruct"

#: Two CPU cores, minutes. Both trainings see the same 800 questions once, in the same order, at the
#: learning rates that the experiment chose. The longest thought that is learnt has 32 tokens with
#: its answer; the limits leave half as many more.
TINY_PROFILE = Profile(
    name="tiny",
    model=str(TINY / "model"),
    device="cpu",
    dtype="float32",
    eval_tokens=8192,
    max_new_tokens=48,
    tiny_questions=True,
    sft={
        "steps": 100,
        "batch_size": 8,
        "rows_per_forward": 8,
        "freeze_audio_encoder": False,
        "lr": 1e-4,
        "save_every": 25,
    },
    grpo={
        "steps": 100,
        "prompts_per_step": 8,
        "group_size": 8,
        "prompts_per_forward": 8,
        "freeze_audio_encoder": False,
        "lr": 1e-4 / 3,
        "max_completion": 48,
        "save_every": 25,
    },
)

#: Both trainings of the 7B model. Training all its weights takes 134 GB in float32 with AdamW.
_LORA = {"steps": 500, "lora_rank": 16, "freeze_audio_encoder": True}
#: All of the language model, with AdamW's moments in 8 bits. In float32, since steps of 1e-6
#: vanish in bfloat16's rounding; R1-AQA trained the audio encoder, too.
_FULL = {
    "steps": 500,
    "freeze_audio_encoder": True,
    "optim": "adamw_bnb_8bit",
    "gradient_checkpointing": True,
}
_SFT_BATCH = {"batch_size": 16, "rows_per_forward": 1}
#: R1-AQA's 16 questions and 8 answers of up to 256 tokens, of which its answers took about 9.
_GRPO_BATCH = {
    "prompts_per_step": 16,
    "group_size": 8,
    "prompts_per_forward": 1,
    "prompts_per_rollout": 1,
    "max_completion": 128,
}
#: For GPUs of up to 24 GB, with room for clips of 30 s.
_SMALL_SFT = {"gradient_checkpointing": True}
_SMALL = {"prompts_per_step": 8, "group_size": 4, "max_completion": 32, **_SMALL_SFT}


def _lora(
    name: str,
    grpo: dict[str, Any] | None = None,
    sft: dict[str, Any] | None = None,
    thinking: dict[str, Any] | None = None,
    **fields: Any,
) -> Profile:
    """The 7B model with LoRA in bfloat16 on CUDA, with other settings where they are given."""
    usual = {"device": "cuda", "dtype": "bfloat16", "eval_tokens": 8192, "max_new_tokens": 256}
    return Profile(
        name=name,
        model=QWEN2_AUDIO,
        sft={**_LORA, "lr": 1e-4, **_SFT_BATCH, **(sft or {})},
        grpo={**_LORA, "lr": 1e-5, **_GRPO_BATCH, **(grpo or {})},
        thinking={"gradient_checkpointing": True, **(thinking or {})},
        **{**usual, **fields},
    )


PROFILES = {
    profile.name: profile
    for profile in (
        TINY_PROFILE,
        # 16 GB, and no bfloat16.
        _lora("t4", {**_SMALL, "max_completion": 64}, _SMALL_SFT, dtype="float16", quantise="nf4"),
        # 24 GB, of which the weights take 17.
        _lora("l4", _SMALL, _SMALL_SFT, eval_tokens=4096),
        # 40 or 80 GB.
        _lora(
            "a100",
            {"prompts_per_rollout": 4},
            {"rows_per_forward": 2},
            {"prompts_per_rollout": 2},
        ),
        # 80 GB and more.
        _lora(
            "h100",
            {"prompts_per_rollout": 8, "max_completion": 256},
            {"rows_per_forward": 4},
            eval_tokens=32_768,
        ),
        # One H200.
        Profile(
            name="h200-full",
            model=QWEN2_AUDIO,
            device="cuda",
            dtype="float32",
            eval_tokens=8192,
            max_new_tokens=256,
            sft={**_FULL, "lr": 1e-5, **_SFT_BATCH},
            grpo={**_FULL, "lr": 1e-6, **_GRPO_BATCH, "max_completion": 32},
        ),
        # Several of at least 40 GB, a process on each: each process has these settings.
        _lora("multi-gpu"),
        # Apple: in bfloat16, as in float32 the weights alone would take 34 GB.
        _lora("mps", _SMALL, _SMALL_SFT, eval_tokens=4096, device="mps"),
    )
}


def pick_profile(name: str | None = None) -> Profile:
    """The profile of that name; without one, the one that this machine's hardware picks.

    Raises:
        UserError: there is no such profile.
    """
    if name is None:
        return PROFILES[pick_for(this_machine())[0]]
    if name not in PROFILES:
        raise UserError(
            f"profile {shown_value(name)}: unknown, choose one of {', '.join(PROFILES)}"
        )
    return PROFILES[name]


def pick_for(machine: Machine) -> tuple[str, str]:
    """The name of the profile for a machine, and why it is that one.

    Several GPUs: the smallest counts.
    """
    if not machine.gpus:
        return _without_cuda(machine)
    name, memory = min(machine.gpus, key=lambda gpu: gpu[1])
    seen = f"{name}, {memory / GB:.1f} GB"
    if memory < LEAST_T4:
        return "tiny", f"{seen}: too little for the 7B model, even in 4 bits ({LEAST_T4 / GB:g} GB)"
    if not machine.bf16:
        return "t4", f"{seen}, which computes in float16 but not in bfloat16"
    if memory < LEAST_L4:
        return "t4", f"{seen}: the 7B model in 4 bits"
    if memory < LEAST_A100:
        return "l4", seen
    if len(machine.gpus) > 1:
        return "multi-gpu", f"{len(machine.gpus)} GPUs, the smallest {seen}"
    fast = any(kind in name.upper() for kind in _HOPPER_OR_LATER)
    return ("h100" if fast and memory >= LEAST_H100 else "a100"), seen


def _without_cuda(machine: Machine) -> tuple[str, str]:
    if not machine.mps:
        return "tiny", "there is no CUDA GPU"
    if machine.memory is not None and machine.memory >= LEAST_MPS:
        return "mps", f"Apple's GPU, {machine.memory / GB:.1f} GB of memory"
    return "tiny", f"Apple's GPU, but less than {LEAST_MPS / GB:g} GB of memory"
