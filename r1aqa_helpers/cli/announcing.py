"""What a command prints about its profile before it works."""

import os
from typing import Any

import typer

from r1aqa_helpers.hardware import Profile


def announce(profile: Profile, settings: Any = None) -> None:
    """Print the profile with its budget on this machine.

    Args:
        settings: of the one training that is to be done, where they may differ from the profile's.

    Raises:
        UserError: the profile's device is not here.
    """
    from r1aqa_helpers.hardware.summary import announcement, with_settings

    shown = profile if settings is None else with_settings(profile, settings)
    # A launcher says how many processes there are before they have met.
    typer.echo(announcement(shown, gpus=int(os.environ.get("WORLD_SIZE", "1"))))
