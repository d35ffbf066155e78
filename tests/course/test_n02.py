"""What the checks of notebook 02 hold right is what the model and its processor do."""

import numpy as np
import pytest

from r1aqa_helpers.course.checks.n02 import right_tokens
from r1aqa_helpers.models import LoadedModel, chat_text, encode
from r1aqa_helpers.tiny.build import random_tiny


@pytest.fixture(scope="module")
def loaded() -> LoadedModel:
    return LoadedModel(*random_tiny(0), "random")


# Whole frames, one sample more, one less than the next, and a full window.
@pytest.mark.parametrize("samples", [16_000, 57_920, 57_921, 58_000, 58_079, 63_999, 64_000])
def test_tokens_are_those_that_the_processor_writes(loaded, samples):
    inputs = encode(loaded, [chat_text(loaded, "What is it?")], [np.zeros(samples, np.float32)])
    written = (inputs["input_ids"] == loaded.model.config.audio_token_id).sum()
    assert written == right_tokens(samples, loaded.window_seconds)
