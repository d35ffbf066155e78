"""Peak memory of each stage, in bytes, counted from the configuration.

Counted are tensors: weights, what training adds to them, what a backward pass keeps, caches and
logits, at their largest. Not counted are the CUDA context, the allocator's waste and kernels'
scratch, for which `HEADROOM` is left. ``benchmarks/budgets.py`` compares the arithmetic with the
allocations of real updates.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import Qwen2AudioConfig

from r1aqa_helpers.hardware import flops
from r1aqa_helpers.hardware.profiles import Profile
from r1aqa_helpers.utils.io import read_json

#: The share of a GPU that is left to what is not counted.
HEADROOM = 0.1
#: A question of AVQA, in tokens: 10 s of recording, chat and choices, `<answer>…</answer>`.
AUDIO, TEXT, ANSWER = 250, 80, 9
#: A cache grows by so many tokens, see ``models.generation``.
_CACHE_STEP = 64
#: Bytes of AdamW's two moments per parameter in float32, and in 8 bits with a scale per 256.
_MOMENTS, _MOMENTS_8BIT = 8, 2 + 8 / 256
#: Bytes per vocabulary entry and answer token, all in float32: scores, scores by temperature's
#: log-softmax, which stays, and for the entropy the same, its exponential and their product.
_SCORED, _SCORED_WITHOUT_ENTROPY = 20, 12
#: In sampling: the scores of this step, of the last, their adjusted copy, and probabilities.
_SAMPLED = 16


@dataclass(frozen=True)
class Work:
    """What a profile has to do, as far as memory depends on it.

    A question has ``audio`` tokens of its clip, ``text`` others, and those of the ``answer``;
    ``gpus`` processes share a step's questions.
    """

    profile: Profile
    config: Qwen2AudioConfig
    audio: int = AUDIO
    text: int = TEXT
    answer: int = ANSWER
    gpus: int = 1

    @property
    def prompt(self) -> int:
        """Tokens of the prompt."""
        return self.audio + self.text

    @property
    def vocabulary(self) -> int:
        """Tokens that there are logits for."""
        return self.config.text_config.vocab_size

    @property
    def width(self) -> int:
        """Bytes of a number in the language model."""
        return 4 if self.profile.dtype == "float32" else 2

    @property
    def autocast(self) -> bool:
        """Whether training casts float32 weights to bfloat16, product by product."""
        return self.profile.dtype == "float32" and self.profile.device == "cuda"

    @property
    def residual(self) -> int:
        """Bytes of a number between the language model's layers, see ``models.float16``."""
        return 2 if self.profile.dtype == "bfloat16" else 4

    @property
    def encoder_width(self) -> int:
        """Bytes of a number in the audio encoder, which is in float32 beside float16."""
        return 2 if self.profile.dtype == "bfloat16" else 4

    @property
    def weights(self) -> int:
        """Bytes of the weights in memory."""
        if self.profile.quantise == "nf4":
            return flops.weight_bytes(self.config, "nf4")
        parts = flops.parameters(self.config)
        rest = parts["total"] - parts["encoder"]
        return self.width * rest + self.encoder_width * parts["encoder"]


def config_of(profile: Profile) -> Qwen2AudioConfig:
    """The configuration in the folder of the profile's model, or else Qwen2-Audio-7B's sizes.

    A folder that holds no Qwen2-Audio counts as one of 7B: loading it reports what is wrong.
    """
    folder = Path(profile.model)
    with suppress(Exception):  # transformers checks fields with errors of many kinds
        if read_json(folder / "config.json").get("model_type") == "qwen2_audio":
            return Qwen2AudioConfig.from_pretrained(folder, local_files_only=True)
    return flops.config_7b()


def frozen_encoder(settings: Mapping[str, Any]) -> bool:
    """Whether the audio encoder is frozen: as set, or else where LoRA is trained."""
    chosen = settings.get("freeze_audio_encoder")
    return bool(settings.get("lora_rank", 0)) if chosen is None else chosen


def answering(work: Work) -> dict[str, int]:
    """A batch of the longest clips, with the longest answers."""
    prompt, longest = flops.window_frames(work.config) // 4 + work.text, work.profile.max_new_tokens
    rows = max(1, work.profile.eval_tokens // (prompt + longest))
    return {
        "cache": rows * _cache(work, prompt, longest),
        "activations": _forward(work, rows, rows * prompt),
        "logits": rows * work.vocabulary * _SAMPLED,
    }


def sft(work: Work) -> dict[str, int]:
    """A forward and backward pass of one batch of rows."""
    settings = work.profile.sft
    rows = settings["rows_per_forward"]
    tokens = rows * (work.prompt + work.answer)
    logits = rows * work.answer * work.vocabulary * _SCORED_WITHOUT_ENTROPY
    return {**_training(work, settings), **_backward(work, settings, tokens, rows, logits)}


def grpo_rollout(work: Work) -> dict[str, int]:
    """Sampling, where every answer is as long as the settings allow."""
    settings = work.profile.grpo
    share = settings["prompts_per_step"] // work.gpus
    prompts = max(1, min(settings.get("prompts_per_rollout") or share, share))
    rows = prompts * settings["group_size"]
    return {
        **_training(work, settings),
        "cache": rows * _cache(work, work.prompt, settings["max_completion"], work.autocast),
        "activations": _forward(work, prompts, prompts * work.prompt),
        "logits": rows * work.vocabulary * _SAMPLED,
    }


def grpo_update(work: Work) -> dict[str, int]:
    """A forward and backward pass of packed groups, where every answer is as long as allowed."""
    settings = work.profile.grpo
    groups, size = settings["prompts_per_forward"], settings["group_size"]
    longest = settings["max_completion"]
    row = work.prompt + size * (longest - 1)
    logits = groups * size * longest * work.vocabulary * _SCORED
    needed = _backward(work, settings, groups * row, groups, logits, groups * row**2)
    return {**_training(work, settings), **needed}


#: Stages by name, in the order of the main job: what each takes beside the weights.
STAGES = {
    "answering": answering,
    "sft": sft,
    "grpo rollout": grpo_rollout,
    "grpo update": grpo_update,
}


def _training(work: Work, settings: Mapping[str, Any]) -> dict[str, int]:
    """What training adds to the weights.

    With LoRA also the adapter, and its 16-bit copy. GRPO's reference for the KL term is a frozen
    copy, or with LoRA the model without the adapter.
    """
    counted, rank = flops.parameters(work.config), settings.get("lora_rank", 0)
    audio = work.config.audio_config
    if rank:
        trained, embeddings = flops.lora_parameters(work.config, rank), 0
    else:
        # The table of positions is never trained.
        positions = audio.max_source_positions * audio.d_model
        untrained = counted["encoder"] if frozen_encoder(settings) else positions
        trained, embeddings = counted["total"] - untrained, counted["embeddings"]
    if settings.get("optim") == "adamw_bnb_8bit":
        # transformers has bitsandbytes keep an embedding's moments in 32 bits.
        moments = _MOMENTS_8BIT * (trained - embeddings) + _MOMENTS * embeddings
    else:
        moments = _MOMENTS * trained
    added = {
        "adapter": (4 + (work.width if work.width < 4 else 0)) * trained if rank else 0,
        "gradients": 4 * trained,
        "optimiser": round(moments),
    }
    if "group_size" in settings:
        added["reference"] = work.weights if settings.get("beta", 0.04) and not rank else 0
    return added


def _backward(
    work: Work, settings: Mapping[str, Any], tokens: int, clips: int, logits: int, pairs: int = 0
) -> dict[str, int]:
    """What a backward pass needs, or the audio encoder's forward pass where that is more.

    With gradient checkpointing the input of each layer, and once the logits are gone one layer's
    inner values, with the gradients of its feed-forward part. ``pairs`` of tokens have a place in
    the mask of packed rows: a byte, and in each layer's attention a number.
    """
    text, rank = work.config.text_config, settings.get("lora_rank", 0)
    width = 2 if work.autocast else work.width
    layers, layer = text.num_hidden_layers, tokens * _decoder_kept(work, rank) + width * pairs
    if work.autocast:  # the cast weights, each of which a product keeps
        layer += 2 * flops.decoder_layer_weights(work.config)
    encoder = 0 if frozen_encoder(settings) else clips * _encoder_kept(work)
    if settings.get("gradient_checkpointing"):
        gradients = tokens * 2 * text.intermediate_size * width
        inputs = layers * tokens * text.hidden_size * work.residual + encoder
        kept = inputs + max(0, layer + gradients - logits)
    else:
        kept = layers * layer + encoder
    if frozen_encoder(settings):
        kept = max(kept, _forward(work, clips, 0, 4 * work.audio))
    return {"activations": kept + pairs, "logits": logits}


def _decoder_kept(work: Work, rank: int) -> int:
    """Bytes per token and layer of the language model that its backward pass needs.

    All weights trained: each norm's input in float32 and two outputs, queries, keys, values, what
    attention made of them, and the feed-forward part's four (gate, its activation, up, product).
    With LoRA neither norms' outputs nor the product; instead each of the seven adapters keeps its
    inner values and a copy of its input, in bfloat16, or in float32 beside float16, whose bounds
    (``models.float16``) keep the product and the layer's output, too. float32 copies nothing,
    unless it is computed in bfloat16: then each norm's output is in float32, and each product but
    attention's own keeps a cast copy of its input.
    """
    text, width = work.config.text_config, work.width
    h, i = text.hidden_size, text.intermediate_size
    q, k = flops.attention_widths(text)
    attention = 2 * q + 2 * k
    if work.autocast:
        return 4 * 4 * h + 2 * (5 * h + attention + 4 * i) + (2 * (5 * h + q + i) if rank else 0)
    if not rank:
        return 2 * (4 * h + 2 * width * h) + width * (attention + 4 * i)
    kept = 8 * h + width * (attention + 3 * i)
    if width == 4:
        return kept + 4 * (2 * h + i + 7 * rank)
    copied = 5 * h + q + i + 7 * rank
    if work.profile.dtype == "float16":
        return kept + 4 * copied + 2 * (i + h)
    return kept + 2 * copied


def _encoder_kept(work: Work) -> int:
    """Bytes that a backward pass through the audio encoder needs for one clip.

    Per position and layer two norms' inputs and outputs, queries, keys, values and attention
    (8 d), and the feed-forward part before and after its activation (2 f); before them the two
    convolutions' inputs and outputs.
    """
    audio, frames = work.config.audio_config, 4 * work.audio
    d, f, positions = audio.d_model, audio.encoder_ffn_dim, frames // 2
    layers = audio.encoder_layers * positions * (8 * d + 2 * f)
    convolutions = frames * (audio.num_mel_bins + 2 * d) + 3 * positions * d
    return work.encoder_width * (layers + convolutions)


def _forward(work: Work, clips: int, tokens: int, frames: int | None = None) -> int:
    """The most at once in a forward pass of clips and tokens without a backward pass to come.

    The audio encoder and the language model work one after the other; a layer's feed-forward part
    holds the most. Weights in 4 bits are turned back one matrix at a time. A clip has ``frames``
    mel frames, by default those of the whole window.
    """
    audio, text = work.config.audio_config, work.config.text_config
    frames = flops.window_frames(work.config) if frames is None else frames
    d, f = audio.d_model, audio.encoder_ffn_dim
    convolutions = frames * (audio.num_mel_bins + 2 * d)
    encoder = max(convolutions, frames // 2 * (3 * d + 2 * f)) * work.encoder_width * clips
    decoder = tokens * (3 * text.hidden_size + 4 * text.intermediate_size) * work.width
    matrix = work.width * text.hidden_size * text.intermediate_size
    return max(encoder, decoder) + (matrix if work.profile.quantise else 0)


def _cache(work: Work, prompt: int, answer: int, autocast: bool = False) -> int:
    """Bytes of a row's cache, which grows in steps; under autocast values are in bfloat16."""
    tokens = prompt + _CACHE_STEP * -(-answer // _CACHE_STEP)
    return tokens * flops.cache_bytes_per_token(work.config, 3 if autocast else work.width)
