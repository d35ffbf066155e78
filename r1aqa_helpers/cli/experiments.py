"""Commands of whole experiments: reproduce, experiment, table."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from r1aqa_helpers.cli import options as opt
from r1aqa_helpers.hardware import TINY_PROFILE, pick_profile
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.run_dir import check_writable
from r1aqa_helpers.utils.untrusted import shown

experiment_app = typer.Typer(
    help="Compare all trained methods on the tiny track: learning rates chosen on validation, "
    "several seeds, one file per run.",
    **opt.GROUP,
)


def reproduce(
    profile: opt.ProfileName = None,
    out: Annotated[
        Path | None,
        typer.Option(help="By default runs/PROFILE, with --questions runs/PROFILE-QUESTIONS."),
    ] = None,
    seed: opt.Seed = 0,
    minutes: opt.Minutes = None,
    train: opt.TrainQuestions = None,
    test: Annotated[
        Path | None, typer.Option(help="Test questions, in place of the profile's.")
    ] = None,
    audio_dir: opt.AudioDir = None,
    model: opt.OtherModel = None,
    questions: Annotated[
        str | None,
        typer.Option(
            help="Train nothing; compare finished models with the published rows on"
            " mmau-test-mini-v1, mmau-test-mini-v05.15.25, or a file."
        ),
    ] = None,
    trained: Annotated[
        str | None,
        typer.Option(help="With --questions: folder or Hub name; by default mispeech/r1-aqa."),
    ] = None,
    endpoint: opt.Endpoint = None,
) -> None:
    """Measure direct inference, zero-shot CoT, SFT and GRPO, and print them beside the paper.

    Fails where GRPO does not beat direct inference by 10 points with p < 0.001.
    After an interruption, the same command resumes.

    With --questions nothing is trained: the base model and the released mispeech/r1-aqa (or the
    one that --trained names) answer, and each published row is called reproduced, above or below.
    With --endpoint, which is for --questions, one of --model and --trained is enough.
    """
    from r1aqa_helpers.hardware.summary import announcement

    chosen = pick_profile(profile)
    if questions is None:
        if trained is not None or endpoint is not None:
            raise UserError(
                "--trained, --endpoint: evaluate finished models, and without --questions a model"
                " is trained here; add --questions, such as mmau-test-mini-v1"
            )
        from r1aqa_helpers.experiments.reproduce import reproduce as run

        places = opt.given(train=train, test=test, audio_dir=audio_dir, model=model)
        chosen = replace(chosen, **places)
        opt.echo(announcement(chosen))
        run(chosen, out or opt.RUNS / chosen.name, seed=seed, minutes=minutes)
        return
    if train is not None or test is not None:
        raise UserError(
            "--train, --test: are for training, and with --questions nothing is trained; give"
            " either these or --questions"
        )
    from r1aqa_helpers.data.mmau.prepare import find_questions
    from r1aqa_helpers.experiments.compare import compare

    found = find_questions(questions, opt.RUNS)
    if endpoint is None:
        opt.echo(announcement(chosen))
    results = compare(
        chosen,
        found,
        out,
        base=model,
        trained=trained,
        endpoint=endpoint,
        audio_dir=audio_dir,
        seed=seed,
        minutes=minutes,
    )
    for row in results["rows"] if results else ():
        if row["missing"]:
            raise UserError(
                f"{row['method']}: {row['missing']} of {row['n']} answers are missing and count as"
                " wrong; give the same command again"
            )


_Seeds = Annotated[
    int | None, typer.Option(min=1, help="At most so many of each method; by default the plan's.")
]


@experiment_app.command("run")
def experiment_run(
    out: Annotated[Path, typer.Option(help="Folder of the experiment.")] = opt.RUNS / "experiment",
    seeds: _Seeds = None,
    minutes: opt.Minutes = None,
    only: Annotated[
        list[str] | None,
        typer.Option(help="A method or regime, in place of all; may be repeated."),
    ] = None,
) -> None:
    """Do all runs of the plan. The same command resumes.

    Given several times at once with the same --out, it shares the runs out; with a core each and
    OMP_NUM_THREADS=1 that is faster than one process with all cores.
    """
    from r1aqa_helpers.experiments.plan import PLAN, selected, tiny_splits
    from r1aqa_helpers.experiments.sweep import Experiment

    regimes = selected(only) if only else PLAN
    check_writable(out)  # before clips are rendered
    experiment = Experiment(TINY_PROFILE, tiny_splits(), out, seeds, minutes, opt.echo)
    if experiment.run(regimes):
        opt.echo(f"All runs are done; r1aqa experiment summary {shown(out)} prints the results.")
    else:
        experiment.say_out_of_time()


@experiment_app.command("summary")
def experiment_summary(
    folder: Annotated[Path, typer.Argument(help="The --out of an experiment.")],
    seeds: _Seeds = None,
    as_json: opt.AsJson = False,
) -> None:
    """Print accuracies over seeds, paired comparisons and costs, also of unfinished experiments."""
    from rich.console import Console

    from r1aqa_helpers.experiments.summary import load_records, print_summary, summarise

    summary = summarise(load_records(folder), seeds)
    if as_json:
        opt.echo_json(summary.as_dict())
    else:
        print_summary(Console(), summary)


def table(
    run: Annotated[
        list[Path] | None, typer.Option(help="Folder of a run of r1aqa reproduce; may be repeated.")
    ] = None,
    scored: Annotated[
        list[Path] | None, typer.Option(help="Row that r1aqa score --out wrote; may be repeated.")
    ] = None,
    as_json: opt.AsJson = False,
) -> None:
    """Print all published rows, baselines and own rows: reported beside reproduced.

    Own rows are the committed runs of the tiny track, the runs that --run names, the predictions
    that --scored names, and your own listening test (r1aqa quiz).
    """
    from rich.console import Console

    from r1aqa_helpers.data import read_questions
    from r1aqa_helpers.reporting import load_published
    from r1aqa_helpers.reporting.leaderboard import load_table, print_table
    from r1aqa_helpers.utils.paths import TINY

    published = load_published()
    rows = load_table(published, run or [], read_questions(TINY / "tiny-mmau.json"), scored or [])
    if as_json:
        opt.echo_json({"rows": rows})
        return
    # Wide enough for a row to stay one row also in a pipe.
    console = Console(width=max(140, Console().width))
    for part in print_table(rows, published):
        console.print(part)
