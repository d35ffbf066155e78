"""The whole trained model where each process holds a piece of its weights (ZeRO-3, FSDP)."""

import torch
from peft import (
    PeftModel,
    get_peft_model,
    get_peft_model_state_dict,
    set_peft_model_state_dict,
)
from transformers import PreTrainedModel, Trainer
from transformers.integrations.deepspeed import unset_hf_deepspeed_config

from . import processes

_PEFT_PREFIX = "base_model.model."


def whole_model(trainer: Trainer) -> PreTrainedModel | PeftModel:
    """The trained model without what the trainer put around it, an adapter still on.

    Where the processes hold shards of the weights (ZeRO-3, FSDP), the main process gets a copy
    of the whole model on its CPU; the others get theirs as it is, in pieces. All must call it.
    """
    accelerator = trainer.accelerator
    model = accelerator.unwrap_model(trainer.model, keep_fp32_wrapper=False)
    if not is_sharded(trainer):
        return model
    weights = accelerator.get_state_dict(trainer.model_wrapped)  # whole in the main process only
    # As long as transformers knows of ZeRO-3, it shares out whatever is loaded, too.
    unset_hf_deepspeed_config()
    return _rebuilt(model, weights) if processes.is_main() else model


def is_sharded(trainer: Trainer) -> bool:
    """Whether each process holds a piece of the weights only."""
    if trainer.is_fsdp_enabled:
        return True
    state = trainer.accelerator.state
    return trainer.is_deepspeed_enabled and state.deepspeed_plugin.zero_stage == 3


def _rebuilt(
    model: PreTrainedModel | PeftModel, weights: dict[str, torch.Tensor]
) -> PreTrainedModel | PeftModel:
    """A model like ``model`` on the CPU, with these weights under its names."""
    if not isinstance(model, PeftModel):
        dtype = next(iter(weights.values())).dtype
        rebuilt = type(model).from_pretrained(
            None, config=model.config, state_dict=weights, dtype=dtype
        )
        # By these transformers knows under which names the model was stored, and stores it again.
        if hasattr(model, "_weight_conversions"):
            rebuilt._weight_conversions = model._weight_conversions
        return rebuilt
    adapter = get_peft_model_state_dict(model, state_dict=weights, save_embedding_layers=False)
    plain = {
        name.removeprefix(_PEFT_PREFIX).replace(".base_layer.", "."): tensor
        for name, tensor in weights.items()
        if ".lora_" not in name
    }
    adapted = get_peft_model(_rebuilt(model.get_base_model(), plain), model.active_peft_config)
    set_peft_model_state_dict(adapted, adapter)
    return adapted
