"""Peak memory of each stage, in bytes, counted from the configuration.

Counted are tensors: weights, what training adds to them, what a backward pass keeps, caches and
logits, at their largest. Not counted are the CUDA context, the allocator's waste and kernels'
scratch, for which `HEADROOM` is left. ``benchmarks/budgets.py`` holds the arithmetic against the
allocations of real updates.
"""

from collections.abc import Mapping
from typing import Any

from transformers import Qwen2AudioConfig

from r1aqa_helpers.budgets.work import Work, frozen
from r1aqa_helpers.models import costs

#: The share of a GPU that is left to what is not counted.
HEADROOM = 0.1
#: A cache takes so many tokens more than it holds, see ``models.generation``.
_ROOM = 64
#: Bytes of AdamW's two moments per parameter in float32, and in 8 bits with a scale per 256.
_MOMENTS, _MOMENTS_8BIT = 8, 2 + 8 / 256
#: Bytes per vocabulary entry and answer token, all in float32: scores, scores by temperature's
#: log-softmax, which stays, and for the entropy the same, its exponential and their product.
_SCORED, _SCORED_WITHOUT_ENTROPY = 20, 12
#: In sampling: the scores of this step, of the last, their adjusted copy, and probabilities.
_SAMPLED = 16


def answering(work: Work) -> dict[str, int]:
    """A batch of the longest clips, answered at length."""
    prompt = work.longest_clip() + work.lengths.text
    longest = work.profile.max_new_tokens
    rows = max(1, work.profile.eval_tokens // (prompt + longest))
    return {
        "weights": work.weights,
        "cache": rows * _cached(prompt, longest) * _cache_bytes(work),
        "activations": _passing(work, rows, rows * prompt),
        "logits": rows * _vocabulary(work) * _SAMPLED,
    }


def sft(work: Work) -> dict[str, int]:
    """A forward and backward pass of one batch of rows."""
    settings, lengths = work.profile.sft, work.lengths
    rows = settings["rows_per_forward"]
    tokens = rows * (lengths.prompt + lengths.answer)
    return {
        "weights": work.weights,
        **_trained(work, settings),
        "activations": _kept(work, settings, tokens, rows),
        "logits": rows * lengths.answer * _vocabulary(work) * _SCORED_WITHOUT_ENTROPY,
    }


def grpo_rollout(work: Work) -> dict[str, int]:
    """Sampling, where every answer gets as long as the settings allow."""
    settings, lengths = work.profile.grpo, work.lengths
    share = settings["prompts_per_step"] // work.gpus
    prompts = max(1, min(settings.get("prompts_per_rollout") or share, share))
    rows = prompts * settings["group_size"]
    cached = rows * _cached(lengths.prompt, settings["max_completion"])
    return {
        "weights": work.weights,
        **_trained(work, settings),
        **_reference(work, settings),
        "cache": cached * _cache_bytes(work),
        "activations": _passing(work, prompts, prompts * lengths.prompt),
        "logits": rows * _vocabulary(work) * _SAMPLED,
    }


def grpo_update(work: Work) -> dict[str, int]:
    """A forward and backward pass of packed groups, where every answer is as long as allowed."""
    settings, lengths = work.profile.grpo, work.lengths
    groups, size = settings["prompts_per_forward"], settings["group_size"]
    longest = settings["max_completion"]
    tokens = groups * (lengths.prompt + size * (longest - 1))
    return {
        "weights": work.weights,
        **_trained(work, settings),
        **_reference(work, settings),
        "activations": _kept(work, settings, tokens, groups),
        "logits": groups * size * longest * _vocabulary(work) * _SCORED,
    }


#: Stages by name, in the order of the main job.
STAGES = {
    "answering": answering,
    "sft": sft,
    "grpo rollout": grpo_rollout,
    "grpo update": grpo_update,
}


def decoder_kept(config: Qwen2AudioConfig, dtype: str, lora_rank: int = 0) -> int:
    """Bytes per token and layer of the language model that its backward pass needs.

    Norms keep their input in float32. All weights trained: also each norm's two outputs, queries,
    keys, values, what attention made of them, and the feed-forward part's four (gate, its
    activation, up, their product). With LoRA on all projections norms keep no outputs, nor does
    the product remain; instead each of the seven adapters keeps its inner values and a copy of
    its input: in bfloat16, in which autocast computes; in float32 beside float16, whose bounds
    (``models.half``) keep the product and the layer's output, too. In float32 nothing is copied.
    """
    text = config.text_config
    h, i = text.hidden_size, text.intermediate_size
    q, k = costs.attention_widths(text)
    width = 4 if dtype == "float32" else 2
    attention = 2 * q + 2 * k
    if not lora_rank:
        return 2 * (4 * h + 2 * width * h) + width * (attention + 4 * i)
    kept = 8 * h + width * (attention + 3 * i)
    if dtype == "float32":
        return kept + 4 * (2 * h + i + 7 * lora_rank)
    copied = 5 * h + q + i + 7 * lora_rank
    if dtype == "float16":
        return kept + 4 * copied + 2 * (i + h)
    return kept + 2 * copied


def tower_kept(config: Qwen2AudioConfig, frames: int, width: int) -> int:
    """Bytes that a backward pass through the tower needs for a clip of so many mel frames.

    Per position and layer two norms' inputs and outputs, queries, keys, values and attention
    (8 d), and the feed-forward part before and after its activation (2 f); before them the two
    convolutions' inputs and outputs.
    """
    audio = config.audio_config
    d, f, positions = audio.d_model, audio.encoder_ffn_dim, frames // 2
    layers = audio.encoder_layers * positions * (8 * d + 2 * f)
    return width * (layers + frames * (audio.num_mel_bins + 2 * d) + 3 * positions * d)


# --- parts ----------------------------------------------------------------------------------


def _trained(work: Work, settings: Mapping[str, Any]) -> dict[str, int]:
    """What training adds to the weights; with LoRA also the adapter, and its 16-bit copy."""
    trained = work.trained(settings)
    lora = bool(settings.get("lora_rank", 0))
    if settings.get("optim", "adamw_torch") == "adamw_bnb_8bit":
        # transformers has bitsandbytes keep an embedding's moments in 32 bits.
        embeddings = 0 if lora else costs.parameters(work.config)["embeddings"]
        moments = _MOMENTS_8BIT * (trained - embeddings) + _MOMENTS * embeddings
    else:
        moments = _MOMENTS * trained
    return {
        "adapter": (4 + (work.width if work.width < 4 else 0)) * trained if lora else 0,
        "gradients": 4 * trained,
        "optimiser": round(moments),
    }


def _reference(work: Work, settings: Mapping[str, Any]) -> dict[str, int]:
    """The frozen copy that the KL term asks; with LoRA it is the model without the adapter."""
    needed = settings.get("beta", 0.04) and not settings.get("lora_rank", 0)
    return {"reference": work.weights if needed else 0}


def _kept(work: Work, settings: Mapping[str, Any], tokens: int, clips: int) -> int:
    """What a backward pass needs, or a passing through the tower where that is more."""
    layers, rank = work.config.text_config.num_hidden_layers, settings.get("lora_rank", 0)
    kept = layers * tokens * decoder_kept(work.config, work.dtype, rank)
    frames = 4 * work.lengths.audio
    if frozen(settings):
        return max(kept, _passing(work, clips, 0, frames))
    return kept + clips * tower_kept(work.config, frames, work.tower_width)


def _passing(work: Work, clips: int, tokens: int, frames: int | None = None) -> int:
    """What is there at most while clips and tokens pass without a backward pass to come.

    The tower and the language model work one after the other; a layer's feed-forward part holds
    the most. Weights in 4 bits are turned back one matrix at a time.
    """
    audio, text = work.config.audio_config, work.config.text_config
    frames = costs.window_frames(work.config) if frames is None else frames
    d, f = audio.d_model, audio.encoder_ffn_dim
    convolutions = frames * (audio.num_mel_bins + 2 * d)
    tower = max(convolutions, frames // 2 * (3 * d + 2 * f)) * work.tower_width * clips
    decoder = tokens * (3 * text.hidden_size + 4 * text.intermediate_size) * work.width
    matrix = work.width * text.hidden_size * text.intermediate_size
    return max(tower, decoder) + (matrix if work.profile.quantise else 0)


def _cached(prompt: int, answer: int) -> int:
    """Tokens that a row of the cache has room for: it grows in steps."""
    return prompt + _ROOM * -(-answer // _ROOM)


def _cache_bytes(work: Work) -> int:
    return costs.cache_bytes_per_token(work.config, work.width)


def _vocabulary(work: Work) -> int:
    return work.config.text_config.vocab_size
