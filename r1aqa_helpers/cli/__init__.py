"""The command line: ``r1aqa``. Only options, messages and exit codes; the work is elsewhere.

Exit codes: 0 success (also where ``--minutes`` ended a run early, as was asked), 1 a reported
failure, told in one line on stderr, 2 wrong usage, 130 interrupted with Ctrl-C.

Modules that import torch are imported inside the commands, so that ``--help`` is quick.
"""

import typer

from r1aqa_helpers.cli.answering import ask, evaluate, quiz, score
from r1aqa_helpers.cli.cascade import cascade
from r1aqa_helpers.cli.data import data_app
from r1aqa_helpers.cli.doctor import doctor
from r1aqa_helpers.cli.experiment import experiment_app
from r1aqa_helpers.cli.frame import OPTIONS, ManyChoices, Reporting, spread
from r1aqa_helpers.cli.lab import lab
from r1aqa_helpers.cli.probe import probe
from r1aqa_helpers.cli.reproduce import reproduce
from r1aqa_helpers.cli.share import push
from r1aqa_helpers.cli.table import table
from r1aqa_helpers.cli.train import train_app

__all__ = ["app", "main", "spread"]

app = typer.Typer(
    name="r1aqa",
    cls=Reporting,
    help="Reproduce R1-AQA: reinforcement learning for audio question answering.",
    pretty_exceptions_enable=False,
    add_completion=False,
    **OPTIONS,
)
app.command()(reproduce)
app.command()(evaluate)
app.command()(score)
app.command(cls=ManyChoices)(ask)
app.command()(quiz)
app.command()(probe)
app.command()(cascade)
app.command()(table)
app.command()(push)
app.command()(doctor)
app.command()(lab)
app.add_typer(train_app, name="train")
app.add_typer(data_app, name="data")
app.add_typer(experiment_app, name="experiment")


def main() -> None:
    """The entry point of ``r1aqa``."""
    app(prog_name="r1aqa")
