"""The model that a profile asks for."""

from pathlib import Path

import torch

from r1aqa_helpers.hardware import Profile
from r1aqa_helpers.models.loaded import LoadedModel
from r1aqa_helpers.models.loading import load


def load_for(
    profile: Profile,
    model: str | Path | None = None,
    base: str | Path | None = None,
    device: str | torch.device | None = None,
) -> LoadedModel:
    """A profile's model, or another in its place, on the profile's device and in its precision.

    Args:
        model: another than the profile's.
        base: of an adapter.
        device: in place of the profile's, such as one of several GPUs.

    Raises:
        UserError: as `load`.
    """
    return load(
        model or profile.model, device or profile.device, profile.dtype, base, profile.quantise
    )
