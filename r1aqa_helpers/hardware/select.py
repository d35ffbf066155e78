"""Which profile: the one asked for, or the one that the hardware allows."""

from r1aqa_helpers.hardware.profile import Profile
from r1aqa_helpers.hardware.profiles import PROFILES
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.machine import Machine, this_machine

GB = 10**9
#: Bytes from which on a profile is picked, by what PyTorch reports: a T4 of 16 GB shows 15.6,
#: an L4 of 24 GB 23.7, an A100 of 40 GB 42.3, an H100 of 80 GB 84.9. Half a GB below each.
LEAST_T4, LEAST_L4, LEAST_A100, LEAST_H100 = 15 * GB, 23 * GB, 39 * GB, 79 * GB
#: Apple's GPU shares the machine's memory and by default takes three quarters of it at most.
LEAST_MPS = 32 * GB
#: How NVIDIA's names begin of GPUs as fast as an H100.
_HOPPER_OR_LATER = ("H100", "H200", "H800", "GH200", "B200", "GB200", "B300")


def pick_profile(name: str | None = None) -> Profile:
    """The profile of that name; without one, the one that this machine's hardware picks.

    Raises:
        UserError: there is no such profile.
    """
    if name is None:
        return PROFILES[pick_for(this_machine())[0]]
    if name not in PROFILES:
        raise UserError(f"profile {name!r}: unknown, choose one of {', '.join(PROFILES)}")
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
