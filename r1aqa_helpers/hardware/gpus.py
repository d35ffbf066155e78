"""GPUs and what their data sheets say: memory, dense 16-bit rate, bandwidth.

NVIDIA prints most rates "with sparsity", which is twice the dense rate that is listed here. Of a
GPU that comes in several forms this is the fastest (SXM).
"""

from dataclasses import dataclass

GB, TERA = 10**9, 10**12
_SHEETS = "https://www.nvidia.com/content/dam/en-zz/Solutions/Data-Center"
_A100 = f"{_SHEETS}/a100/pdf/nvidia-a100-datasheet-us-nvidia-1758950-r4-web.pdf"
_PAGES = "https://www.nvidia.com/en-us/data-center"


@dataclass(frozen=True)
class Gpu:
    """One kind of GPU.

    Attributes:
        memory: bytes; a data sheet's GB are 10^9 here, which is at most what there is, except for
            T4 (14.6 GiB) and L4, where an error-correcting code takes a twentieth.
        sixteen: FLOPs per second of dense 16-bit matrix products on the tensor cores.
        bandwidth: of its memory, bytes per second.
        bf16: whether it computes in bfloat16 itself.
        source: the data sheet.
    """

    name: str
    memory: int
    sixteen: float
    bandwidth: float
    bf16: bool
    source: str


GPUS = {
    gpu.name: gpu
    for gpu in (
        Gpu("T4", 16 * GB, 65 * TERA, 320 * GB, False,
            f"{_SHEETS}/tesla-t4/t4-tensor-core-datasheet-951643.pdf"),
        Gpu("L4", 24 * GB, 121 * TERA, 300 * GB, True, f"{_PAGES}/l4/"),
        Gpu("A100 40 GB", 40 * GB, 312 * TERA, 1555 * GB, True, _A100),
        Gpu("A100 80 GB", 80 * GB, 312 * TERA, 2039 * GB, True, _A100),
        Gpu("H100", 80 * GB, 989 * TERA, 3350 * GB, True, f"{_PAGES}/h100/"),
        Gpu("H200", 141 * GB, 989 * TERA, 4800 * GB, True, f"{_PAGES}/h200/"),
    )
}  # fmt: skip

#: The GPU that a profile is meant for: the smallest of those for which it is picked.
MEANT_FOR = {
    "t4": "T4",
    "l4": "L4",
    "a100": "A100 40 GB",
    "h100": "H100",
    "h200-full": "H200",
    "multi-gpu": "A100 40 GB",
}


def find_gpu(name: str, memory: int | None = None) -> Gpu | None:
    """The entry for a GPU by its name here or by the one that PyTorch reports; None: not listed.

    Args:
        memory: bytes; they tell which A100 it is where the name does not.
    """
    if name in GPUS:
        return GPUS[name]
    words = name.upper().replace("-", " ").split()
    if "A100" in words:
        large = "80GB" in words or (memory or 0) > 60 * GB
        return GPUS["A100 80 GB" if large else "A100 40 GB"]
    return next((GPUS[kind] for kind in ("T4", "L4", "H100", "H200") if kind in words), None)
