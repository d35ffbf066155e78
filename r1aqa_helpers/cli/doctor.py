"""``r1aqa doctor``: what is here and what is missing."""

import json
from typing import Annotated

import typer

from r1aqa_helpers.cli.options import (
    AsJson,
    ProfileName,
)
from r1aqa_helpers.errors import UserError
from r1aqa_helpers.profiles import pick_profile


def doctor(
    profile: ProfileName = None,
    as_json: AsJson = False,
    offline: Annotated[bool, typer.Option("--offline", help="Leave the Hub alone.")] = False,
) -> None:
    """Say what is here, what is missing, and what to do next.

    Looks at the machine, versions, profile, free room, the Hub, and which weights and data are
    here. Downloads and changes nothing. Fails where something stops the main job.
    """
    from r1aqa_helpers.doctor import examine

    if profile is not None:
        pick_profile(profile)  # an unknown name is the user's slip, not a finding
    done = examine(profile, offline)
    if as_json:
        typer.echo(json.dumps(done.as_dict(), ensure_ascii=False, allow_nan=False))
    else:
        typer.echo(done.as_text())
    if done.stops:
        raise UserError(done.verdict())
    typer.echo(done.verdict(), err=True)
