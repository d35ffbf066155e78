"""The Typer app: its commands, how errors are reported, and exit codes.

Exit codes: 0 success (also where ``--minutes`` ended a run early, as requested), 1 a reported
failure, in one line on stderr, 2 wrong usage, 130 interrupted with Ctrl-C, 143 by SIGTERM.

Commands import torch only when they run, so that ``--help`` is quick.
"""

import errno
import os
import signal
import sys
import threading
import time
import warnings
from contextlib import ExitStack, redirect_stdout
from types import FrameType
from typing import Any

import typer
from typer.core import TyperGroup

from r1aqa_helpers.cli.data import data_app
from r1aqa_helpers.cli.doctor import doctor, lab, quiz
from r1aqa_helpers.cli.evaluate import ManyChoices, ask, cascade, evaluate, probe, score
from r1aqa_helpers.cli.experiments import experiment_app, reproduce, table
from r1aqa_helpers.cli.options import GROUP
from r1aqa_helpers.cli.share import push
from r1aqa_helpers.cli.train import train_app
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.untrusted import MESSAGE, plain, shown

#: What a disk may do at any moment, in any library: full, over a limit, read-only, broken.
_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO})
#: Processes that a launcher started meet the same error. The others wait this many seconds, so
#: that the main one reports it; when that one ends, the launcher ends the others.
_HEAD_START = 5.0


class _Terminated(KeyboardInterrupt):
    """SIGTERM, by which schedulers and hosts end a process: what Ctrl-C ends cleanly, it does."""


def _terminate(number: int, frame: FrameType | None) -> None:
    raise _Terminated


class Reporting(TyperGroup):
    """Turns a `UserError`, a full disk, Ctrl-C and SIGTERM into one line and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command. Of several processes that a launcher started, only the main one prints.

        Raises:
            typer.Exit: with code 1 after a `UserError`, 130 after Ctrl-C, 143 after SIGTERM.
        """
        main = os.environ.get("RANK", "0") == "0"
        if not sys.stderr.isatty():
            # Read when the library is imported; transformers' bars follow it. A log wants lines.
            os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
        warnings.formatwarning = lambda message, *_, **__: f"warning: {plain(message, MESSAGE)}\n"
        if not main:
            warnings.simplefilter("ignore")
        try:
            with ExitStack() as stack:
                if threading.current_thread() is threading.main_thread():
                    before = signal.signal(signal.SIGTERM, _terminate)
                    stack.callback(signal.signal, signal.SIGTERM, before)
                if not main:
                    nowhere = stack.enter_context(open(os.devnull, "w"))
                    stack.enter_context(redirect_stdout(nowhere))
                return super().invoke(ctx)
        except UserError as error:
            if not main:
                time.sleep(_HEAD_START)
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(1) from None
        except KeyboardInterrupt as interruption:
            if main:
                typer.echo("\ninterrupted: the same command goes on from here", err=True)
            raise typer.Exit(143 if isinstance(interruption, _Terminated) else 130) from None
        except OSError as error:
            if error.errno not in _DISK:
                raise
            name = f"{shown(error.filename)}: " if isinstance(error.filename, str) else ""
            typer.echo(
                f"error: {name}{error.strerror}; make room, or choose another place", err=True
            )
            raise typer.Exit(1) from None

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Find the command; only ``train`` may run in several processes."""
        name, command, rest = super().resolve_command(ctx, args)
        count = os.environ.get("WORLD_SIZE", "1")
        if count != "1" and name != "train":
            raise UserError(
                f"{name}: is the work of one process, and {count} were started; start it without "
                "the launcher, which is for train"
            )
        return name, command, rest


app = typer.Typer(
    name="r1aqa",
    cls=Reporting,
    help="Reproduce R1-AQA: reinforcement learning for audio question answering.",
    pretty_exceptions_enable=False,  # a plain traceback, without the values of local variables
    add_completion=False,
    **GROUP,
)
app.command()(reproduce)
app.command()(evaluate)
app.command()(score)
app.command(cls=ManyChoices)(ask)
for _command in (quiz, probe, cascade, table, push, doctor, lab):
    app.command()(_command)
app.add_typer(train_app, name="train")
app.add_typer(data_app, name="data")
app.add_typer(experiment_app, name="experiment")


def main() -> None:
    """Run ``r1aqa`` with the arguments of this process."""
    app(prog_name="r1aqa")
