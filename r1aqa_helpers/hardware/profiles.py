"""All profiles. The tiny model's numbers stand here and nowhere else.

Those of the 7B model all train LoRA with a frozen audio encoder, except ``h200-full``. Their
batches follow from ``budgets``: the largest for which the computed peak of every stage leaves a
tenth of the GPU free; a test holds each to that.
"""

from typing import Any

from r1aqa_helpers.hardware.profile import Profile
from r1aqa_helpers.utils.paths import TINY

QWEN2_AUDIO = "Qwen/Qwen2-Audio-7B-Instruct"

#: Two CPU cores, minutes. Both trainings see the same 800 questions once, in the same order.
TINY_PROFILE = Profile(
    name="tiny",
    model=str(TINY / "model"),
    device="cpu",
    dtype="float32",
    eval_tokens=8192,
    max_new_tokens=64,
    tiny_questions=True,
    sft={
        "steps": 100,
        "batch_size": 8,
        "rows_per_forward": 8,
        "freeze_tower": False,
        "lr": 1e-4,
        "save_every": 25,
    },
    grpo={
        "steps": 100,
        "prompts_per_step": 8,
        "group_size": 8,
        "prompts_per_forward": 8,
        "freeze_tower": False,
        "lr": 1e-4,
        "max_completion": 32,
        "save_every": 25,
    },
)

#: Both trainings of the 7B model. Training all its weights takes 134 GB in float32 with AdamW.
_LORA = {"steps": 500, "lora_rank": 16, "freeze_tower": True}
#: All of the language model, with AdamW's moments in 8 bits. In float32, since steps of 1e-6
#: vanish in bfloat16's rounding; R1-AQA trained the audio encoder, too.
_FULL = {"steps": 500, "freeze_tower": True, "optim": "adamw_bnb_8bit"}
_SFT_BATCH = {"batch_size": 16, "rows_per_forward": 1}
#: R1-AQA's 16 questions and 8 answers of up to 256 tokens, of which its answers took about 9.
_GRPO_BATCH = {
    "prompts_per_step": 16,
    "group_size": 8,
    "prompts_per_forward": 1,
    "prompts_per_rollout": 1,
    "max_completion": 128,
}
#: For GPUs of up to 24 GB.
_SMALL = {"prompts_per_step": 8, "group_size": 4, "max_completion": 32}


def _lora(
    name: str,
    grpo: dict[str, Any] | None = None,
    sft: dict[str, Any] | None = None,
    **fields: Any,
) -> Profile:
    """The 7B model with LoRA in bfloat16 on CUDA, with other settings where they are given."""
    usual = {"device": "cuda", "dtype": "bfloat16", "eval_tokens": 8192, "max_new_tokens": 256}
    return Profile(
        name=name,
        model=QWEN2_AUDIO,
        sft={**_LORA, "lr": 1e-4, **_SFT_BATCH, **(sft or {})},
        grpo={**_LORA, "lr": 1e-5, **_GRPO_BATCH, **(grpo or {})},
        **{**usual, **fields},
    )


PROFILES = {
    profile.name: profile
    for profile in (
        TINY_PROFILE,
        # 16 GB, and no bfloat16.
        _lora("t4", {**_SMALL, "max_completion": 64}, dtype="float16", quantise="nf4"),
        # 24 GB, of which the weights take 17.
        _lora("l4", _SMALL, eval_tokens=4096),
        # 40 or 80 GB.
        _lora("a100", {"prompts_per_rollout": 4}, {"rows_per_forward": 2}),
        # 80 GB and more.
        _lora(
            "h100",
            {"prompts_per_rollout": 16, "max_completion": 256},
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
        _lora("mps", _SMALL, eval_tokens=4096, device="mps"),
    )
}
