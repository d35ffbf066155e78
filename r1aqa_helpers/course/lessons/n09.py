"""Toys of notebook 10: weights in 4 bits, and training's bytes shared out over GPUs."""

import torch

#: NF4's sixteen levels: quantiles of a normal distribution, scaled to [-1, 1], with 0 among them
#: (QLoRA, arXiv 2305.14314, appendix E).
NF4 = torch.tensor(
    [
        -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453,
        -0.28444138169288635, -0.18477343022823334, -0.09105003625154495, 0.0,
        0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
        0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0,
    ]
)  # fmt: skip
#: As many levels at equal distances.
EVEN = torch.linspace(-1, 1, 16)
#: Bytes per trained parameter of mixed-precision AdamW (ZeRO, arXiv 1910.02054, section 3.1):
#: weights and gradients in 16 bits; a float32 copy of the weights and two moments.
WEIGHTS, GRADIENTS, OPTIMISER = 2, 2, 12
#: What each way shares out over the GPUs; the rest lies whole on each.
SHARED_OUT = {
    "ddp": (),
    "ZeRO-1": ("optimiser",),
    "ZeRO-2": ("optimiser", "gradients"),
    "ZeRO-3, FSDP": ("optimiser", "gradients", "weights"),
}


def round_trip(values: torch.Tensor, levels: torch.Tensor, block: int = 64) -> torch.Tensor:
    """What is left of ``values`` after 4 bits: per block a scale, per value the nearest level.

    Args:
        values: any shape, of which the number of elements is a multiple of ``block``.
        levels: (16,) from -1 to 1, rising.
        block: values that share a scale, their largest absolute value.

    Raises:
        ValueError: the blocks do not come out even.
    """
    if values.numel() % block:
        raise ValueError(f"{values.numel()} values do not make whole blocks of {block}")
    blocks = values.reshape(-1, block).float()
    scale = blocks.abs().amax(dim=1, keepdim=True)
    # A block of zeros has scale 0, and any other would give zeros as well.
    unit = blocks / scale.where(scale > 0, torch.ones_like(scale))
    # Nearest: the level whose upper neighbour's middle lies above the value.
    codes = torch.bucketize(unit, (levels[1:] + levels[:-1]) / 2)
    return (levels[codes] * scale).reshape(values.shape)


def relative_error(values: torch.Tensor, kept: torch.Tensor) -> float:
    """Root of the mean squared error, as a share of the values' own root mean square."""
    return ((values - kept).norm() / values.norm()).item()


def bytes_per_gpu(parameters: int, way: str, gpus: int) -> dict[str, float]:
    """Bytes of weights, gradients and optimiser on each of ``gpus``, all weights being trained.

    Args:
        way: one of ``SHARED_OUT``.
    """
    whole = {"weights": WEIGHTS, "gradients": GRADIENTS, "optimiser": OPTIMISER}
    shared = SHARED_OUT[way]
    return {
        name: parameters * width / (gpus if name in shared else 1) for name, width in whole.items()
    }
