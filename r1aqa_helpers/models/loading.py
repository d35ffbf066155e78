"""Checkpoint folders and Hub names: found, checked, loaded."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
import torch
from huggingface_hub import hf_hub_download, snapshot_download
from huggingface_hub.errors import EntryNotFoundError
from safetensors import SafetensorError, safe_open
from transformers import (
    BitsAndBytesConfig,
    Qwen2AudioForConditionalGeneration,
    Qwen2AudioProcessor,
)

from r1aqa_helpers.hardware import Profile
from r1aqa_helpers.models.adapters import (
    ADAPTER_CONFIG,
    adapter_base,
    is_adapter,
    put_adapter,
    some_names,
)
from r1aqa_helpers.models.float16 import guard_float16
from r1aqa_helpers.models.generation_config import greedy_config, shipped_sampling
from r1aqa_helpers.models.loaded import LoadedModel, chat_text
from r1aqa_helpers.models.precision import (
    keep_as_stored,
    pick_device,
    pick_dtype,
    quantisation_config,
)
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import open_file, read_json
from r1aqa_helpers.utils.untrusted import first_line, shown, shown_value

_HUB_NAME = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*", re.ASCII)
_READ = (".json", ".safetensors", ".txt", ".jinja")
_HUB_FILES = [f"*{suffix}" for suffix in _READ]


def load(
    name_or_path: str | Path,
    device: str | torch.device | None = None,
    dtype: str | torch.dtype | None = None,
    base: str | Path | None = None,
    quantise: str | None = None,
) -> LoadedModel:
    """A Qwen2-Audio from a local folder, or by its name on the Hugging Face Hub.

    Only safetensors are read and no code of the checkpoint's is run. Its generation
    configuration, which samples, is replaced by greedy decoding. In float16 what would overflow is
    computed in float32, see `float16`.

    Args:
        name_or_path: of a whole model, in the names of transformers 4 or 5, or of a LoRA adapter,
            which is merged into its base model's weights, or kept on top of them with ``quantise``.
        device: by default the GPU where there is one, otherwise the CPU.
        dtype: a torch dtype or its name; by default bfloat16 on a GPU that has it, float16 on
            other GPUs, float32 elsewhere, whatever the checkpoint is stored in.
        base: an adapter's base model; by default the one that its configuration names.
        quantise: "nf4": the linear layers' weights in 4 bits (`quantisation_config`); None: not.

    Raises:
        UserError: there is no complete Qwen2-Audio of this name; weights are missing or left over.
    """
    device = pick_device(device)
    dtype = pick_dtype(dtype, device)
    weights = quantisation_config(quantise, device, dtype)
    given = _find_folder(name_or_path)
    adapter = given if is_adapter(given) else None
    if adapter is None and base is not None:
        raise UserError(
            f"model {shown(str(name_or_path))}: is a whole model and not an adapter; give no base"
        )
    folder = given if adapter is None else _find_base(adapter, base)
    _check_config(folder)
    check_weights(folder)
    described = adapter if adapter and _has_processor(adapter) else folder
    processor = _load_processor(described)
    model = _load_model(folder, device, dtype, weights)
    loaded = LoadedModel(model, processor, str(name_or_path))
    _check_agreement(loaded, described)
    if adapter is not None:
        loaded.model, loaded.merged = put_adapter(loaded.model, adapter), True
    loaded.shipped = shipped_sampling(loaded.model.generation_config)
    loaded.model.generation_config = greedy_config(loaded)
    return loaded


def load_for(
    profile: Profile,
    model: str | Path | None = None,
    base: str | Path | None = None,
    device: str | torch.device | None = None,
) -> LoadedModel:
    """A profile's model, or another in its place, on its device (or ``device``), in its precision.

    ``base`` and what is raised as in `load`.
    """
    return load(
        model or profile.model, device or profile.device, profile.dtype, base, profile.quantise
    )


def _find_folder(name_or_path: str | Path) -> Path:
    """The local folder, after download where ``name_or_path`` is a Hub name."""
    folder = Path(os.path.expanduser(name_or_path))
    if os.path.isdir(folder):
        check_files(folder)
        return folder
    name = str(name_or_path)
    if os.path.exists(folder):
        raise UserError(f"model {shown(name)}: is a file, give the folder of the model")
    # "owner/model" may also be a mistyped "runs/model": then the first part is a folder here.
    hub = _HUB_NAME.fullmatch(name) and not os.path.isdir(folder.parent)
    if isinstance(name_or_path, Path) or not hub:
        raise UserError(f"model {shown(name)}: no such folder; a Hub name has the form owner/model")
    try:
        try:  # the configuration alone first: what is no Qwen2-Audio is not worth gigabytes
            _check_config(Path(hf_hub_download(name, "config.json")).parent)
        except EntryNotFoundError:
            hf_hub_download(name, ADAPTER_CONFIG)
        return Path(snapshot_download(name, allow_patterns=_HUB_FILES))
    except (OSError, ValueError) as error:
        raise UserError(
            f"model {shown(name)}: neither a folder here nor available from the Hugging Face Hub "
            f"({first_line(error)})"
        ) from error


def _find_base(adapter: Path, base: str | Path | None) -> Path:
    """The local folder of an adapter's base model; one of a relative path may lie beside it."""
    name = base if base is not None else adapter_base(adapter)
    if name is None:
        raise UserError(
            f"{shown(adapter / ADAPTER_CONFIG)}: base_model_name_or_path names no base model; "
            "give it (base, on the command line --base)"
        )
    beside = adapter / name
    try:
        folder = beside if base is None and os.path.isdir(beside) else _find_folder(name)
    except UserError as error:
        raise UserError(
            f"adapter {shown(adapter)}: its base model cannot be found ({error}); "
            "give another place of it (base, on the command line --base)"
        ) from error
    if is_adapter(folder):
        raise UserError(
            f"adapter {shown(adapter)}: its base model {shown(folder)} is an adapter itself; "
            "merge that one first"
        )
    return folder


def _has_processor(folder: Path) -> bool:
    kinds = ("processor", "preprocessor")
    extractor = any((folder / f"{kind}_config.json").is_file() for kind in kinds)
    return extractor and (folder / "tokenizer_config.json").is_file()


def check_files(folder: Path) -> None:
    """Raise ``UserError`` where a file that a library would open might never end, as a pipe."""
    for path in folder.iterdir():
        if path.suffix in _READ and not os.path.isdir(path):
            with open_file(path):
                pass


def _check_config(folder: Path) -> None:
    path = folder / "config.json"
    config = read_json(path)
    found = config.get("model_type") if isinstance(config, dict) else None
    if found != "qwen2_audio":
        raise UserError(
            f"{shown(path)}: model_type is {shown_value(found)}, not 'qwen2_audio'; "
            "give a Qwen2-Audio"
        )


def check_weights(folder: Path) -> None:
    """Every safetensors file is there, and as long as its header says."""
    check_files(folder)
    index = folder / "model.safetensors.index.json"
    shards = ["model.safetensors"]
    if index.is_file() and not (folder / shards[0]).is_file():
        content = read_json(index)
        weights = content.get("weight_map") if isinstance(content, dict) else None
        shards = list(dict.fromkeys(weights.values())) if isinstance(weights, dict) else []
        # Only names, never paths: they are joined to the folder.
        if not shards or any(not isinstance(s, str) or Path(s).name != s for s in shards):
            raise UserError(
                f"{shown(index)}: has no weight_map of plain file names, download the model again"
            )
    elif not (folder / shards[0]).is_file():
        raise UserError(
            f"model {shown(folder)}: has no {shards[0]}, copy it completely (pickled weights, .bin,"
            " are not read: they can run code)"
        )
    for shard in shards:
        try:
            with safe_open(folder / shard, framework="pt"):
                pass
        except (OSError, SafetensorError) as error:
            raise UserError(
                f"{shown(folder / shard)}: weights missing or truncated, copy or download them "
                f"again ({first_line(error)})"
            ) from error


def _load_model(
    folder: Path,
    device: torch.device,
    dtype: torch.dtype,
    quantisation: BitsAndBytesConfig | None,
) -> Qwen2AudioForConditionalGeneration:
    placement: dict[str, Any] = {"quantization_config": quantisation} if quantisation else {}
    if quantisation or device.type == "cuda":
        placement["device_map"] = {"": device}
    try:
        model, info = Qwen2AudioForConditionalGeneration.from_pretrained(
            folder,
            dtype=dtype,
            attn_implementation="sdpa",
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
            ignore_mismatched_sizes=True,  # they are reported below, in one line
            output_loading_info=True,
            **placement,
        )
    except torch.OutOfMemoryError as error:
        raise UserError(
            f"model {shown(folder)}: does not fit into {device}'s memory at {dtype}, "
            "use a smaller dtype or device cpu"
        ) from error
    # A damaged configuration or damaged weights can fail in many ways.
    except Exception as error:
        raise UserError(
            f"model {shown(folder)}: cannot be loaded as a Qwen2-Audio ({first_line(error)})"
        ) from error
    check_keys(f"model {shown(folder)}", info)
    if quantisation is None:
        model.to(device)
    else:  # it lies there
        keep_as_stored(model)
    if dtype == torch.float16:
        guard_float16(model)
    return model.eval()


def check_keys(what: str, info: Mapping[str, Any]) -> None:
    """Raise ``UserError`` where ``from_pretrained`` reports weights that do not fit."""
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys", "error_msgs"):
        if info.get(kind):
            found = some_names(kind.replace("_", " "), info[kind])
            raise UserError(f"{what}: weights and config.json do not belong together ({found})")


def _load_processor(folder: Path) -> Qwen2AudioProcessor:
    try:
        processor = Qwen2AudioProcessor.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
    except Exception as error:
        raise UserError(
            f"model {shown(folder)}: its tokenizer or feature extractor cannot be loaded, "
            f"copy the folder completely ({first_line(error)})"
        ) from error
    processor.tokenizer.padding_side = "left"
    return processor


def _check_agreement(loaded: LoadedModel, folder: Path) -> None:
    """Model and processor mean the same audio token and window; the template has a clip."""
    config, processor = loaded.model.config, loaded.processor
    window = 2 * config.audio_config.max_source_positions
    for what, ours, theirs in (
        ("audio token", processor.audio_token_id, config.audio_token_id),
        ("window, in frames,", processor.feature_extractor.nb_max_frames, window),
    ):
        if ours != theirs:
            raise UserError(
                f"model {shown(folder)}: its {what} is {ours} in the processor's files, "
                f"{theirs} in config.json; copy the folder completely"
            )
    try:
        clips = chat_text(loaded, "What is it?").count(processor.audio_token)
    except (jinja2.TemplateError, TypeError, ValueError) as error:
        raise UserError(
            f"model {shown(folder)}: its chat template fails ({first_line(error)}); copy the "
            "template of Qwen2-Audio-7B-Instruct"
        ) from error
    if clips != 1:
        raise UserError(
            f"model {shown(folder)}: its chat template has {clips} places for a clip, not 1; copy "
            "the template of Qwen2-Audio-7B-Instruct"
        )
