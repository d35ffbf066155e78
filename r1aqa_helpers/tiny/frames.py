"""Dense targets: what sounds in every 40 ms, for the audio tower's first lessons.

A scene says when each event sounds, so that a tower can be taught frame by frame, which takes
far fewer clips than learning from one answer per clip. 25 frames a second is the rate of
Qwen2-Audio's audio tokens (log-mel at 100 Hz, convolution by 2, pooling by 2).
"""

import numpy as np

from r1aqa_helpers.audio import TOKENS_PER_SECOND
from r1aqa_helpers.tiny.bank import NUMBERS, WORDS, Bank
from r1aqa_helpers.tiny.families import INSTRUMENTS, SOURCES, VOICES
from r1aqa_helpers.tiny.scenes import Scene, event_wave

FRAME_RATE = TOKENS_PER_SECOND  # one target per audio token
_PITCHES = [f"pitch {p}" for p in range(34, 98)]
_NAMES = [*SOURCES, *INSTRUMENTS, *WORDS, *NUMBERS, *VOICES, *_PITCHES, "onset", "loud", "soft"]
#: label -> column of the targets
COLUMNS = {name: i for i, name in enumerate(_NAMES)}


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
