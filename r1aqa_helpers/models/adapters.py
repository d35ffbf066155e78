"""LoRA adapters: recognised, checked, and merged into, or put on, their base model's weights.

Only LoRA (arXiv 2106.09685) and DoRA are taken. A field of an adapter's configuration that is not
known here is an error where it is set: merged in another way, an adapter gives a wrong model.
"""

import re
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, set_peft_model_state_dict
from peft.utils.other import get_pattern_key
from safetensors import SafetensorError
from safetensors.torch import load_file
from transformers import Qwen2AudioForConditionalGeneration

from r1aqa_helpers.models.lora import ignore_old_torchao
from r1aqa_helpers.models.precision import is_quantised
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import read_json
from r1aqa_helpers.utils.untrusted import shown, shown_value

ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"

#: What transformers 4 and the files on the Hub call a module, and what it is called since 5.
_RENAMED = (
    ("language_model.lm_head", "lm_head"),
    ("language_model.model", "model.language_model"),
    ("audio_tower", "model.audio_tower"),
    ("multi_modal_projector", "model.multi_modal_projector"),
)
PEFT_PREFIX = "base_model.model."
#: Fields that say how the weights are merged, and are handed to PEFT.
_USED = ("r", "lora_alpha", "use_rslora", "use_dora", "lora_bias", "modules_to_save")
#: Fields that are read here, or that matter in training alone; which modules have an adapter, the
#: weights say themselves.
_KNOWN = {
    *_USED, "peft_type", "base_model_name_or_path", "rank_pattern", "alpha_pattern",
    "init_lora_weights", "bias", "target_modules", "exclude_modules", "layers_to_transform",
    "layers_pattern", "auto_mapping", "corda_config", "ensure_weight_tying", "eva_config",
    "inference_mode", "loftq_config", "lora_dropout", "lora_ga_config", "megatron_core",
    "peft_version", "qalora_group_size", "revision", "task_type",
}  # fmt: skip
#: Beginnings of a LoRA that leave the base model's weights as they were.
_PLAIN_STARTS = (None, True, False, "gaussian", "orthogonal", "eva")
#: Names of modules, and expressions without groups and with two repetitions at most: whatever the
#: configuration holds, matching names with them is quick.
_QUICK_PATTERN = re.compile(r"[\w.^$\\]*(?:[*+][\w.^$\\]*){0,2}", re.ASCII)


def is_adapter(folder: Path) -> bool:
    """Whether the folder holds an adapter in place of a whole model.

    Raises:
        UserError: it holds both, so that merging might count the adapter twice.
    """
    if not (folder / ADAPTER_CONFIG).is_file():
        return False
    whole = [*folder.glob("model*.safetensors"), *folder.glob("pytorch_model*.bin")]
    if whole:
        raise UserError(
            f"model {shown(folder)}: holds an adapter ({ADAPTER_CONFIG}) and whole weights "
            f"({shown(whole[0].name)}), so that it is not clear which are meant; move one of the "
            "two to a folder of its own"
        )
    return True


def adapter_base(folder: Path) -> str | None:
    """Name or folder of the base model, as the adapter's configuration has it."""
    name = _read_config(folder).get("base_model_name_or_path")
    return name if isinstance(name, str) and name else None


def put_adapter(
    model: Qwen2AudioForConditionalGeneration, folder: Path
) -> Qwen2AudioForConditionalGeneration:
    """``model`` with the adapter in ``folder`` merged into its weights, in place.

    Where they are in 4 bits, the adapter stays beside them, in float32: that is what was trained,
    and rounded to 4 bits once more, most of it would be lost. Raises as `attach_adapter`.
    """
    trainable = {name: p.requires_grad for name, p in model.named_parameters()}
    adapted = attach_adapter(model, folder)
    if is_quantised(model):
        model.requires_grad_(False)
        return model.eval()
    with _told(folder):
        merged = adapted.merge_and_unload(safe_merge=True)
    for name, parameter in merged.named_parameters():
        parameter.requires_grad_(trainable[name])
    return merged.eval()


def attach_adapter(model: Qwen2AudioForConditionalGeneration, folder: Path) -> PeftModel:
    """Put the adapter in ``folder`` beside the weights of ``model``, in place.

    ``unload()`` of what is returned takes it off again, and leaves the weights as they were.
    Adapters trained with transformers 4, whose modules had other names, are understood, too.

    Raises:
        UserError: it is no LoRA, its weights are missing, damaged or pickled, or they do not
            fit this model.
    """
    ignore_old_torchao()
    settings = _read_config(folder)
    named = read_adapter_weights(folder)
    weights = {PEFT_PREFIX + _present_name(name): tensor for name, tensor in named.items()}
    with _told(folder):
        adapted = PeftModel(model, _lora_config(settings, named))
        found = set_peft_model_state_dict(adapted, weights)
        missing = [n for n in found.missing_keys if ".lora_" in n or ".modules_to_save." in n]
        for kind, names in (("missing", missing), ("unexpected", found.unexpected_keys)):
            if names:
                raise UserError(
                    f"adapter {shown(folder)}: does not fit its configuration and base model "
                    f"({some_names(f'{kind} keys', names)})"
                )
    return adapted


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    """PEFT's errors as a ``UserError`` about the adapter in ``folder``."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # PEFT's use of transformers
            yield
    except UserError:
        raise
    # PEFT reports modules that are not there, other shapes and NaN in errors of many kinds.
    except Exception as error:
        raise UserError(
            f"adapter {shown(folder)}: cannot be put on its base model "
            f"({shown(' '.join(str(error).split())[:200])})"
        ) from error


def _read_config(folder: Path) -> dict[str, Any]:
    """The adapter's configuration; raises ``UserError`` for what would not be followed."""
    path = folder / ADAPTER_CONFIG
    settings = read_json(path)
    kind = settings.get("peft_type") if isinstance(settings, dict) else None
    if kind != "LORA":
        raise UserError(
            f"{shown(path)}: peft_type is {shown_value(kind)}, not 'LORA'; merge the adapter with "
            "the library that made it, and give the merged model"
        )
    start, bias = settings.get("init_lora_weights"), settings.get("bias", "none")
    refused = [name for name, value in settings.items() if value and name not in _KNOWN]
    if isinstance(start, (dict, list)) or start not in _PLAIN_STARTS:
        refused.append("init_lora_weights")
    if bias != "none":
        refused.append("bias")
    for name in ("rank_pattern", "alpha_pattern"):
        patterns = settings.get(name) or {}
        if not isinstance(patterns, dict) or not all(map(_QUICK_PATTERN.fullmatch, patterns)):
            refused.append(name)
    if refused:
        name = sorted(refused)[0]
        raise UserError(
            f"{shown(path)}: {shown(name)} {shown_value(settings[name])} is not supported; merge "
            "the adapter with the library that made it, and give the merged model"
        )
    return settings


def read_adapter_weights(folder: Path) -> dict[str, torch.Tensor]:
    """The adapter's tensors by name, without PEFT's prefix.

    Raises:
        UserError: they are missing, torn, not finite, or not those of a PEFT adapter.
    """
    path = folder / ADAPTER_WEIGHTS
    if not path.is_file():
        raise UserError(
            f"adapter {shown(folder)}: has no {ADAPTER_WEIGHTS}, copy it completely (pickled "
            "weights, .bin, are not read: they can run code)"
        )
    try:
        weights = load_file(path)
    except (OSError, SafetensorError) as error:
        raise UserError(
            f"{shown(path)}: weights missing or truncated, copy or download them again"
        ) from error
    wrong = sorted(name for name, tensor in weights.items() if not tensor.isfinite().all())
    if wrong:
        raise UserError(
            f"{shown(path)}: {shown(wrong[0])} holds values that are not finite; "
            "take the adapter of an earlier checkpoint"
        )
    if not weights or not all(name.startswith(PEFT_PREFIX) for name in weights):
        raise UserError(f"{shown(path)}: its keys are not those of a PEFT adapter")
    return {name.removeprefix(PEFT_PREFIX): tensor for name, tensor in weights.items()}


def _present_name(name: str) -> str:
    """The name of a module or weight in this release, from that of either."""
    for old, new in _RENAMED:
        if name == old or name.startswith(old + "."):
            return new + name.removeprefix(old)
    return name


def _lora_config(settings: dict[str, Any], named: dict[str, torch.Tensor]) -> LoraConfig:
    """PEFT's configuration for exactly the modules that ``named`` has weights for.

    Patterns of ranks and alphas are matched with the names that the adapter itself uses.
    """
    modules = sorted({name.split(".lora_")[0] for name in named if ".lora_" in name})

    def special(field: str) -> dict[str, int]:
        pattern = settings.get(field) or {}
        keys = {module: get_pattern_key(pattern.keys(), module) for module in modules}
        return {_present_name(m): pattern[key] for m, key in keys.items() if key in pattern}

    return LoraConfig(
        target_modules=[_present_name(module) for module in modules],
        rank_pattern=special("rank_pattern"),
        alpha_pattern=special("alpha_pattern"),
        inference_mode=True,
        **{name: settings[name] for name in _USED if name in settings},
    )


def some_names(kind: str, names: Iterable[object]) -> str:
    """``3 missing keys, such as a, b, c``: how many, and the first three."""
    ordered = sorted(map(str, names))
    return f"{len(ordered)} {kind}, such as {shown(', '.join(ordered[:3])[:300])}"
