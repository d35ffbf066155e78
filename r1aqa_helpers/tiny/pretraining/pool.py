"""A pool of rendered scenes to pre-train on: log-mels and frame targets, kept in memory.

Rendering happens once; the stages then draw from the pool, so that the processor cores belong
to the training. The pool holds training takes only (or test takes only, to measure with).
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from transformers import WhisperFeatureExtractor

from r1aqa_helpers import files
from r1aqa_helpers.progress import track
from r1aqa_helpers.tiny.bank import load_bank
from r1aqa_helpers.tiny.families import Casting, draw
from r1aqa_helpers.tiny.frames import COLUMNS, frame_targets
from r1aqa_helpers.tiny.scenes import Scene, render

_BLOCK = 50


@dataclass(frozen=True)
class Pool:
    """``mel`` float16 (clips, bands, frames); ``mel_frames`` int (clips,): frames that exist;

    ``targets`` uint8 (clips, frames / 4, labels); ``scenes`` the recipes.
    """

    scenes: list[Scene]
    mel: np.ndarray
    mel_frames: np.ndarray
    targets: np.ndarray


def build_pool(
    folder: Path, size: int, casting: Casting, extractor: WhisperFeatureExtractor, seed: int
) -> Pool:
    """Render ``size`` fresh scenes into ``folder`` (once), and open the result."""
    shape = (size, extractor.feature_size, extractor.nb_max_frames)
    target_shape = (size, extractor.nb_max_frames // 4, len(COLUMNS))
    if not (folder / "scenes.jsonl").exists():
        folder.mkdir(parents=True, exist_ok=True)
        bank, rng = load_bank(), np.random.default_rng(seed)
        scenes = [draw(rng, casting) for _ in range(size)]
        mel = np.lib.format.open_memmap(folder / "mel.npy", "w+", np.float16, shape)
        targets = np.lib.format.open_memmap(folder / "targets.npy", "w+", np.uint8, target_shape)
        lengths = np.zeros(size, dtype=np.int32)
        for first in track(range(0, size, _BLOCK), f"rendering {folder.name}"):
            block = scenes[first : first + _BLOCK]
            features = extractor(
                [render(scene, bank) for scene in block],
                sampling_rate=extractor.sampling_rate,
                padding="max_length",
                return_attention_mask=True,
                return_tensors="np",
            )
            mel[first : first + len(block)] = features["input_features"]
            lengths[first : first + len(block)] = features["attention_mask"].sum(-1)
            for i, scene in enumerate(block):
                targets[first + i] = frame_targets(scene, bank, target_shape[1])
        np.save(folder / "mel_frames.npy", lengths)
        files.write_jsonl(folder / "scenes.jsonl", [scene.as_dict() for scene in scenes])
    with open(folder / "scenes.jsonl", encoding="utf-8") as lines:
        scenes = [Scene.from_dict(json.loads(line)) for line in lines]
    return Pool(
        scenes=scenes,
        mel=np.load(folder / "mel.npy"),
        mel_frames=np.load(folder / "mel_frames.npy"),
        targets=np.load(folder / "targets.npy"),
    )
