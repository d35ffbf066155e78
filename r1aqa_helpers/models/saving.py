"""Folders to share: weights or adapter, processor, greedy generation settings, model card."""

import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from peft import PeftModel
from safetensors import SafetensorError

from r1aqa_helpers.models.adapters import ADAPTER_CONFIG
from r1aqa_helpers.models.card import CARD, CardFields
from r1aqa_helpers.models.generation_config import greedy_config, own_generation_config
from r1aqa_helpers.models.loaded import LoadedModel
from r1aqa_helpers.models.precision import is_quantised
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import write_text
from r1aqa_helpers.utils.untrusted import first_line, shown


def save(loaded: LoadedModel, folder: str | Path, card: CardFields | None = None) -> None:
    """Write weights (safetensors), processor, greedy generation configuration and model card.

    Of a PEFT model, only the adapter is written, with the base model's name. All files go to a
    temporary folder beside ``folder`` first, which is then renamed; a model folder is replaced.

    Args:
        card: says how the model came about; what can be counted is filled in here.

    Raises:
        UserError: ``folder`` holds anything else, or cannot be written; a whole model in 4 bits.
    """
    folder = Path(folder)
    if is_quantised(loaded.model) and not isinstance(loaded.model, PeftModel):
        raise UserError(
            f"{shown(folder)}: a model in 4 bits is not saved; save the adapter that was trained "
            "on it, or load the model without quantise"
        )
    empty = folder.is_dir() and not any(folder.iterdir())
    if folder.exists() and not empty and not is_model_folder(folder):
        raise UserError(f"{shown(folder)}: exists and is not a model folder, choose another place")
    weights, adapter = loaded.model.named_parameters(), isinstance(loaded.model, PeftModel)
    card = replace(
        card or CardFields(base=loaded.name),
        adapter=adapter,
        parameters=sum(p.numel() for name, p in weights if not adapter or ".lora_" in name),
        window_seconds=loaded.window_seconds,
    )
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    replaced = folder.with_name(f".{folder.name}.{os.getpid()}.replaced")
    try:
        temporary.mkdir(parents=True)
        _write_weights(loaded, temporary)
        loaded.processor.save_pretrained(temporary)
        write_text(temporary / CARD, card.text())
        if folder.exists():
            folder.rename(replaced)
        temporary.rename(folder)
    except (OSError, SafetensorError) as error:
        raise UserError(
            f"{shown(folder)}: the model cannot be written ({first_line(error)}), "
            "choose another place"
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(replaced, ignore_errors=True)


def is_model_folder(folder: Path) -> bool:
    """Whether ``folder`` is one that `save` wrote, or another model's or adapter's."""
    return any((folder / name).is_file() for name in ("config.json", ADAPTER_CONFIG))


def _write_weights(loaded: LoadedModel, folder: Path) -> None:
    model: Any = loaded.model
    config = greedy_config(loaded)
    if not isinstance(model, PeftModel):
        with own_generation_config(model, config):
            model.save_pretrained(folder)
        return
    for adapter in model.peft_config.values():
        # PEFT would name the folder of this machine's into which the base model was downloaded.
        adapter.base_model_name_or_path = loaded.name
    # Whether the vocabulary was changed, which it never is here, PEFT would ask of the Hub.
    model.save_pretrained(folder, save_embedding_layers=False)
    config.save_pretrained(folder)
