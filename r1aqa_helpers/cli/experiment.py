"""``r1aqa experiment``: all trained methods on the tiny track, and what came out."""

from pathlib import Path
from typing import Annotated

import typer

from r1aqa_helpers.cli.frame import OPTIONS
from r1aqa_helpers.cli.options import RUNS

experiment_app = typer.Typer(
    help="Compare all trained methods on the tiny track: learning rates chosen on validation, "
    "several seeds, one file per run.",
    **OPTIONS,
)
Out = Annotated[Path, typer.Option("--out", help="Folder of the experiment.")]
Seeds = Annotated[int, typer.Option("--seeds", min=1, help="Runs of each method.")]
Minutes = Annotated[
    float | None,
    typer.Option("--minutes", min=0, help="Stop after so long; the same command goes on."),
]


@experiment_app.command("table")
def table(out: Out = RUNS / "experiment", seeds: Seeds = 3, minutes: Minutes = None) -> None:
    """All trained methods on equally many questions. Interrupted, the same command goes on."""
    _run("table", out, seeds, minutes)


@experiment_app.command("regimes")
def regimes(out: Out = RUNS / "experiment", seeds: Seeds = 3, minutes: Minutes = None) -> None:
    """SFT and GRPO with few questions, wrong labels, many epochs, out of domain."""
    _run("regimes", out, seeds, minutes)


@experiment_app.command("summary")
def summary(
    folder: Annotated[Path, typer.Argument(help="The --out of an experiment.")],
    seeds: Seeds = 3,
) -> None:
    """Accuracies over seeds, paired comparisons, costs; also of runs that are not all done."""
    from rich.console import Console

    from r1aqa_helpers.experiments.summary import load_records, print_summary, summarise

    print_summary(Console(), summarise(load_records(folder), seeds))


def _run(plan: str, out: Path, seeds: int, minutes: float | None) -> None:
    from r1aqa_helpers.experiments.plan import PLANS
    from r1aqa_helpers.experiments.splits import tiny_splits
    from r1aqa_helpers.experiments.sweep import Experiment
    from r1aqa_helpers.hardware import TINY_PROFILE

    experiment = Experiment(TINY_PROFILE, tiny_splits(), out, seeds, minutes, typer.echo)
    if experiment.run(PLANS[plan]):
        typer.echo(f"All runs are done; r1aqa experiment summary {out} says what came out.")
    else:
        experiment.say_out_of_time()
