"""How answers are generated: every field of the generation configuration set here.

Since transformers 5 a field that is left None is taken from the checkpoint's own
``generation_config.json``. Qwen2-Audio's samples (top-p 0.5, top-k 20, temperature 0.7) and
carries a repetition penalty of 1.1, which greedy decoding does not switch off.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from transformers import GenerationConfig, PreTrainedModel

from r1aqa_helpers.models.loaded import LoadedModel

#: What R1-AQA's evaluation allows an answer.
MAX_NEW_TOKENS = 256

#: The value with which a field has no effect, where that is not None.
NEUTRAL: dict[str, Any] = {
    # length, stopping, strategy
    "min_length": 0,
    "early_stopping": False,
    "num_beams": 1,
    "num_return_sequences": 1,
    "use_mtp": False,
    "length_penalty": 1.0,
    "diversity_penalty": 0.0,
    "num_beam_groups": 1,
    # logits
    "temperature": 1.0,
    "top_k": 50,  # transformers' name for "unset"; greedy decoding ignores it
    "top_p": 1.0,
    "typical_p": 1.0,
    "epsilon_cutoff": 0.0,
    "eta_cutoff": 0.0,
    "repetition_penalty": 1.0,
    "encoder_repetition_penalty": 1.0,
    "no_repeat_ngram_size": 0,
    "encoder_no_repeat_ngram_size": 0,
    "renormalize_logits": False,
    "remove_invalid_values": False,
    "token_healing": False,
    "guidance_scale": 1.0,
    # cache, and what is returned
    "use_cache": True,
    "disable_compile": True,
    "output_attentions": False,
    "output_hidden_states": False,
    "output_scores": False,
    "output_logits": False,
    "return_dict_in_generate": False,
    # assisted generation
    "is_assistant": False,
    "num_assistant_tokens": 20,
    "num_assistant_tokens_schedule": "constant",
    "assistant_confidence_threshold": 0.4,
    "assistant_lookbehind": 10,
    "target_lookbehind": 10,
}

#: Settings of sampling that a checkpoint may ship.
SAMPLING = ("temperature", "top_k", "top_p", "min_p", "repetition_penalty")


def greedy_config(loaded: LoadedModel, max_new_tokens: int = MAX_NEW_TOKENS) -> GenerationConfig:
    """The likeliest token at every step, up to the turn's end or ``max_new_tokens``."""
    return _config(loaded, max_new_tokens, do_sample=False)


def sampling_config(
    loaded: LoadedModel,
    max_new_tokens: int = MAX_NEW_TOKENS,
    temperature: float = 1.0,
    **fields: float,
) -> GenerationConfig:
    """Draws from the model's whole distribution at ``temperature``, as R1-AQA's rollouts do.

    ``fields`` may narrow it: those that `SAMPLING` names.
    """
    values = {"temperature": temperature, "top_k": 0, **fields}
    return _config(loaded, max_new_tokens, do_sample=True, **values)


def shipped_sampling(config: GenerationConfig) -> dict[str, float]:
    """How a checkpoint's own settings sample, for `sampling_config`; empty where they are greedy.

    Qwen2-Audio's: top-p 0.5, top-k 20, temperature 0.7, repetition penalty 1.1.
    """
    if not config.do_sample:
        return {}
    given = {name: getattr(config, name, None) for name in SAMPLING}
    return {name: value for name, value in given.items() if value is not None}


def _config(loaded: LoadedModel, max_new_tokens: int, **fields: Any) -> GenerationConfig:
    return GenerationConfig(
        **{
            **NEUTRAL,
            "max_new_tokens": max_new_tokens,
            "eos_token_id": loaded.eos_ids,
            "pad_token_id": loaded.pad_id,
            # An audio token in an answer would ask for audio features that do not exist.
            "suppress_tokens": [loaded.model.config.audio_token_id],
            **fields,
        }
    )


class SeededSampling:
    """Makes greedy decoding draw from the softmax of the logits, each row from its own seed.

    The argmax of logits + Gumbel noise is a draw from their softmax (the Gumbel-max trick), and
    minus the logarithm of an Exp(1) variable is Gumbel noise. A row's draws depend neither on
    the rows beside it nor on what was drawn before, so an interrupted run continues as it would
    have gone on.
    """

    def __init__(self, seeds: Sequence[int]) -> None:
        self._generators = [torch.Generator().manual_seed(seed) for seed in seeds]

    def __call__(self, rows: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """``scores`` (n, vocabulary) plus the noise of the ``rows`` (n,) that they belong to."""
        waits = torch.stack(
            [
                torch.empty(scores.shape[1]).exponential_(generator=self._generators[row])
                for row in rows.tolist()
            ]
        )
        noise = -waits.clamp_min(torch.finfo(waits.dtype).tiny).log()
        return scores.float() + noise.to(scores.device)


@contextmanager
def own_generation_config(model: PreTrainedModel, config: GenerationConfig) -> Iterator[None]:
    """``config`` in place of the checkpoint's, so that its None fields stay None."""
    shipped = model.generation_config
    model.generation_config = config
    try:
        yield
    finally:
        model.generation_config = shipped
