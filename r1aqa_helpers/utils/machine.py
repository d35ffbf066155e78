"""The machine: in words, and the facts that decide on a profile."""

import os
import platform
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Machine:
    """What decides on a profile.

    Attributes:
        gpus: name and bytes of memory of each CUDA GPU that PyTorch sees.
        bf16: whether all of them compute in bfloat16 themselves, not by emulation.
        mps: whether PyTorch sees Apple's GPU.
        memory: bytes of the machine's memory, which Apple's GPU shares; None: not known.
    """

    gpus: tuple[tuple[str, int], ...] = ()
    bf16: bool = False
    mps: bool = False
    memory: int | None = None


def this_machine() -> Machine:
    """What PyTorch sees here."""
    import torch  # here, so that asking for help stays quick

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    seen = [torch.cuda.get_device_properties(index) for index in range(count)]
    # PyTorch's own answer counts emulation; compute capability 8 is Ampere.
    native = bool(torch.version.hip) or all(
        tuple(torch.cuda.get_device_capability(index)) >= (8, 0) for index in range(count)
    )
    return Machine(
        gpus=tuple((gpu.name, int(gpu.total_memory)) for gpu in seen),
        bf16=bool(count) and native,
        mps=bool(torch.backends.mps.is_available()),
        memory=total_memory(),
    )


def has_kernels(index: int) -> bool:
    """Whether the installed torch can compute on a GPU that it sees: wheels drop old kinds."""
    import torch  # here, so that asking for help stays quick

    if torch.version.hip:
        return True
    major, minor = torch.cuda.get_device_capability(index)
    for built in torch.cuda.get_arch_list():  # sm_75, sm_90a, compute_90
        kind, _, number = built.partition("_")
        digits = number.rstrip("af")
        old = int(digits[:-1]), int(digits[-1])
        # Machine code runs on later GPUs of its generation; "compute" is translated for any later.
        if old <= (major, minor) and (kind == "compute" or old[0] == major):
            return True
    return False


def hardware() -> str:
    """The machine in words: processor, cores, GPU."""
    import torch  # here, so that asking for help stays quick

    counts = {"core": os.cpu_count() or 1, "thread": torch.get_num_threads()}
    told = (
        f"{count} {name}" if count == 1 else f"{count} {name}s" for name, count in counts.items()
    )
    gpu = [torch.cuda.get_device_name()] if torch.cuda.is_available() else []
    return ", ".join([processor(), *told, *gpu])


def processor() -> str:
    """The processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(x.split(":", 1)[1].strip() for x in lines if x.startswith("model name"))
    except (OSError, StopIteration):  # not Linux, or a processor that does not say
        return platform.processor() or platform.machine()


def total_memory() -> int | None:
    """Bytes of the machine's memory; None where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return None
