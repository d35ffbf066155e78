"""The text model of a cascade: it answers from text alone.

From a folder of any causal language model that transformers knows, or of a Qwen2-Audio, whose
language model is taken. Only safetensors are read, and no code in the folder is run.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GenerationConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from r1aqa_helpers.models.generation_config import NEUTRAL, own_generation_config
from r1aqa_helpers.models.loaded import LoadedModel, check_no_special_token
from r1aqa_helpers.models.loading import check_keys, check_weights, load
from r1aqa_helpers.models.precision import pick_device, pick_dtype
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import read_json
from r1aqa_helpers.utils.untrusted import first_line, shown


@dataclass(frozen=True)
class TextModel:
    """A causal language model with its tokenizer, and the folder that it came from."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    name: str

    @property
    def eos_ids(self) -> list[int]:
        """Tokens that end an answer: those of the model's own settings, and of its tokenizer."""
        own = self.model.generation_config.eos_token_id
        ends = [own] if isinstance(own, int) else list(own or [])
        if self.tokenizer.eos_token_id is not None:
            ends.append(self.tokenizer.eos_token_id)
        return list(dict.fromkeys(ends))


def check_text_model(folder: str | Path) -> Path:
    """The folder, where it holds a complete model; raises ``UserError`` otherwise."""
    folder = Path(os.path.expanduser(folder))
    read_json(folder / "config.json")
    check_weights(folder)
    return folder


def load_text_model(
    folder: str | Path,
    device: str | torch.device | None = None,
    dtype: str | torch.dtype | None = None,
) -> TextModel:
    """The language model in ``folder``; ``device`` and ``dtype`` as `models.load` takes them.

    Raises:
        UserError: as `check_text_model`; or it cannot be loaded, or has no chat template.
    """
    folder = check_text_model(folder)
    config = read_json(folder / "config.json")
    if isinstance(config, dict) and config.get("model_type") == "qwen2_audio":
        return language_half(load(folder, device, dtype))
    device = pick_device(device)
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False, padding_side="left"
        )
        model, info = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=pick_dtype(dtype, device),
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    # Folders can be wrong in many ways.
    except Exception as error:
        raise UserError(
            f"text model {shown(folder)}: cannot be loaded as a causal language model "
            f"({first_line(error)})"
        ) from error
    check_keys(f"text model {shown(folder)}", info)
    return _checked(TextModel(model.to(device).eval(), tokenizer, str(folder)))


def language_half(loaded: LoadedModel) -> TextModel:
    """A Qwen2-Audio's language model, which shares its weights; its audio encoder is not used.

    Raises:
        UserError: it has no chat template.
    """
    whole, config = loaded.model, loaded.model.config.text_config
    with torch.device("meta"):  # no memory for weights that are replaced at once
        model = Qwen2ForCausalLM(Qwen2Config.from_dict(config.to_dict()))
    model.model, model.lm_head = whole.model.language_model, whole.lm_head
    model.generation_config = GenerationConfig(eos_token_id=loaded.eos_ids)
    tokenizer = loaded.processor.tokenizer
    if tokenizer.chat_template is None:
        tokenizer.chat_template = loaded.processor.chat_template
    return _checked(TextModel(model.eval(), tokenizer, loaded.name))


def _checked(text_model: TextModel) -> TextModel:
    if text_model.tokenizer.chat_template is None:
        raise UserError(
            f"text model {shown(text_model.name)}: has no chat template; give a model that was "
            "trained to answer"
        )
    if not text_model.eos_ids:
        raise UserError(f"text model {shown(text_model.name)}: names no token that ends an answer")
    if text_model.tokenizer.pad_token_id is None:
        text_model.tokenizer.pad_token_id = text_model.eos_ids[0]
    return text_model


def chat(text_model: TextModel, text: str) -> str:
    """``text`` as the user's turn, up to where the model's begins.

    Raises:
        UserError: ``text`` holds one of the tokenizer's special tokens, which would end the turn.
    """
    check_no_special_token(text_model.tokenizer, text)
    turn = [{"role": "user", "content": text}]
    return text_model.tokenizer.apply_chat_template(
        turn, tokenize=False, add_generation_prompt=True
    )


@torch.inference_mode()
def respond(text_model: TextModel, chats: Sequence[str], max_new_tokens: int) -> list[str]:
    """The greedy answers to texts from `chat`, without special tokens.

    Of the model's own generation configuration only the tokens that end an answer are used.
    """
    model, tokenizer = text_model.model, text_model.tokenizer
    inputs = tokenizer(
        list(chats),
        add_special_tokens=False,
        padding=True,
        padding_side="left",
        return_tensors="pt",
        return_token_type_ids=False,
    ).to(model.device)
    own = {"eos_token_id": text_model.eos_ids, "pad_token_id": tokenizer.pad_token_id}
    config = GenerationConfig(
        **{**NEUTRAL, **own, "max_new_tokens": max_new_tokens, "do_sample": False}
    )
    with own_generation_config(model, config):
        said = model.generate(**inputs, generation_config=config)
    new = said[:, inputs.input_ids.shape[1] :]
    return tokenizer.batch_decode(new, skip_special_tokens=True, clean_up_tokenization_spaces=False)
