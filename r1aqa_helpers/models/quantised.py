"""Weights in 4 bits: NF4 with double quantisation (QLoRA, arXiv 2305.14314), by bitsandbytes.

All linear layers are quantised but the head, those of the audio encoder and projector among
them; `flops.weight_bytes` counts the same. What is computed with them is in the model's dtype.
"""

import math
from importlib.util import find_spec

import torch
from torch import nn
from transformers import BitsAndBytesConfig

from r1aqa_helpers.utils.errors import UserError

#: Ways to quantise.
QUANTISATIONS = ("nf4",)
MISSING = (
    "bitsandbytes is not installed; install it "
    "(pip install 'r1aqa-helpers[quantised]', in a checkout uv sync --extra quantised)"
)


def quantisation_config(
    quantise: str | None, device: torch.device, dtype: torch.dtype
) -> BitsAndBytesConfig | None:
    """What transformers is to do with the weights; None: leave them as they are.

    Args:
        quantise: one of `QUANTISATIONS`, or None.
        dtype: that is computed in.

    Raises:
        UserError: there is no such way, bitsandbytes is missing or has nothing for the device.
    """
    if quantise is None:
        return None
    if quantise not in QUANTISATIONS:
        raise UserError(f"quantise {quantise!r}: unknown, use one of {', '.join(QUANTISATIONS)}")
    if device.type not in ("cuda", "cpu"):
        raise UserError(
            f"quantise {quantise}: bitsandbytes has no 4-bit weights for device {device}; "
            "use cuda or cpu, or load the model without quantise"
        )
    if find_spec("bitsandbytes") is None:
        raise UserError(f"quantise {quantise}: {MISSING}, or load the model without quantise")
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
    )


def is_quantised(model: nn.Module) -> bool:
    """Whether the model's linear layers are in 4 bits; ``model`` may be in an adapter."""
    return bool(getattr(model, "is_loaded_in_4bit", False))


def keep_as_stored(model: nn.Module) -> None:
    """Have 4-bit weights stay as they are stored.

    At their first use on some CPUs (AVX-512 with bfloat16) bitsandbytes would rearrange them, and
    `weights_fingerprint` would take the model for another one.
    """
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False


def numel(parameter: nn.Parameter) -> int:
    """How many numbers a parameter stands for: in 4 bits, two are stored as one."""
    state = getattr(parameter, "quant_state", None)
    return parameter.numel() if state is None else math.prod(state.shape)
