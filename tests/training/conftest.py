"""Six recordings, and questions about them."""

import numpy as np
import pytest

from r1aqa_helpers.data import AudioQuestion
from r1aqa_helpers.data.audio import SAMPLE_RATE, save_audio


@pytest.fixture(scope="session")
def questions(tmp_path_factory) -> list[AudioQuestion]:
    """Six, with texts, recordings and answers of unequal lengths."""
    folder = tmp_path_factory.mktemp("clips")
    noise = np.random.default_rng(0)
    made, choices = [], ("dog", "cat", "a passing car")
    for i in range(6):
        wave = 0.1 * noise.standard_normal(SAMPLE_RATE // 2 + 3000 * i).astype(np.float32)
        save_audio(folder / f"{i}.wav", wave)
        made.append(
            AudioQuestion(
                id=f"q{i}",
                audio=folder / f"{i}.wav",
                question="What makes the sound" + " here" * i + "?",
                choices=choices,
                answer=choices[i % 3],
            )
        )
    return made
