"""``r1aqa sampled``: direct inference that is drawn, from several seeds."""

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
    Seed,
    TestQuestions,
    echo_result,
    labelled_questions,
)
from r1aqa_helpers.errors import UserError
from r1aqa_helpers.files import shown
from r1aqa_helpers.profiles import pick_profile
from r1aqa_helpers.run_folder import check_writable


def sampled(
    out: Annotated[Path, typer.Option("--out", help="Folder for answers and sampled.json.")],
    model: OtherModel = None,
    questions: TestQuestions = None,
    audio_dir: AudioDir = None,
    profile: ProfileName = None,
    base: Base = None,
    prompt: Annotated[
        list[Prompt] | None,
        typer.Option(
            "--prompt", help="The paper's prompt; may be given repeatedly.", show_default="1 and 2"
        ),
    ] = None,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="How many seeds, from --seed.")] = 3,
    seed: Seed = 0,
    temperature: Annotated[
        float | None,
        typer.Option("--temperature", min=0.01, help="Of the draws.", show_default="1"),
    ] = None,
    shipped: Annotated[
        bool, typer.Option("--shipped", help="Draw by the settings that the model came with.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Answers drawn from several seeds: mean accuracy, its interval, and the spread.

    Interrupted, the same command goes on.
    """
    if shipped and temperature is not None:
        raise UserError("--temperature, --shipped: give one of them")
    chosen = pick_profile(profile)
    asked, test_set = labelled_questions("sampled", chosen, questions, audio_dir)
    check_writable(out)
    from r1aqa_helpers.models import listening_check, load_for
    from r1aqa_helpers.reproduce.sampled import sampled as run
    from r1aqa_helpers.reproduce.sampled import sampled_lines

    loaded = load_for(chosen, model, base)
    sampling = {} if temperature is None else {"temperature": temperature}
    if shipped:
        if not loaded.shipped:
            raise UserError(
                f"model {shown(loaded.name)}: came with greedy settings; give --temperature"
            )
        sampling = dict(loaded.shipped)
    listening_check(loaded, asked)
    result = run(
        loaded,
        asked,
        chosen,
        out,
        sorted({int(one.value) for one in prompt or (Prompt.plain, Prompt.answer)}),
        range(seed, seed + seeds),
        sampling,
        test_set,
        lambda line: typer.echo(line, err=True),
    )
    echo_result(result, as_json, sampled_lines(result))
