"""Stage 1: teach the audio tower alone, frame by frame, what sounds when."""

from collections.abc import Callable, Iterable

import numpy as np
import torch
from torch import nn

from r1aqa_helpers.models.embedding import LOOK_AHEAD, audio_states
from r1aqa_helpers.tiny.bank import NUMBERS, WORDS
from r1aqa_helpers.tiny.families import INSTRUMENTS, SOURCES, VOICES
from r1aqa_helpers.tiny.frames import COLUMNS, FRAME_RATE
from r1aqa_helpers.tiny.pretraining.pool import Pool

#: positive frames are rare: one label in about a hundred
_POSITIVE_WEIGHT = 6.0


class FrameTagger(nn.Module):
    """The audio tower with one linear layer of labels on each of its output frames."""

    def __init__(self, tower: nn.Module) -> None:
        super().__init__()
        self.tower = tower
        self.head = nn.Linear(tower.config.d_model, len(COLUMNS))

    def forward(self, mel: torch.Tensor, mel_frames: torch.Tensor) -> torch.Tensor:
        """Logits (clips, frames / 4, labels) of log-mels (clips, bands, frames)."""
        return self.head(audio_states(self.tower, mel, mel_frames)[0])


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
    """Log-mels of the chosen clips, as far as the tower looks, and their lengths."""
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


def tower_loss(
    tagger: FrameTagger, pool: Pool, batch: int
) -> Callable[[np.random.Generator], torch.Tensor]:
    """`frame_loss` on batches drawn from the pool."""

    def loss_of(rng: np.random.Generator) -> torch.Tensor:
        chosen = draw_clips(pool, batch, rng)
        mel, lengths = clips(pool, chosen)
        return frame_loss(tagger(mel, lengths), lengths, pool, chosen)

    return loss_of


@torch.no_grad()
def tower_report(tagger: FrameTagger, pool: Pool) -> dict[str, float]:
    """How well events are named: percent of events whose best label over their frames is right."""
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
