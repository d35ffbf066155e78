"""``r1aqa reproduce``: the main job."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from r1aqa_helpers.cli.frame import given
from r1aqa_helpers.cli.options import RUNS, AudioDir, OtherModel, ProfileName, Seed
from r1aqa_helpers.profiles import pick_profile


def reproduce(
    profile: ProfileName = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder of the run; by default runs/PROFILE.")
    ] = None,
    seed: Seed = 0,
    minutes: Annotated[
        float | None,
        typer.Option("--minutes", min=0, help="Stop after so long; the same command goes on."),
    ] = None,
    train: Annotated[
        Path | None, typer.Option("--train", help="Other training questions than the profile's.")
    ] = None,
    test: Annotated[
        Path | None, typer.Option("--test", help="Other test questions than the profile's.")
    ] = None,
    audio_dir: AudioDir = None,
    model: OtherModel = None,
) -> None:
    """The main job: measure direct inference, zero-shot CoT, SFT and GRPO beside the paper.

    Fails where GRPO does not beat direct inference by 10 points with p < 0.001.
    Interrupted anywhere, the same command goes on.
    """
    from r1aqa_helpers.reproduce import reproduce as run

    chosen = pick_profile(profile)
    places = given(train=train, test=test, audio_dir=audio_dir, model=model)
    chosen = replace(chosen, **places)
    run(chosen, out or RUNS / chosen.name, seed=seed, minutes=minutes)
