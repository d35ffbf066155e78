"""Stage 1: teach the audio encoder alone what sounds when, and what a whole scene shows.

What sounds in every 40 ms is a dense label, so that hearing is learnt in minutes. What a scene as
a whole shows (contour, tempo, how many) follows from comparing moments that lie apart, which the
encoder's attention can do and frame labels do not ask for: every frame is to name these
attributes, too, so that the language model finds them anywhere.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

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
    "contour": list(CONTOURS),
    "tempo": list(TEMPO_INTERVAL),
    "players": [1, 2, 3],
    "speakers": [1, 2, 3],
    "rate": list(RATE_INTERVAL),
    "count": [1, 2, 3, 4, 5],
}
#: positive frames are rare: one label in about a hundred
_POSITIVE_WEIGHT = 6.0


class Tagger(nn.Module):
    """The audio encoder with two linear layers on each output frame: of labels, of attributes."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        width = encoder.config.d_model
        self.frames = nn.Linear(width, len(COLUMNS))
        self.scene = nn.Linear(width, sum(len(values) for values in ATTRIBUTES.values()))

    def forward(
        self, mel: torch.Tensor, mel_frames: torch.Tensor
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Logits of log-mels (clips, bands, frames): labels (clips, frames / 4, labels), and

        per attribute (clips, frames / 4, values).
        """
        hidden, _ = audio_states(self.encoder, mel, mel_frames)
        sizes = [len(values) for values in ATTRIBUTES.values()]
        parts = self.scene(hidden).split(sizes, dim=-1)
        return self.frames(hidden), dict(zip(ATTRIBUTES, parts, strict=True))


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


def attributes(scene: Scene) -> dict[str, int]:
    """Attribute -> index of its value, for those that the scene has."""
    facts = dict(scene.facts)
    if scene.family == "ensemble":
        facts["players"] = len(facts["instruments"])
    if scene.family == "speakers":
        facts["speakers"] = len(set(facts["voices"]))
    return {name: values.index(facts[name]) for name, values in ATTRIBUTES.items() if name in facts}


def attribute_weights(scenes: Sequence[Scene]) -> np.ndarray:
    """How often to draw each scene so that all attributes come up alike often.

    Scenes without any share what comes up a sixth as often as those with one.
    """
    named = [attributes(scene) or {"": 0} for scene in scenes]
    counts = Counter(name for names in named for name in names)
    return np.array([sum(1 / counts[name] for name in names) for names in named])


def encoder_loss(
    tagger: Tagger, pool: Pool, batch: int, weights: np.ndarray | None = None
) -> Callable[[np.random.Generator], torch.Tensor]:
    """`frame_loss` plus the cross-entropy of the attributes, on batches drawn from the pool.

    ``weights`` as in `draw_clips`.
    """

    def loss_of(rng: np.random.Generator) -> torch.Tensor:
        chosen = draw_clips(pool, batch, rng, weights)
        mel, lengths = clips(pool, chosen)
        frames, by_name = tagger(mel, lengths)
        named = []
        for row, index in enumerate(chosen):
            heard = int(lengths[row]) // 4
            for name, value in attributes(pool.scenes[index]).items():
                logits = by_name[name][row, :heard].float()
                named.append(nn.functional.cross_entropy(logits, torch.full((heard,), value)))
        loss = frame_loss(frames, lengths, pool, chosen)
        return loss + torch.stack(named).mean() if named else loss  # few scenes may have none

    return loss_of


@torch.no_grad()
def frame_report(tagger: Tagger, pool: Pool) -> dict[str, float]:
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
        logits = torch.nn.functional.logsigmoid(tagger(mel, lengths)[0]).numpy()
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
                if event.pitch:
                    hits["pitch"].append(best(pitches) == f"pitch {event.pitch}")
    tagger.train()
    return {key: round(100 * float(np.mean(value)), 1) for key, value in hits.items()}


@torch.no_grad()
def attribute_report(tagger: Tagger, pool: Pool) -> dict[str, float]:
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
