"""``r1aqa probe``: what explains a model's accuracy."""

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
    labelled_questions,
    load_checked,
    say,
)
from r1aqa_helpers.data import read_questions
from r1aqa_helpers.hardware import pick_profile
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.run_dir import check_writable


def probe(
    out: Annotated[Path, typer.Option("--out", help="Folder for answers and probes.json.")],
    model: OtherModel = None,
    questions: TestQuestions = None,
    train: Annotated[
        Path | None,
        typer.Option(
            "--train",
            help="Labelled questions from which baselines learn.",
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
    """Baselines, choice order and the clip's contribution, for one model and test.

    Asks each question under every rotation of its choices, with silence, and with another
    question's clip. Interrupted, the same command resumes.
    """
    chosen = pick_profile(profile)
    if chosen.tiny_questions and questions is None and train is None:
        from r1aqa_helpers.tiny.data import prepare

        train = prepare().train
    train = train or chosen.train
    if train is None:
        raise UserError("probe: give labelled training questions, --train")
    asked, test_set = labelled_questions("probe", chosen, questions, audio_dir)
    seen = read_questions(train, audio_dir)
    check_writable(out)
    from r1aqa_helpers.evaluation.probes import probe as run
    from r1aqa_helpers.evaluation.probes import probe_lines

    result = run(
        load_checked(chosen, model, base, asked),
        asked,
        seen,
        chosen,
        out,
        test_set,
        prompt=int(prompt.value),
        seed=seed,
        say=say,
    )
    echo_result(result, as_json, probe_lines(result))
