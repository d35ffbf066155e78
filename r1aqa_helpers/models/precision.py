"""Number formats: which one by device, and what training in it asks for."""

from importlib.util import find_spec

import torch
from transformers import PreTrainedModel

from r1aqa_helpers.models.quantised import MISSING, is_quantised
from r1aqa_helpers.utils.errors import UserError

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}

#: Optimisers to choose from: AdamW, and the same with its two moments in 8 bits (arXiv 2110.02861).
OPTIMISERS = ("adamw_torch", "adamw_bnb_8bit")

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
    adapter's weights, is in float32.

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
        raise UserError(f"optim {optim}: {MISSING}, or use adamw_torch")
    return {"bf16": dtype == torch.bfloat16, "fp16": dtype == torch.float16}
