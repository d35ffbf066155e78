"""float16 without overflow, for GPUs that have no bfloat16 (T4, V100).

float16 ends at 65,504. What exceeds it in a language model of billions of parameters are a few
channels of the residual stream (arXiv 2402.17762) and what its feed-forward layers add to them;
one infinity there makes all that follows NaN. So here

- the residual stream is in float32: only what goes into a layer's projections is float16;
- what a feed-forward layer multiplies, and what it puts out, is held at float16's ends;
- the audio encoder and the projector, 0.6 of 8.4 billion parameters at 7B, are in float32.

Norms and the attention's softmax are in float32 in transformers and PyTorch already, and log-
probabilities and losses in this package.
"""

import types
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import nn
from transformers import Qwen2AudioForConditionalGeneration


def guard_float16(model: Qwen2AudioForConditionalGeneration) -> None:
    """Make a model in float16 compute as the module says, in place; adapters may follow.

    In float16's range its outputs are those of plain float16, to rounding.
    """
    for part in (model.model.audio_tower, model.model.multi_modal_projector):
        _to_float32(part)
    language = model.model.language_model
    language.register_forward_pre_hook(_float32_embeddings, with_kwargs=True)
    language.rotary_emb.register_forward_hook(_half_output)
    for module in language.modules():
        if isinstance(module, type(language.norm)):
            module.register_forward_hook(_half_output)
    for layer in language.layers:
        layer.mlp.forward = types.MethodType(_bounded_mlp, layer.mlp)


def no_half_autocast(device: torch.device) -> AbstractContextManager:
    """Without a trainer's float16 autocast, under which the encoder would overflow all the same."""
    kind = device.type
    if torch.is_autocast_enabled(kind) and torch.get_autocast_dtype(kind) == torch.float16:
        return torch.autocast(kind, enabled=False)
    return nullcontext()


def _to_float32(part: nn.Module) -> None:
    for parameter in part.parameters():
        if parameter.is_floating_point():  # not what is in 4 bits
            parameter.data = parameter.data.float()
    for module in part.modules():
        if hasattr(module, "compute_dtype"):  # a layer in 4 bits
            module.compute_dtype = torch.float32


def _float32_embeddings(
    module: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The language model is always given embeddings here: the clips are among them."""
    return arguments, {**named, "inputs_embeds": named["inputs_embeds"].float()}


def _half_output(module: nn.Module, arguments: tuple[Any, ...], output: Any) -> Any:
    if isinstance(output, tuple):
        return tuple(one.half() for one in output)
    return output.half()


def _bounded_mlp(self: nn.Module, states: torch.Tensor) -> torch.Tensor:
    """As ``Qwen2MLP.forward``, with infinities brought back to float16's ends."""
    inner = _bounded(self.act_fn(self.gate_proj(states)) * self.up_proj(states))
    return _bounded(self.down_proj(inner))


def _bounded(states: torch.Tensor) -> torch.Tensor:
    limit = torch.finfo(torch.float16).max
    return states.clamp(-limit, limit)
