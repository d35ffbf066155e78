"""The profiles. The tiny model's numbers stand here and nowhere else.

Those of the 7B model all train LoRA with the audio tower frozen, but for ``h200-full``. Their
batches follow from ``budgets``: the largest for which the computed peak of every stage leaves a
tenth of the GPU free; a test holds each to that.
"""

from r1aqa_helpers.paths import TINY
from r1aqa_helpers.profiles.profile import Profile

QWEN2_AUDIO = "Qwen/Qwen2-Audio-7B-Instruct"

#: Two CPU cores, minutes.
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


def _lora(
    name: str,
    *,
    prompts: int = 16,
    group: int = 8,
    rollout: int = 1,
    longest: int = 128,
    rows: int = 1,
    eval_tokens: int = 8192,
    device: str = "cuda",
    dtype: str = "bfloat16",
    quantise: str | None = None,
) -> Profile:
    """The 7B model with LoRA: to train all its weights takes 134 GB in float32 with AdamW.

    Args:
        prompts, group, longest: questions per GRPO step, answers to each, and the most tokens
            of one; R1-AQA's are 16, 8 and 256, of which its answers took about 9.
        rollout: questions whose answers are sampled together.
        rows: rows of SFT that go through the model together.
    """
    shared = {"steps": 500, "lora_rank": 16, "freeze_tower": True}
    return Profile(
        name=name,
        model=QWEN2_AUDIO,
        device=device,
        dtype=dtype,
        quantise=quantise,
        eval_tokens=eval_tokens,
        max_new_tokens=256,
        sft={**shared, "lr": 1e-4, "batch_size": 16, "rows_per_forward": rows},
        grpo={
            **shared,
            "lr": 1e-5,
            "prompts_per_step": prompts,
            "group_size": group,
            "prompts_per_forward": 1,
            "prompts_per_rollout": rollout,
            "max_completion": longest,
        },
    )


#: All of the language model, the tower as it is, with AdamW's moments in 8 bits, on one H200. In
#: float32, since steps of 1e-6 vanish in bfloat16's rounding; R1-AQA trained the tower, too.
H200_FULL = Profile(
    name="h200-full",
    model=QWEN2_AUDIO,
    device="cuda",
    dtype="float32",
    eval_tokens=8192,
    max_new_tokens=256,
    sft={
        "steps": 500,
        "freeze_tower": True,
        "optim": "adamw_bnb_8bit",
        "lr": 1e-5,
        "batch_size": 16,
        "rows_per_forward": 1,
    },
    grpo={
        "steps": 500,
        "freeze_tower": True,
        "optim": "adamw_bnb_8bit",
        "lr": 1e-6,
        "prompts_per_step": 16,
        "group_size": 8,
        "prompts_per_forward": 1,
        "prompts_per_rollout": 1,
        "max_completion": 32,
    },
)

PROFILES = {
    profile.name: profile
    for profile in (
        TINY_PROFILE,
        # 16 GB, and no bfloat16.
        _lora("t4", prompts=8, group=4, longest=64, dtype="float16", quantise="nf4"),
        # 24 GB, of which the weights take 17.
        _lora("l4", prompts=8, group=4, longest=32, eval_tokens=4096),
        # 40 or 80 GB.
        _lora("a100", rollout=4, rows=2),
        # 80 GB and more.
        _lora("h100", rollout=16, longest=256, rows=4, eval_tokens=32_768),
        H200_FULL,
        # Several of at least 40 GB, a process on each: what is said here is each process's.
        _lora("multi-gpu", rollout=1, rows=1),
        # Apple: in bfloat16, as in float32 the weights alone would take 34 GB.
        _lora("mps", prompts=8, group=4, longest=32, eval_tokens=4096, device="mps"),
    )
}
