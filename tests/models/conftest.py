"""A saved model to be damaged, and what models make of a recording."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from r1aqa_helpers.models import LoadedModel, chat_text, encode


@pytest.fixture
def folder(random_model_dir: Path, tmp_path: Path) -> Path:
    """A copy of the untrained model, to be damaged."""
    return Path(shutil.copytree(random_model_dir, tmp_path / "model"))


@pytest.fixture(scope="session")
def wave() -> np.ndarray:
    """A second and a half of noise."""
    return (0.1 * np.random.default_rng(0).standard_normal(24_000)).astype(np.float32)


@pytest.fixture(scope="session")
def logits(wave: np.ndarray) -> Callable[..., torch.Tensor]:
    """Logits of a model at every place of a chat about a recording of noise."""

    def of(loaded: LoadedModel, text: str = "", heard: np.ndarray = wave) -> torch.Tensor:
        with torch.inference_mode():
            inputs = encode(loaded, [text or chat_text(loaded, "What is it?")], [heard])
            return loaded.model(**inputs).logits.float()

    return of
