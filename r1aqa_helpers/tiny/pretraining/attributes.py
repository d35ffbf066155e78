"""Stage 2: teach the tower what a scene as a whole shows: mode, contour, tempo, how many.

These follow from comparing moments that lie apart, which the tower's attention can do and
frame labels do not ask for. Every frame is to name them, so that the language model finds
them anywhere. The frame labels of stage 1 go on, lest they be forgotten.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from r1aqa_helpers.models import audio_states
from r1aqa_helpers.tiny.families import CONTOURS, RATE_INTERVAL, TEMPO_INTERVAL
from r1aqa_helpers.tiny.pretraining.pool import Pool
from r1aqa_helpers.tiny.pretraining.tower import (
    FrameTagger,
    clips,
    draw_clips,
    frame_loss,
)
from r1aqa_helpers.tiny.scenes import Scene

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


def attributes(scene: Scene) -> dict[str, int]:
    """Attribute -> index of its value, for those that the scene has."""
    facts = dict(scene.facts)
    if scene.family == "ensemble":
        facts["players"] = len(facts["instruments"])
    if scene.family == "speakers":
        facts["speakers"] = len(set(facts["voices"]))
    return {
        name: values.index(facts[name]) for name, values in ATTRIBUTES.items() if name in facts
    }


class SceneTagger(nn.Module):
    """A frame tagger with a second linear layer, of scene attributes, on each frame."""

    def __init__(self, tagger: FrameTagger) -> None:
        super().__init__()
        self.tagger = tagger
        size = sum(len(values) for values in ATTRIBUTES.values())
        self.head = nn.Linear(tagger.tower.config.d_model, size)

    def forward(
        self, mel: torch.Tensor, mel_frames: torch.Tensor
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Frame logits, and per attribute logits (clips, frames / 4, values)."""
        hidden, _ = audio_states(self.tagger.tower, mel, mel_frames)
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
                losses.append(
                    nn.functional.cross_entropy(logits, torch.full((heard,), value))
                )
        named = torch.stack(losses).mean() if losses else torch.zeros(())
        return named + frame_weight * frame_loss(frames, lengths, pool, chosen)

    return loss_of


@torch.no_grad()
def attribute_report(tagger: SceneTagger, pool: Pool) -> dict[str, float]:
    """Percent of scenes whose attribute is right, by the frames' mean log-probability."""
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
