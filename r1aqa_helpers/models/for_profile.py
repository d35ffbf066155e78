"""The model that a profile asks for."""

from pathlib import Path

from ..profiles import Profile
from .bundle import LoadedModel
from .loading import load


def load_for(
    profile: Profile, model: str | Path | None = None, base: str | Path | None = None
) -> LoadedModel:
    """A profile's model, or another in its place, on the profile's device and in its precision.

    Args:
        model: another than the profile's.
        base: of an adapter.

    Raises:
        UserError: as `load`.
    """
    fields = {} if profile.quantise is None else {"quantise": profile.quantise}
    return load(model or profile.model, profile.device, profile.dtype, base, **fields)
