"""Several processes that train one model together, as ``accelerate launch`` starts them.

Each has its own device. Only the main process, rank 0, writes the run's files and logs.
"""

import gc
import os
import warnings
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from accelerate import PartialState
from peft import PeftModel, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from transformers import (
    PreTrainedModel,
    Qwen2AudioForConditionalGeneration,
    Trainer,
    TrainingArguments,
)
from transformers.integrations.deepspeed import unset_hf_deepspeed_config

from r1aqa_helpers.models.adapters import PEFT_PREFIX

T = TypeVar("T")
Arguments = TypeVar("Arguments", bound=TrainingArguments)

#: How long a collective operation of training may take; the launcher notices a dead process.
TIMEOUT = timedelta(hours=2)
#: How long the others wait for work of the main process alone, such as an evaluation.
PATIENCE = timedelta(days=30)

_patient: tuple[object, object] | None = None  # the world, and its group that waits so long


def init(device: str | torch.device | None) -> str | torch.device | None:
    """Join the other processes, and return this one's device, of the kind of ``device``.

    Call it before loading anything, or every process loads its model to the first GPU. With one
    process, returns ``device`` unchanged.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return device
    # Without a GPU, accelerate has to be told, or it takes each process for a run of its own.
    asked = torch.device(device).type if device is not None else None
    on_cpu = asked == "cpu" or not torch.cuda.is_available()
    return PartialState(cpu=on_cpu, timeout=TIMEOUT).device


def on_one_gpu(arguments: Arguments) -> Arguments:
    """``arguments``, with one GPU for this process; a warning where more are in sight.

    By itself transformers' trainer spreads a process's batches over all GPUs that it sees
    (DataParallel), each of which then gets a whole forward batch: other steps than were asked for.
    """
    count = arguments.n_gpu
    if count > 1:
        arguments._n_gpu = 1
        warnings.warn(
            f"training on one of {count} GPUs; to use all of them, start a process on each with "
            "accelerate launch (r1aqa train --help)",
            stacklevel=2,
        )
    return arguments


def destroy() -> None:
    """Leave the group once all processes have ended; one alone would wait for the others."""
    global _patient
    if dist.is_available() and dist.is_initialized():
        barrier()
        _patient = None
        gc.collect()  # what a trainer's cycles hold of the group would wait for others at the exit
        dist.destroy_process_group()


def count() -> int:
    """The number of processes that have joined; 1 without others."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def is_main() -> bool:
    """Whether this process is rank 0; true without others."""
    return count() == 1 or dist.get_rank() == 0


def barrier() -> None:
    """Wait until all processes have got here, however long that takes."""
    if count() > 1:
        dist.barrier(group=_group())


def run_on_main(work: Callable[[], T]) -> T:
    """Run ``work`` in the main process, and return or raise its outcome in all of them.

    All must call it; the others wait, however long.
    """
    if count() == 1:
        return work()
    outcome: list[Any] = [None, None]
    if is_main():
        try:
            outcome[0] = work()
        except Exception as error:
            outcome[1] = error
    dist.broadcast_object_list(outcome, src=0, group=_group())
    value, fault = outcome
    if fault is not None:
        raise fault
    return value


def _group() -> object:
    """All processes, in a group with a long timeout, on any device."""
    global _patient
    world = dist.group.WORLD
    if _patient is None or _patient[0] is not world:
        _patient = world, dist.new_group(backend="gloo", timeout=PATIENCE)
    return _patient[1]


def whole_model(trainer: Trainer) -> PreTrainedModel | PeftModel:
    """The trained model without the trainer's wrappers, with its adapter.

    From shards (ZeRO-3, FSDP), the main process gets a copy of the whole model on its CPU, and
    the others their shards. All must call it.
    """
    accelerator = trainer.accelerator
    model = accelerator.unwrap_model(trainer.model, keep_fp32_wrapper=False)
    zero3 = trainer.is_deepspeed_enabled and accelerator.state.deepspeed_plugin.zero_stage == 3
    if not (zero3 or trainer.is_fsdp_enabled):
        return model
    weights = accelerator.get_state_dict(trainer.model_wrapped)  # whole in the main process only
    # As long as transformers knows of ZeRO-3, it shards any model that is loaded.
    unset_hf_deepspeed_config()
    return _rebuilt(model, weights) if is_main() else model


def _rebuilt(
    model: PreTrainedModel | PeftModel, weights: dict[str, torch.Tensor]
) -> PreTrainedModel | PeftModel:
    """A model like ``model`` on the CPU, with these weights under its names."""
    if not isinstance(model, PeftModel):
        dtype = next(iter(weights.values())).dtype
        rebuilt = Qwen2AudioForConditionalGeneration.from_pretrained(
            None, config=model.config, state_dict=weights, dtype=dtype
        )
        # With these, transformers saves the weights under the names that they were stored under.
        if hasattr(model, "_weight_conversions"):
            rebuilt._weight_conversions = model._weight_conversions
        return rebuilt
    adapter = get_peft_model_state_dict(model, state_dict=weights, save_embedding_layers=False)
    plain = {
        name.removeprefix(PEFT_PREFIX).replace(".base_layer.", "."): tensor
        for name, tensor in weights.items()
        if ".lora_" not in name
    }
    adapted = get_peft_model(_rebuilt(model.get_base_model(), plain), model.active_peft_config)
    set_peft_model_state_dict(adapted, adapter)
    return adapted
