"""``r1aqa probe``: what stands behind a model's accuracy."""

from pathlib import Path
from typing import Annotated

import typer

from r1aqa_helpers.cli.options import (
    AsJson,
    AudioDir,
    Base,
    OtherModel,
    ProfileName,
    Prompt,
    PromptNumber,
    Seed,
    TestQuestions,
    echo_result,
)
from r1aqa_helpers.errors import UserError
from r1aqa_helpers.profiles import pick_profile
from r1aqa_helpers.questions import read_questions
from r1aqa_helpers.run_folder import check_writable


def probe(
    out: Annotated[Path, typer.Option("--out", help="Folder for answers and probes.json.")],
    model: OtherModel = None,
    questions: TestQuestions = None,
    train: Annotated[
        Path | None,
        typer.Option(
            "--train",
            help="Labelled questions from which floors learn.",
            show_default="the profile's",
        ),
    ] = None,
    audio_dir: AudioDir = None,
    profile: ProfileName = None,
    base: Base = None,
    prompt: PromptNumber = Prompt.answer,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Floors, choice order and the clip's contribution, for one model and test.

    Asks each question under every rotation of its choices, with silence, and with another
    question's clip. Interrupted, the same command goes on.
    """
    chosen = pick_profile(profile)
    if chosen.tiny_questions and questions is None and train is None:
        from r1aqa_helpers.tiny.data import prepare

        data = prepare()
        questions, train = data.test, data.train
    questions, train = questions or chosen.test, train or chosen.train
    if questions is None or train is None:
        raise UserError("probe: give test questions and training questions, --questions, --train")
    asked = read_questions(questions, audio_dir)
    seen = read_questions(train, audio_dir)
    check_writable(out)
    from r1aqa_helpers.models import listening_check, load_for
    from r1aqa_helpers.probes import probe as run
    from r1aqa_helpers.probes import probe_lines

    loaded = load_for(chosen, model, base)
    listening_check(loaded, asked)
    result = run(
        loaded,
        asked,
        seen,
        chosen,
        out,
        prompt=int(prompt.value),
        seed=seed,
        say=lambda line: typer.echo(line, err=True),
    )
    echo_result(result, as_json, probe_lines(result))
