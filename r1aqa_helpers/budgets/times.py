"""The least time of each stage: what it computes or what it moves, whichever takes longer.

A stage cannot be faster than its FLOPs at the GPU's peak rate, nor than the bytes it must read at
the bandwidth of the GPU's memory (the roofline model, doi 10.1145/1498765.1498785). Nothing
reaches either: these are lower bounds and no estimates. Left out, as they only add time, are
reading and decoding the recordings, communication between GPUs, saving, and Python.
"""

from dataclasses import dataclass

from r1aqa_helpers.budgets.gpus import Gpu
from r1aqa_helpers.budgets.work import Work, frozen
from r1aqa_helpers.models import costs


@dataclass(frozen=True)
class Load:
    """FLOPs, and bytes read from the GPU's memory."""

    flops: float
    bytes: float

    def seconds(self, gpu: Gpu, width: int) -> float:
        """At least so long; ``width``: bytes of the numbers that are computed with."""
        rate = gpu.thirty_two if width == 4 else gpu.sixteen
        return max(self.flops / rate, self.bytes / gpu.bandwidth)


def answering(work: Work) -> list[Load]:
    """All questions once, in batches of `eval_tokens`."""
    lengths = work.lengths
    longest = lengths.prompt + work.profile.max_new_tokens
    rows = max(1, work.profile.eval_tokens // longest)
    batches = -(-work.questions // rows)
    one = costs.question_flops(
        work.config, lengths.audio, lengths.text, lengths.answer, window=False
    )
    parts = _weights(work)
    n = work.questions
    return [
        Load(n * one["tower"], batches * parts["tower"]),
        Load(n * one["prefill"], batches * parts["decoder"]),
        _decoding(work, n, batches),
    ]


def sft_step(work: Work) -> list[Load]:
    """One step of supervised fine-tuning: each row's tower, forward and backward pass."""
    settings, lengths = work.profile.sft, work.lengths
    rows = settings["batch_size"] // work.gpus
    passes = rows // settings["rows_per_forward"]
    tokens = lengths.prompt + lengths.answer
    forward = rows * costs.decoder_flops(work.config, tokens, logits=lengths.answer)
    return [
        *_tower(work, settings, rows, passes, forward=1),
        *_training(work, settings, forward, passes),
    ]


def grpo_step(work: Work) -> list[Load]:
    """One step of GRPO with shared prompts: rollout, reference, policy forward and backward."""
    settings, lengths = work.profile.grpo, work.lengths
    groups = settings["prompts_per_step"] // work.gpus
    passes = max(1, groups // settings["prompts_per_forward"])
    rollouts = -(-groups // (settings.get("prompts_per_rollout") or groups))
    group = costs.Group(settings["group_size"], lengths.audio, lengths.text, lengths.answer)
    flops = costs.group_flops(work.config, group, "shared", lora=bool(settings.get("lora_rank", 0)))
    parts = _weights(work)
    return [
        # Rollout, policy and reference, unless what a frozen tower made is kept.
        *_tower(work, settings, groups, passes, forward=3),
        Load(groups * flops["rollout_prefill"], rollouts * parts["decoder"]),
        _decoding(work, groups * group.size, rollouts),
        Load(groups * flops["reference_forward"], passes * parts["decoder"]),
        *_training(work, settings, groups * flops["policy_forward"], passes),
    ]


def _decoding(work: Work, rows: int, batches: int) -> Load:
    """The answers' tokens after the first: each step of a batch reads all weights and its cache."""
    lengths, config = work.lengths, work.config
    steps = lengths.answer - 1
    flops = costs.decoder_flops(
        config, steps, costs.causal_pairs(steps, lengths.prompt), logits=steps
    )
    cache = costs.cache_bytes_per_token(config, work.width) * lengths.prompt
    read = batches * steps * _weights(work)["decoder"] + rows * steps * cache
    return Load(rows * flops, read)


def _tower(work: Work, settings: dict, clips: int, passes: int, forward: int) -> list[Load]:
    """Each clip once through a frozen tower; else for each use, and a backward pass like two."""
    uses = 1 if frozen(settings) else forward + 2
    flops = costs.encoder_flops(work.config, 4 * work.lengths.audio)
    return [Load(uses * clips * flops, passes * _weights(work)["tower"])]


def _training(work: Work, settings: dict, forward: float, passes: int) -> list[Load]:
    """Forward, backward (for inputs, and for weights where they are trained), optimiser."""
    backward = 1 if settings.get("lora_rank", 0) else 2
    read = passes * _weights(work)["decoder"]
    # Weight, gradient and two moments are read, and all but the gradient written back.
    updated = 4 * work.trained(settings) * (4 + 3)
    return [Load(forward, read), Load(backward * forward, read), Load(0, updated)]


def _weights(work: Work) -> dict[str, float]:
    """Bytes of the tower, and of what a token of text meets: decoder layers and head."""
    parts = costs.parameters(work.config)
    width = {"tower": float(work.tower_width), "decoder": float(work.width)}
    if work.profile.quantise == "nf4":
        width = dict.fromkeys(width, costs.BITS["nf4"] / 8)
    text = work.config.text_config
    head = text.hidden_size * text.vocab_size * work.width
    layers = text.num_hidden_layers * costs.decoder_layer_weights(work.config)
    return {"tower": width["tower"] * parts["tower"], "decoder": width["decoder"] * layers + head}
