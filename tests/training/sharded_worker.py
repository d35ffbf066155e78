"""The command line on CPUs, where accelerate would not shard; run by a launcher.

Only what a machine without GPUs lacks is replaced; what is sampled, scored and saved is not.
"""

import os
import sys

import torch
from accelerate import PartialState
from accelerate.utils import DistributedType

from r1aqa_helpers.cli import main


def shard_on_cpus() -> None:
    """Let accelerate take two processes on CPUs for two with GPUs (FSDP)."""
    os.environ["ACCELERATE_TORCH_DEVICE"] = "cpu"
    torch.distributed.init_process_group("gloo")
    PartialState._prepare_backend = lambda self, *_, **__: ("gloo", DistributedType.MULTI_GPU)


def compile_nothing() -> None:
    """DeepSpeed would compile an operation through shared memory, for a minute and more."""
    import deepspeed.comm.torch  # noqa: F401

    sys.modules["deepspeed.comm.torch"].build_shm_op = lambda: None


if __name__ == "__main__":
    if os.environ.get("ACCELERATE_USE_FSDP") == "true":
        shard_on_cpus()
    if os.environ.get("ACCELERATE_USE_DEEPSPEED") == "true":
        compile_nothing()
    sys.exit(main())
