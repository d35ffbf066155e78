"""``r1aqa reproduce``: the main job, and the comparison of finished models."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from r1aqa_helpers.cli.announcing import announce
from r1aqa_helpers.cli.frame import given
from r1aqa_helpers.cli.options import RUNS, AudioDir, OtherModel, ProfileName, Seed
from r1aqa_helpers.hardware import pick_profile
from r1aqa_helpers.utils.errors import UserError


def reproduce(
    profile: ProfileName = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="Folder of the run; by default runs/PROFILE, with --questions"
            " runs/PROFILE-QUESTIONS.",
        ),
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
    questions: Annotated[
        str | None,
        typer.Option(
            "--questions",
            help="Train nothing: compare the base model and the trained one, on"
            " mmau-test-mini-v1, mmau-test-mini-v05.15.25, or a file, with the published rows.",
        ),
    ] = None,
    trained: Annotated[
        str | None,
        typer.Option(
            "--trained",
            help="With --questions: the trained model, a folder or Hub name; by default"
            " mispeech/r1-aqa.",
        ),
    ] = None,
    endpoint: Annotated[
        str | None,
        typer.Option(
            "--endpoint",
            help="With --questions: ask an OpenAI-compatible server in place of local models."
            " --model and --trained are then its names for them; one of the two is enough.",
        ),
    ] = None,
) -> None:
    """The main job: measure direct inference, zero-shot CoT, SFT and GRPO beside the paper.

    Fails where GRPO does not beat direct inference by 10 points with p < 0.001.
    Interrupted anywhere, the same command goes on.

    With --questions nothing is trained: the base model and the released mispeech/r1-aqa (or the
    one that --trained names) answer, and each published row is called reproduced, above or below.
    """
    chosen = pick_profile(profile)
    if questions is None:
        if trained is not None or endpoint is not None:
            raise UserError(
                "--trained, --endpoint: evaluate finished models, and without --questions a model"
                " is trained here; add --questions, such as mmau-test-mini-v1"
            )
        from r1aqa_helpers.experiments.reproduce import reproduce as run

        places = given(train=train, test=test, audio_dir=audio_dir, model=model)
        chosen = replace(chosen, **places)
        announce(chosen)
        run(chosen, out or RUNS / chosen.name, seed=seed, minutes=minutes)
        return
    if train is not None or test is not None:
        raise UserError(
            "--train, --test: are for training, and with --questions nothing is trained; give"
            " either these or --questions"
        )
    from r1aqa_helpers.data.mmau.prepare import find_questions
    from r1aqa_helpers.experiments.compare import compare

    if endpoint is None:
        announce(chosen)
    compare(
        chosen,
        find_questions(questions, RUNS),
        out,
        base=model,
        trained=trained,
        endpoint=endpoint,
        audio_dir=audio_dir,
        seed=seed,
        minutes=minutes,
        runs=RUNS,
    )
