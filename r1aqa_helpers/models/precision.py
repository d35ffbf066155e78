"""Number formats, 4 bits to 32: which one by device, and what training in it asks for."""

import math
from importlib.util import find_spec

import torch
from torch import nn
from transformers import BitsAndBytesConfig, PreTrainedModel

from r1aqa_helpers.utils.errors import UserError

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}

#: Optimisers to choose from: AdamW, and the same with its two moments in 8 bits (arXiv 2110.02861).
OPTIMISERS = ("adamw_torch", "adamw_bnb_8bit")

_MISSING = (
    "bitsandbytes is not installed; install it "
    "(pip install bitsandbytes, in a checkout uv sync --extra quantised)"
)
#: What to do where numbers overflow.
NOT_FINITE = (
    "check the checkpoint's weights, or use bfloat16 or float32 in place of float16, whose range "
    "ends at 65,504; in training, lower lr as well"
)


def pick_device(device: str | torch.device | None) -> torch.device:
    """The device asked for; without one, the GPU where there is one, otherwise the CPU.

    Raises:
        UserError: it is unknown, or there is no GPU.
    """
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        picked = torch.device(device)
    except RuntimeError as error:
        raise UserError(f"device {device!r}: unknown, use cpu or cuda") from error
    if picked.type == "cuda" and not torch.cuda.is_available():
        raise UserError(f"device {device}: no GPU that PyTorch can use is here, use cpu")
    return picked


def pick_dtype(dtype: str | torch.dtype | None, device: torch.device) -> torch.dtype:
    """The dtype asked for; without one, the smallest in which the device computes by itself.

    Raises:
        UserError: its name is unknown.
    """
    if isinstance(dtype, str):
        if dtype not in _DTYPES:
            raise UserError(f"dtype {dtype!r}: unknown, use one of {', '.join(_DTYPES)}")
        return _DTYPES[dtype]
    if dtype is not None:
        return dtype
    if device.type != "cuda":
        return torch.float32
    # A T4 computes bfloat16 by emulation only, which counts as support unless told otherwise.
    native = torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.bfloat16 if native else torch.float16


def quantisation_config(
    quantise: str | None, device: torch.device, dtype: torch.dtype
) -> BitsAndBytesConfig | None:
    """What transformers is to do with the weights; None: leave them as they are.

    "nf4": 4 bits, NF4 with double quantisation (QLoRA, arXiv 2305.14314), by bitsandbytes. All
    linear layers are quantised but the head, those of the audio encoder and projector among them;
    `flops.weight_bytes` counts the same. What is computed with them is in ``dtype``.

    Raises:
        UserError: there is no such way, bitsandbytes is missing or has nothing for the device.
    """
    if quantise is None:
        return None
    if quantise != "nf4":
        raise UserError(f"quantise {quantise!r}: unknown, use nf4")
    if device.type not in ("cuda", "cpu"):
        raise UserError(
            f"quantise {quantise}: bitsandbytes has no 4-bit weights for device {device}; "
            "use cuda or cpu, or load the model without quantise"
        )
    if find_spec("bitsandbytes") is None:
        raise UserError(f"quantise {quantise}: {_MISSING}, or load the model without quantise")
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


def language_dtype(model: PreTrainedModel) -> torch.dtype:
    """The dtype that a Qwen2-Audio computes in; in float16 its encoder still is in float32."""
    return model.get_input_embeddings().weight.dtype


def check_finite(values: torch.Tensor, what: str) -> None:
    """Raise ``UserError`` where infinities or NaN are among ``values``, which are ``what``."""
    # One pass and one number: finite values, float16's or logits, do not add up to infinity.
    total = values.detach().sum(dtype=torch.float32)
    if not total.isfinite():
        raise UserError(f"{what}: not finite ({total.item()}); {NOT_FINITE}")


def training_precision(model: PreTrainedModel, lora_rank: int, optim: str) -> dict[str, bool]:
    """``bf16`` and ``fp16`` for the trainer of ``model``, of which neither means float32.

    In float16 gradients are scaled so that small ones do not vanish, and what is trained, the
    adapter's weights, is in float32. Weights in float32 stay so on a GPU, where small steps need
    it, and matrix products are computed in bfloat16 (autocast), as R1-AQA's.

    Args:
        lora_rank: 0 where all weights are trained.
        optim: one of `OPTIMISERS`.

    Raises:
        UserError: weights in 4 bits or 16 are to be trained themselves; float16 on a CPU; an
            unknown optimiser, or one that is not installed.
    """
    dtype, on_cpu = language_dtype(model), model.device.type == "cpu"
    if not lora_rank and is_quantised(model):
        raise UserError(
            "training: weights in 4 bits cannot be trained themselves; set lora_rank (such as 16), "
            "or load the model without quantise"
        )
    if not lora_rank and dtype != torch.float32:
        name = str(dtype).removeprefix("torch.")
        raise UserError(
            f"training: weights in {name} cannot be trained themselves, small steps would vanish; "
            "set lora_rank (such as 16), or load the model in float32"
        )
    if dtype == torch.float16 and on_cpu:
        raise UserError(
            "training: float16 needs a GPU, for its gradients are scaled there; "
            "on a CPU load the model in float32 or bfloat16"
        )
    if optim not in OPTIMISERS:
        raise UserError(f"optim {optim!r}: unknown, choose one of {', '.join(OPTIMISERS)}")
    if "bnb" in optim and find_spec("bitsandbytes") is None:
        raise UserError(f"optim {optim}: {_MISSING}, or use adamw_torch")
    autocast = dtype == torch.float32 and pick_dtype(None, model.device) == torch.bfloat16
    return {"bf16": autocast or dtype == torch.bfloat16, "fp16": dtype == torch.float16}
