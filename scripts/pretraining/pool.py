"""A pool of rendered scenes to pre-train on: log-mels and frame targets, kept in memory.

Rendering happens once; the stages then draw from the pool, so that the processor cores belong
to the training. The pool holds training takes only (or test takes only, to measure with).

Targets say what sounds in every 40 ms. A scene says when each event sounds, so that an audio
encoder can be taught frame by frame, which takes far fewer clips than learning from one answer per
clip. 25 frames a second is the rate of Qwen2-Audio's audio tokens (log-mel at 100 Hz, convolution
by 2, pooling by 2).
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from transformers import WhisperFeatureExtractor

from r1aqa_helpers.data.audio import TOKENS_PER_SECOND
from r1aqa_helpers.tiny.scene_families import INSTRUMENTS, SOURCES, VOICES, SplitConfig, draw
from r1aqa_helpers.tiny.scenes import Scene, event_wave, render
from r1aqa_helpers.tiny.sounds import NUMBERS, WORDS, Bank, load_bank
from r1aqa_helpers.utils import io
from r1aqa_helpers.utils.progress import track

FRAME_RATE = TOKENS_PER_SECOND  # one target per audio token
_PITCHES = [f"pitch {p}" for p in range(34, 98)]
_NAMES = [*SOURCES, *INSTRUMENTS, *WORDS, *NUMBERS, *VOICES, *_PITCHES, "onset", "loud", "soft"]
#: label -> column of the targets
COLUMNS = {name: i for i, name in enumerate(_NAMES)}
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
    folder: Path, size: int, config: SplitConfig, extractor: WhisperFeatureExtractor, seed: int
) -> Pool:
    """Render ``size`` fresh scenes into ``folder`` (once), and open the result."""
    shape = (size, extractor.feature_size, extractor.nb_max_frames)
    target_shape = (size, extractor.nb_max_frames // 4, len(COLUMNS))
    if not (folder / "scenes.jsonl").exists():
        folder.mkdir(parents=True, exist_ok=True)
        bank, rng = load_bank(), np.random.default_rng(seed)
        scenes = [draw(rng, config) for _ in range(size)]
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
        io.write_jsonl(folder / "scenes.jsonl", [scene.as_dict() for scene in scenes])
    with open(folder / "scenes.jsonl", encoding="utf-8") as lines:
        scenes = [Scene.from_dict(json.loads(line)) for line in lines]
    return Pool(
        scenes=scenes,
        mel=np.load(folder / "mel.npy"),
        mel_frames=np.load(folder / "mel_frames.npy"),
        targets=np.load(folder / "targets.npy"),
    )


def frame_targets(scene: Scene, bank: Bank, frames: int) -> np.ndarray:
    """Multi-hot labels, uint8 of shape (frames, labels).

    Every event marks its name, and the voice of a word, the pitch of a note, its loudness
    (``loud`` from -5 dB up, else ``soft``) in the frames in which it sounds, and ``onset`` in
    its first frame.
    """
    targets = np.zeros((frames, len(COLUMNS)), dtype=np.uint8)
    for event in scene.events:
        samples = len(event_wave(event, bank))
        first = int(event.start * FRAME_RATE)
        last = int(np.ceil((event.start + samples / 16_000) * FRAME_RATE))
        last = min(max(last, first + 1), frames)
        labels = [event.name, "loud" if event.gain_db > -5 else "soft"]
        if event.voice:
            labels.append(event.voice)
        if event.pitch:
            labels.append(f"pitch {event.pitch}")
        for label in labels:
            targets[first:last, COLUMNS[label]] = 1
        targets[first : first + 1, COLUMNS["onset"]] = 1
    return targets
