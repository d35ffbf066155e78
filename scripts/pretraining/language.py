"""The stages of the language model: to look things up in a text, then to say what it hears.

A clip is encoded once and several lessons about it share one row: the clip's prefix, then the
lessons, each of which sees the prefix and itself alone, its positions counted on from the
prefix. That equals as many separate rows, at a fraction of the cost.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from transformers import Qwen2AudioForConditionalGeneration, Qwen2AudioProcessor

from pretraining.encoder import clips, draw_clips
from pretraining.lessons import Lesson, drill
from pretraining.loop import autocast
from pretraining.pool import Pool
from r1aqa_helpers.models import audio_states
from r1aqa_helpers.tiny.scenes import Scene
from r1aqa_helpers.utils.progress import track

_CUT = "\x00"
IGNORED = -100
LESSONS = 4  # about each clip


class Packer:
    """Turns a clip's length and its lessons into token ids, labels, groups and positions."""

    def __init__(self, processor: Qwen2AudioProcessor) -> None:
        self.tokenizer = processor.tokenizer
        turn = [{"role": "user", "content": [{"type": "audio"}, {"type": "text", "text": _CUT}]}]
        text = processor.apply_chat_template(turn, add_generation_prompt=True, tokenize=False)
        before, self._after = text.split(_CUT)
        self._head, self._tail = before.split("<|AUDIO|>")
        self._audio_id = self.tokenizer.convert_tokens_to_ids("<|AUDIO|>")

    def _ids(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False).input_ids

    def pack(self, audio_tokens: int, lessons: list[Lesson]) -> dict[str, list[int]]:
        """One row. Group -1 is the prefix; lesson k is group k."""
        ids = self._ids(self._head) + [self._audio_id] * audio_tokens
        prefix = len(ids)
        row = {"ids": ids, "labels": [IGNORED] * prefix, "group": [-1] * prefix}
        row["position"] = list(range(prefix))
        for k, (user, answer) in enumerate(lessons):
            asked = self._ids(self._tail + user + self._after)
            said = self._ids(answer + "<|im_end|>")
            row["ids"] += asked + said
            row["labels"] += [IGNORED] * len(asked) + said
            row["group"] += [k] * (len(asked) + len(said))
            row["position"] += range(prefix, prefix + len(asked) + len(said))
        return row


def batch_rows(rows: list[dict[str, list[int]]], pad_id: int) -> dict[str, torch.Tensor]:
    """Right-padded tensors of the rows, and their attention mask (rows, 1, length, length)."""
    length = max(len(row["ids"]) for row in rows)
    fill = {"ids": pad_id, "labels": IGNORED, "group": -2, "position": 0}
    tensors = {
        key: torch.tensor([row[key] + [value] * (length - len(row[key])) for row in rows])
        for key, value in fill.items()
    }
    group = tensors["group"]
    same = group[:, :, None] == group[:, None, :]
    prefix = (group == -1)[:, None, :]
    causal = torch.ones(length, length, dtype=torch.bool).tril()
    tensors["mask"] = ((same | prefix) & causal)[:, None]
    return tensors


@torch.no_grad()
def encoder_outputs(encoder: nn.Module, pool: Pool) -> np.ndarray:
    """What a frozen audio encoder makes of every clip: float16 (clips, frames / 4, width)."""
    frames = pool.mel.shape[-1] // 4
    outputs = np.zeros((len(pool.scenes), frames, encoder.config.d_model), dtype=np.float16)
    order = np.argsort(pool.mel_frames, kind="stable")
    for first in track(range(0, len(order), 64), "encoding the pool"):
        chosen = np.sort(order[first : first + 64])
        with autocast():
            heard = audio_states(encoder, *clips(pool, chosen))[0].float().numpy()
        outputs[chosen, : heard.shape[1]] = heard
    return outputs


@torch.no_grad()
def start_with_lookup(model: Qwen2AudioForConditionalGeneration) -> None:
    """Make queries and keys alike, so that from the start tokens attend to their own kind.

    To look a name up is then learnt several times faster (mimetic initialisation,
    arXiv 2305.09828).
    """
    for layer in model.model.language_model.layers:
        layer.self_attn.q_proj.weight.mul_(2)
        layer.self_attn.k_proj.weight.copy_(layer.self_attn.q_proj.weight)


def drill_loss(
    model: Qwen2AudioForConditionalGeneration,
    processor: Qwen2AudioProcessor,
    batch: int,
    write: Callable[[np.random.Generator], tuple[str, str]] = drill,
) -> Callable[[np.random.Generator], torch.Tensor]:
    """Cross-entropy of what follows from the lists, over a batch of texts such as `drill`'s.

    The lists themselves are random: to guess them teaches nothing. Positions begin anywhere that
    an answer may begin after a clip and a question.
    """
    tokenizer = processor.tokenizer

    def loss_of(rng: np.random.Generator) -> torch.Tensor:
        drills = [write(rng) for _ in range(batch)]
        texts = [f"<|im_start|>assistant\n{lists}{rest}<|im_end|>" for lists, rest in drills]
        rows = tokenizer(texts, add_special_tokens=False, padding=True, padding_side="right",
                         return_offsets_mapping=True, return_tensors="pt")  # fmt: skip
        head = len("<|im_start|>assistant\n")
        begins = torch.tensor([[head + len(lists)] for lists, _ in drills])
        start = torch.from_numpy(rng.integers(0, 200, batch))[:, None]
        hidden = model.model.language_model(
            input_ids=rows.input_ids,
            attention_mask=rows.attention_mask,
            position_ids=start + torch.arange(rows.input_ids.shape[1]),
        ).last_hidden_state
        follows = rows.offset_mapping[..., 0] >= begins
        wanted = (rows.attention_mask.bool() & follows)[:, 1:]
        logits = model.lm_head(hidden[:, :-1][wanted]).float()
        return nn.functional.cross_entropy(logits, rows.input_ids[:, 1:][wanted])

    return loss_of


def lesson_loss(
    model: Qwen2AudioForConditionalGeneration,
    processor: Qwen2AudioProcessor,
    pool: Pool,
    teach: Callable[[Scene, np.random.Generator], Lesson],
    batch: int,
    outputs: np.ndarray,
    weights: np.ndarray,
) -> Callable[[np.random.Generator], torch.Tensor]:
    """Cross-entropy of the answers' tokens, over a batch of clips with `LESSONS` each.

    ``outputs`` are those of the frozen encoder, see `encoder_outputs`; ``weights`` as in
    `draw_clips`.
    """
    packer = Packer(processor)
    inner = model.model
    audio_id, pad_id = model.config.audio_token_id, processor.tokenizer.pad_token_id

    def loss_of(rng: np.random.Generator) -> torch.Tensor:
        chosen = draw_clips(pool, batch, rng, weights)
        lengths = torch.from_numpy(pool.mel_frames[chosen]).long()
        features = torch.from_numpy(outputs[chosen].astype(np.float32))
        features = inner.multi_modal_projector(features)
        _, tokens = inner.audio_tower._get_feat_extract_output_lengths(lengths)
        rows = [
            packer.pack(int(n), [teach(pool.scenes[i], rng) for _ in range(LESSONS)])
            for i, n in zip(chosen, tokens, strict=True)
        ]
        packed = batch_rows(rows, pad_id)
        embeds = inner.get_input_embeddings()(packed["ids"])
        heard = features[torch.arange(features.shape[1])[None, :] < tokens[:, None]]
        places = (packed["ids"] == audio_id).unsqueeze(-1)
        embeds = embeds.masked_scatter(places, heard.to(embeds.dtype))
        hidden = inner.language_model(
            inputs_embeds=embeds,
            attention_mask=packed["mask"],
            position_ids=packed["position"],
        ).last_hidden_state
        labels = packed["labels"][:, 1:]
        wanted = labels != IGNORED
        logits = model.lm_head(hidden[:, :-1][wanted]).float()
        return nn.functional.cross_entropy(logits, labels[wanted])

    return loss_of
