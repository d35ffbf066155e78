"""From clips and token ids to the language model's input: each distinct clip is encoded once."""

import threading
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn
from transformers import Qwen2AudioForConditionalGeneration
from transformers.masking_utils import create_bidirectional_mask

from r1aqa_helpers.models.float16 import no_half_autocast

#: Mel frames past a clip's end that the two convolutions (kernels of 3) still look at.
LOOK_AHEAD = 2


class AudioFeatureCache:
    """What was computed of clips, anything with ``nbytes``: the latest ``capacity`` bytes.

    A frozen audio encoder's outputs, (tokens, width) by a hash of the clip, are valid for one set
    of its weights; a copy of the model, such as a frozen reference, may share them. Kept on the
    CPU. Threads hold ``lock`` from asking for a clip to keeping it, so that none computes what
    another is about to keep.
    """

    def __init__(self, capacity: int) -> None:
        self.lock = threading.Lock()
        self._capacity = capacity
        self._kept: OrderedDict[Hashable, Any] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Hashable) -> Any:
        """What was kept for this key, or None."""
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)

    def put(self, key: Hashable, value: Any) -> None:
        """Keep a value, and forget the oldest beyond the capacity."""
        self._bytes -= self._kept.pop(key).nbytes if key in self._kept else 0
        self._kept[key] = value
        self._bytes += value.nbytes
        while self._bytes > self._capacity and len(self._kept) > 1:
            self._bytes -= self._kept.popitem(last=False)[1].nbytes


@dataclass(frozen=True)
class Clips:
    """The distinct clips of some rows, as a batch for the audio encoder, and who uses which."""

    input_features: torch.Tensor
    """(clips, mels, frames)"""
    feature_attention_mask: torch.Tensor
    """(clips, frames)"""
    clip: torch.Tensor
    """(rows, k): each row's clips in the order of their audio tokens, then -1 for none."""
    keys: tuple[str, ...] = ()
    """A hash of each clip's content; only needed with ``cache``."""
    cache: AudioFeatureCache | None = None
    """Where the encoder's outputs are kept; None where it is trained."""

    def of(self, rows: torch.Tensor) -> "Clips":
        """The same clips, used by the rows with these numbers."""
        return replace(self, clip=self.clip[rows])

    def repeated(self, rows: torch.Tensor) -> "Clips":
        """The clips of the rows with these numbers, one copy for each use."""
        clip = self.clip[rows]
        exists = clip >= 0
        used = clip[exists]
        return Clips(
            self.input_features[used],
            self.feature_attention_mask[used],
            torch.where(exists, exists.flatten().cumsum(0).view_as(clip) - 1, -1),
            tuple(self.keys[place] for place in used.tolist()) if self.keys else (),
            self.cache,
        )


def audio_states(
    encoder: nn.Module, input_features: torch.Tensor, frames: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The audio encoder's outputs for clips, computed on the frames that exist.

    Equal to ``encoder.forward``, which insists on a whole window (30 s at 7B) of mostly padding,
    to rounding, for the positions that exist. Without dropout, as Qwen2-Audio is configured.

    Args:
        input_features: (clips, mels, window), padded to the window.
        frames: (clips,), the mel frames of each clip that are no padding.

    Returns:
        States (clips, T, width), and how many of the T each clip fills, (clips,).
    """
    heard, lengths = encoder._get_feat_extract_output_lengths(frames)
    needed = int(frames.max()) + LOOK_AHEAD
    mel = input_features[..., : min(input_features.shape[-1], -(-needed // 4) * 4)]
    hidden = nn.functional.gelu(encoder.conv1(mel.to(encoder.conv1.weight.dtype)))
    hidden = nn.functional.gelu(encoder.conv2(hidden)).permute(0, 2, 1)
    hidden = hidden + encoder.embed_positions.weight[: hidden.shape[1]]
    exists = torch.arange(hidden.shape[1], device=heard.device) < heard.unsqueeze(1)
    mask = create_bidirectional_mask(
        config=encoder.config, inputs_embeds=hidden, attention_mask=exists.long()
    )
    for layer in encoder.layers:
        hidden = layer(hidden, mask)
    hidden = encoder.avg_pooler(hidden.permute(0, 2, 1)).permute(0, 2, 1)
    return encoder.layer_norm(hidden), lengths


def embed_prompts(
    model: Qwen2AudioForConditionalGeneration, prompt_ids: torch.Tensor, clips: Clips
) -> torch.Tensor:
    """(B, P, width) token embeddings with the clips' in the places of the audio tokens.

    As in ``Qwen2AudioModel.forward``, but each distinct clip goes through the encoder once.

    Args:
        prompt_ids: (B, P), one audio token per audio embedding.
        clips: whose ``clip`` is (B, k).

    Raises:
        ValueError: the number of audio tokens does not fit the clips' lengths.
    """
    embeddings = model.get_input_embeddings()(prompt_ids)
    places = prompt_ids == model.config.audio_token_id
    if not len(clips.input_features) and not places.any():
        return embeddings  # text alone
    with no_half_autocast(prompt_ids.device):
        states, lengths = _states(model.model.audio_tower, clips)
        audio = model.model.multi_modal_projector(states)
    filled = torch.arange(audio.shape[1], device=audio.device) < lengths.unsqueeze(1)
    wanted = (lengths[clips.clip] * (clips.clip >= 0)).sum(dim=1)
    if not torch.equal(places.sum(dim=1), wanted):
        raise ValueError(f"{places.sum(dim=1).tolist()} audio tokens for {wanted.tolist()}")
    used = clips.clip[clips.clip >= 0]
    audio = audio[used][filled[used]].to(embeddings)
    return embeddings.masked_scatter(places.unsqueeze(-1), audio)


def positions(mask: torch.Tensor) -> torch.Tensor:
    """(…, P) positions from 0 at the first token, whatever padding stands before it."""
    return (mask.long().cumsum(dim=-1) - 1).clamp(min=0)


def _states(encoder: nn.Module, clips: Clips) -> tuple[torch.Tensor, torch.Tensor]:
    """As `audio_states`, from the clips' cache where there is one."""
    frames, cache = clips.feature_attention_mask.sum(dim=-1), clips.cache
    if cache is None:
        return audio_states(encoder, clips.input_features, frames)
    with cache.lock:
        kept = [cache.get(key) for key in clips.keys]
        new = [place for place, states in enumerate(kept) if states is None]
        if new:
            with torch.no_grad():
                states, lengths = audio_states(encoder, clips.input_features[new], frames[new])
            for place, one, length in zip(new, states, lengths.tolist(), strict=True):
                # A copy: a view would keep the whole batch in memory.
                kept[place] = one[:length].to("cpu", copy=True)
                cache.put(clips.keys[place], kept[place])
    lengths = torch.tensor([len(states) for states in kept], device=frames.device)
    return nn.utils.rnn.pad_sequence(kept, batch_first=True).to(frames.device), lengths
