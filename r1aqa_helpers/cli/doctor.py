"""``r1aqa doctor``: what this machine has and lacks, and what to do next."""

import json
from typing import Annotated

import typer

from r1aqa_helpers.cli.options import AsJson, ProfileName
from r1aqa_helpers.hardware import pick_profile
from r1aqa_helpers.utils.errors import UserError


def doctor(
    profile: ProfileName = None,
    as_json: AsJson = False,
    offline: Annotated[bool, typer.Option("--offline", help="Leave the Hub alone.")] = False,
) -> None:
    """Say what is here, what is missing, and what to do next.

    Looks at the machine, versions, profile, data, the Hub and its cache, and disk. Downloads and
    changes nothing. Fails where something stops the main job.
    """
    from r1aqa_helpers.hardware.doctor import examine

    if profile is not None:
        pick_profile(profile)  # an unknown name is a mistake in the command, not a finding
    report = examine(profile, offline)
    if as_json:
        typer.echo(json.dumps(report.as_dict(), ensure_ascii=False, allow_nan=False))
    else:
        typer.echo(report.as_text())
    if report.stops:
        raise UserError(report.verdict())
    typer.echo(report.verdict(), err=True)
