"""The command line on CPUs, where accelerate would not shard; run by a launcher.

Only what a machine without GPUs lacks is replaced; what is sampled, scored and saved is not.
R1AQA_TEST_PROFILE holds, as JSON, a profile more, for random weights: they are rewarded for what
they do by chance.
"""

import json
import os
import sys

import torch
from accelerate import PartialState
from accelerate.utils import DistributedType

from r1aqa_helpers.cli import main
from r1aqa_helpers.hardware import PROFILES, Profile
from r1aqa_helpers.training.grpo import run


def shard_on_cpus() -> None:
    """Let accelerate take two processes on CPUs for two with GPUs (FSDP)."""
    os.environ["ACCELERATE_TORCH_DEVICE"] = "cpu"
    torch.distributed.init_process_group("gloo")
    PartialState._prepare_backend = lambda self, *_, **__: ("gloo", DistributedType.MULTI_GPU)


def compile_nothing() -> None:
    """DeepSpeed would compile an operation through shared memory, for a minute and more."""
    import deepspeed.comm.torch  # noqa: F401

    sys.modules["deepspeed.comm.torch"].build_shm_op = lambda: None


def reward_chance(completions: list[str], **columns: object) -> list[float]:
    """Random weights give no right answer, but texts of other lengths."""
    return [float(len(completion) % 3) for completion in completions]


if __name__ == "__main__":
    if made := os.environ.get("R1AQA_TEST_PROFILE"):
        profile = Profile(**json.loads(made))
        PROFILES[profile.name] = profile
        run.rewards_for = lambda prompt: [reward_chance]
    if os.environ.get("ACCELERATE_USE_FSDP") == "true":
        shard_on_cpus()
    if os.environ.get("ACCELERATE_USE_DEEPSPEED") == "true":
        compile_nothing()
    sys.exit(main())
