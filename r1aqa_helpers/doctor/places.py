"""Where things lie: the checkout, the Hub's cache."""

from __future__ import annotations

from pathlib import Path

#: The checkout; of an installed package, the folder that it lies in.
ROOT = Path(__file__).resolve().parents[2]


def hub_cache() -> Path:
    """Where the Hub's files are kept."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    return next(path for path in (folder, *folder.parents) if path.exists())
