"""Stages 1 to 3: teach the audio encoder alone what sounds when, and what a whole scene shows.

What a scene as a whole shows (mode, contour, tempo, how many) follows from comparing moments that
lie apart, which the encoder's attention can do and frame labels do not ask for. Every frame is to
name these attributes, so that the language model finds them anywhere. The frame labels go on,
lest they be forgotten.
"""

from collections.abc import Callable, Iterable

import numpy as np
import torch
from torch import nn

from pretraining.pool import COLUMNS, FRAME_RATE, Pool
from r1aqa_helpers.models import audio_states
from r1aqa_helpers.models.audio_embedding import LOOK_AHEAD
from r1aqa_helpers.tiny.scene_families import (
    CONTOURS,
    INSTRUMENTS,
    RATE_INTERVAL,
    SOURCES,
    TEMPO_INTERVAL,
    VOICES,
)
from r1aqa_helpers.tiny.scenes import Scene
from r1aqa_helpers.tiny.sounds import NUMBERS, WORDS

#: attribute -> its values
ATTRIBUTES: dict[str, list] = {
    "mode": ["major", "minor"],
    "contour": list(CONTOURS),
    "tempo": list(TEMPO_INTERVAL),
    "beats": [2, 3, 4],
    "players": [1, 2, 3],
    "speakers": [1, 2, 3],
    "rate": list(RATE_INTERVAL),
    "count": [1, 2, 3, 4, 5],
}
#: positive frames are rare: one label in about a hundred
_POSITIVE_WEIGHT = 6.0


class FrameTagger(nn.Module):
    """The audio encoder with one linear layer of labels on each of its output frames."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(encoder.config.d_model, len(COLUMNS))

    def forward(self, mel: torch.Tensor, mel_frames: torch.Tensor) -> torch.Tensor:
        """Logits (clips, frames / 4, labels) of log-mels (clips, bands, frames)."""
        return self.head(audio_states(self.encoder, mel, mel_frames)[0])


def draw_clips(
    pool: Pool, batch: int, rng: np.random.Generator, weights: np.ndarray | None = None
) -> np.ndarray:
    """Indices of a batch of clips of like length, so that little padding is computed.

    ``weights`` (clips,), alike by default, say how often each is drawn.
    """
    order = np.argsort(pool.mel_frames, kind="stable")
    width = max(batch, len(order) // 8)
    first = int(rng.integers(0, len(order) - width + 1))
    window = order[first : first + width]
    chances = None if weights is None else weights[window] / weights[window].sum()
    return np.sort(window[rng.choice(width, batch, replace=False, p=chances)])


def clips(pool: Pool, chosen: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-mels of the chosen clips, as far as the encoder looks, and their lengths."""
    lengths = torch.from_numpy(pool.mel_frames[chosen]).long()
    needed = int(lengths.max()) + LOOK_AHEAD
    return torch.from_numpy(pool.mel[chosen, :, : -(-needed // 4) * 4].astype(np.float32)), lengths


def frame_loss(
    logits: torch.Tensor, lengths: torch.Tensor, pool: Pool, chosen: np.ndarray
) -> torch.Tensor:
    """Binary cross-entropy of the frame labels over the frames that exist, summed over labels."""
    targets = torch.from_numpy(pool.targets[chosen, : logits.shape[1]].astype(np.float32))
    keep = torch.arange(logits.shape[1])[None, :] < (lengths // 4)[:, None]
    each = nn.functional.binary_cross_entropy_with_logits(
        logits[keep].float(),
        targets[keep],
        pos_weight=torch.full((len(COLUMNS),), _POSITIVE_WEIGHT),
        reduction="none",
    )
    return each.sum(-1).mean()


def encoder_loss(
    tagger: FrameTagger, pool: Pool, batch: int
) -> Callable[[np.random.Generator], torch.Tensor]:
    """`frame_loss` on batches drawn from the pool."""

    def loss_of(rng: np.random.Generator) -> torch.Tensor:
        chosen = draw_clips(pool, batch, rng)
        mel, lengths = clips(pool, chosen)
        return frame_loss(tagger(mel, lengths), lengths, pool, chosen)

    return loss_of


@torch.no_grad()
def encoder_report(tagger: FrameTagger, pool: Pool) -> dict[str, float]:
    """Percent of events whose best label over their frames is correct."""
    tagger.eval()
    kinds = {
        "source": ("synth", "effect", SOURCES),
        "instrument": ("note", "note", INSTRUMENTS),
        "word": ("word", "word", [*WORDS, *NUMBERS]),
    }
    hits: dict[str, list[bool]] = {key: [] for key in [*kinds, "voice", "pitch"]}
    pitches = {name: column for name, column in COLUMNS.items() if name.startswith("pitch")}
    for first in range(0, len(pool.scenes), 100):
        chosen = np.arange(first, min(first + 100, len(pool.scenes)))
        mel, lengths = clips(pool, chosen)
        logits = torch.nn.functional.logsigmoid(tagger(mel, lengths)).numpy()
        for row, index in enumerate(chosen):
            for event in pool.scenes[index].events:
                begin = int(event.start * FRAME_RATE)
                seen = logits[row, begin + 1 : begin + 9].mean(0)
                if not len(logits[row, begin + 1 : begin + 9]):
                    continue

                def best(names: Iterable[str], seen: np.ndarray = seen) -> str:
                    return max(names, key=lambda n: seen[COLUMNS[n]])

                for key, (one, two, names) in kinds.items():
                    if event.kind in (one, two):
                        hits[key].append(best(names) == event.name)
                if event.voice:
                    hits["voice"].append(best(VOICES) == event.voice)
                if event.pitch and pool.scenes[index].family != "chord":
                    hits["pitch"].append(best(pitches) == f"pitch {event.pitch}")
    tagger.train()
    return {key: round(100 * float(np.mean(value)), 1) for key, value in hits.items()}


def attributes(scene: Scene) -> dict[str, int]:
    """Attribute -> index of its value, for those that the scene has."""
    facts = dict(scene.facts)
    if scene.family == "ensemble":
        facts["players"] = len(facts["instruments"])
    if scene.family == "speakers":
        facts["speakers"] = len(set(facts["voices"]))
    return {name: values.index(facts[name]) for name, values in ATTRIBUTES.items() if name in facts}


class SceneTagger(nn.Module):
    """A frame tagger with a second linear layer, of scene attributes, on each frame."""

    def __init__(self, tagger: FrameTagger) -> None:
        super().__init__()
        self.tagger = tagger
        size = sum(len(values) for values in ATTRIBUTES.values())
        self.head = nn.Linear(tagger.encoder.config.d_model, size)

    def forward(
        self, mel: torch.Tensor, mel_frames: torch.Tensor
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Frame logits, and per attribute logits (clips, frames / 4, values)."""
        hidden, _ = audio_states(self.tagger.encoder, mel, mel_frames)
        sizes = [len(values) for values in ATTRIBUTES.values()]
        parts = self.head(hidden).split(sizes, dim=-1)
        return self.tagger.head(hidden), dict(zip(ATTRIBUTES, parts, strict=True))


def attribute_pool(pool: Pool) -> Pool:
    """The clips that have an attribute to name."""
    chosen = np.array([i for i, scene in enumerate(pool.scenes) if attributes(scene)])
    return Pool(
        scenes=[pool.scenes[i] for i in chosen],
        mel=pool.mel[chosen],
        mel_frames=pool.mel_frames[chosen],
        targets=pool.targets[chosen],
    )


def attribute_loss(
    tagger: SceneTagger, pool: Pool, batch: int, frame_weight: float
) -> Callable[[np.random.Generator], torch.Tensor]:
    """Cross-entropy of the attributes, averaged over frames and clips, plus the frame labels'.

    The frame loss is a sum over many labels, hence its small weight.
    """

    def loss_of(rng: np.random.Generator) -> torch.Tensor:
        chosen = draw_clips(pool, batch, rng)
        mel, lengths = clips(pool, chosen)
        frames, by_name = tagger(mel, lengths)
        losses = []
        for row, index in enumerate(chosen):
            heard = int(lengths[row]) // 4
            for name, value in attributes(pool.scenes[index]).items():
                logits = by_name[name][row, :heard].float()
                losses.append(nn.functional.cross_entropy(logits, torch.full((heard,), value)))
        named = torch.stack(losses).mean() if losses else torch.zeros(())
        return named + frame_weight * frame_loss(frames, lengths, pool, chosen)

    return loss_of


@torch.no_grad()
def attribute_report(tagger: SceneTagger, pool: Pool) -> dict[str, float]:
    """Percent of scenes whose attribute is correct, by the frames' mean log-probability."""
    tagger.eval()
    hits: dict[str, list[bool]] = {name: [] for name in ATTRIBUTES}
    for first in range(0, len(pool.scenes), 100):
        chosen = np.arange(first, min(first + 100, len(pool.scenes)))
        mel, lengths = clips(pool, chosen)
        _, by_name = tagger(mel, lengths)
        for row, index in enumerate(chosen):
            for name, value in attributes(pool.scenes[index]).items():
                heard = by_name[name][row, : int(lengths[row]) // 4].log_softmax(-1).mean(0)
                hits[name].append(int(heard.argmax()) == value)
    tagger.train()
    return {name: round(100 * float(np.mean(each)), 1) for name, each in hits.items()}
