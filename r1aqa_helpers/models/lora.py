"""Which parameters train: all, or LoRA adapters (arXiv 2106.09685), also of the audio encoder."""

import importlib.metadata
import re
import sys
from typing import Any, cast

from peft import LoraConfig
from peft.import_utils import is_torchao_available
from torch import nn
from transformers import Qwen2AudioForConditionalGeneration

from r1aqa_helpers.models.precision import numel
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.untrusted import shown

#: Modules for LoRA: the language model's projections. The audio encoder's have the same names
#: (q_proj, k_proj, v_proj), so that a bare name would adapt it, too.
LORA_TARGETS = r".*language_model\.layers\.\d+\.(self_attn\.[qkvo]_proj|mlp\.(gate|up|down)_proj)"
#: The audio encoder's projections, where it is to be trained as well.
ENCODER_TARGETS = r".*audio_tower\.layers\.\d+\.(self_attn\.([qkv]|out)_proj|fc[12])"


def lora_config(rank: int, audio_encoder: bool = False) -> LoraConfig:
    """LoRA of this rank, scaled by 2 (alpha = 2 * rank).

    On the language model's projections only; with ``audio_encoder``, on the audio encoder's, too.
    """
    ignore_old_torchao()
    targets = f"({LORA_TARGETS})|({ENCODER_TARGETS})" if audio_encoder else LORA_TARGETS
    return LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=targets)


def ignore_old_torchao() -> None:
    """Let PEFT work beside a torchao older than it supports, as Colab's image has (0.10.0).

    PEFT looks for torchao whenever it makes an adapter, and raises where it finds an old one.
    This package does not use torchao, so Python is told that there is none, and the user that it
    was. Nothing is uninstalled: other work in the same session may need it.

    Raises:
        UserError: something has imported it already.
    """
    try:
        is_torchao_available()
    except ImportError:
        version = shown(importlib.metadata.version("torchao"))
        if sys.modules.get("torchao") is not None:
            raise UserError(
                f"torchao {version}: is older than PEFT supports and loaded already; "
                "run pip uninstall torchao, and restart Python"
            ) from None
        print(f"torchao {version} is older than PEFT supports: left out here", file=sys.stderr)
        # "Not there", as `importlib` documents it.
        cast(dict[str, Any], sys.modules)["torchao"] = None


def choose_trained(
    model: Qwen2AudioForConditionalGeneration, lora_rank: int, freeze_audio_encoder: bool
) -> None:
    """Train all weights, or all but the audio encoder's; with a ``lora_rank`` none: PEFT adds some.

    Raises:
        UserError: an adapter lies on the model's 4-bit weights already.
    """
    if any(".lora_" in name for name, _ in model.named_parameters()):
        raise UserError(
            "training: the model is an adapter on a base in 4 bits, which cannot be merged; load "
            "it without quantise, save that, and train from there"
        )
    if lora_rank:
        model.requires_grad_(False)
        return
    model.requires_grad_(True)
    model.model.audio_tower.requires_grad_(not freeze_audio_encoder)
    model.model.audio_tower.embed_positions.requires_grad_(False)  # sinusoids, as shipped


def describe_trained(model: nn.Module, lora_rank: int, freeze_audio_encoder: bool) -> str:
    """In one line, which parameters train, before or while they do.

    Args:
        model: a Qwen2-Audio, or one in a PEFT model.
    """
    total = sum(numel(p) for n, p in model.named_parameters() if ".lora_" not in n)
    if lora_rank:
        language, trained = _adapted(model, LORA_TARGETS, lora_rank)
        where = f"LoRA rank {lora_rank} on {language} modules of the language model"
        if not freeze_audio_encoder:
            encoder, more = _adapted(model, ENCODER_TARGETS, lora_rank)
            where, trained = f"{where} and {encoder} of the audio encoder", trained + more
    else:
        still = r".*audio_tower\." if freeze_audio_encoder else r".*audio_tower\.embed_positions\."
        frozen = (numel(p) for n, p in model.named_parameters() if re.match(still, n))
        trained, where = total - sum(frozen), "all weights, the audio encoder's too"
        if freeze_audio_encoder:
            where = "all weights of projector and language model"
    end = "; the audio encoder is frozen" if freeze_audio_encoder else ""
    return f"{_millions(trained)} of {_millions(total)} parameters: {where}{end}"


def _adapted(model: nn.Module, targets: str, rank: int) -> tuple[int, int]:
    """How many modules a LoRA of these targets is on, and its parameters: r (in + out) each."""
    chosen = [one for name, one in model.named_modules() if re.fullmatch(targets, name)]
    return len(chosen), sum(rank * (one.in_features + one.out_features) for one in chosen)


def _millions(count: int) -> str:
    millions = count / 1e6
    return f"{millions:,.{0 if millions >= 1000 else 1 if millions >= 10 else 2}f} M"
