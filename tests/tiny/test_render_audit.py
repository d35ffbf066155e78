"""The clips contain what the questions ask: plain signal measures find the gold answers.

Each measure takes a clean render (no reverberation, 60 dB above the noise) of a test scene and
answers the question. It may use what the question says, never the answer.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy.signal import find_peaks

from r1aqa_helpers.data.audio import SAMPLE_RATE
from r1aqa_helpers.tiny.question_types import TYPES
from r1aqa_helpers.tiny.scene_families import TESTING
from r1aqa_helpers.tiny.scenes import render
from r1aqa_helpers.tiny.sounds import NUMBERS, load_bank

SCENES = 40
AGREEMENT = 0.95
HOP = 160  # samples: a frame every 10 ms
FRAMES = SAMPLE_RATE // HOP


def loudness(wave: np.ndarray, window: int = 1024) -> np.ndarray:
    """Magnitudes in 40 bands of equal ratio, 60 to 8,000 Hz, compressed as hearing does."""
    padded = np.pad(wave.astype(np.float64), window // 2)
    pieces = np.lib.stride_tricks.sliding_window_view(padded, window)[::HOP]
    power = np.abs(np.fft.rfft(pieces * np.hanning(window))) ** 2
    edges = np.unique((np.geomspace(60, 7990, 41) * window / SAMPLE_RATE).astype(int))
    bands = np.sqrt(np.add.reduceat(power, edges, axis=1))
    return np.log1p(100 * bands / bands.max())


def onsets(wave: np.ndarray, apart: float, share: float) -> np.ndarray:
    """Times in seconds at which the spectrum swells (spectral flux, Bello et al., 2005).

    ``apart`` is the least distance in seconds, ``share`` the least part of the largest swell.
    """
    bands = loudness(wave)
    step = 3  # frames
    flux = np.maximum(bands[step:] - bands[:-step], 0).sum(axis=1)
    flux = np.concatenate([np.zeros(step), flux, [0.0]])
    peaks, _ = find_peaks(flux, height=share * flux.max(), distance=int(apart * FRAMES))
    return peaks / FRAMES


# --- one measure per question type ---------------------------------------------------------

Measure = Callable[[np.ndarray], str]


def count(wave: np.ndarray) -> str:
    """Onsets."""
    return NUMBERS[min(len(onsets(wave, apart=0.35, share=0.3)), 12)]


def tempo(wave: np.ndarray) -> str:
    """The usual time between onsets."""
    between = np.median(np.diff(onsets(wave, apart=0.16, share=0.4)))
    return "fast" if between < 0.31 else "medium" if between < 0.55 else "slow"


MEASURES: dict[str, Measure] = {m.__name__: m for m in (count, tempo)}


@pytest.mark.parametrize("name", MEASURES)
def test_signal_measure_agrees_with_gold(name):
    rng, bank = np.random.default_rng(7), load_bank()
    wrong = []
    for _ in range(SCENES):
        scene = TYPES[name].scene(rng, TESTING)
        _, gold, _ = TYPES[name].write(scene, rng)
        clean = replace(scene, snr_db=60.0, reverb_seconds=0.0)
        measured = MEASURES[name](render(clean, bank))
        if measured != gold:
            wrong.append((measured, gold, dict(scene.facts)))
    agreement = 1 - len(wrong) / SCENES
    assert agreement >= AGREEMENT, f"{name}: {agreement:.1%}; measured, gold, scene: {wrong}"
