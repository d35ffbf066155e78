"""What all commands share: errors as one line and an exit code, and the parsing of options."""

import os
import sys
import time
import warnings
from contextlib import ExitStack, redirect_stdout
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from r1aqa_helpers.utils.errors import UserError

# pretty_exceptions: a traceback is for a defect report, and shall not show local values.
OPTIONS = {"no_args_is_help": True, "rich_markup_mode": None}


#: Started by a launcher, all processes meet the same fault; this long the others leave the main
#: one to tell it, in seconds. It ends when it has, and the launcher ends the others.
_PRECEDENCE = 5.0


class Reporting(TyperGroup):
    """Turns what the user can mend, and Ctrl-C, into one line and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; what the user can mend becomes exit code 1, Ctrl-C 130.

        Of several processes that a launcher started, the main one speaks.
        """
        main = os.environ.get("RANK", "0") == "0"
        if not sys.stderr.isatty():
            # Read when the library is imported; transformers' bars follow it. A log wants lines.
            os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
        warnings.formatwarning = lambda message, *_, **__: f"warning: {message}\n"
        if not main:
            warnings.simplefilter("ignore")
        try:
            with ExitStack() as stack:
                if not main:
                    nowhere = stack.enter_context(open(os.devnull, "w"))
                    stack.enter_context(redirect_stdout(nowhere))
                return super().invoke(ctx)
        except UserError as error:
            if not main:
                time.sleep(_PRECEDENCE)
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            if main:
                typer.echo("\ninterrupted: the same command goes on from here", err=True)
            raise typer.Exit(130) from None

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Find the command; one that does its work alone is refused to several processes."""
        name, command, rest = super().resolve_command(ctx, args)
        count = os.environ.get("WORLD_SIZE", "1")
        if count != "1" and name != "train":
            raise UserError(
                f"{name}: is the work of one process, and {count} were started; start it without "
                "the launcher, which is for train"
            )
        return name, command, rest


class ManyChoices(TyperCommand):
    """Lets ``--choices`` take all the words up to the next option: ``--choices A B C``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse, after `spread`."""
        return super().parse_args(ctx, spread(args, "--choices"))


def spread(args: list[str], option: str) -> list[str]:
    """``--choices A B`` as ``--choices=A --choices=B``, which option parsers understand.

    The words end at the next argument that starts with two dashes.
    """
    spread_args, taking = [], False
    for position, arg in enumerate(args):
        if arg == option:
            taking = True
            if position + 1 == len(args) or args[position + 1].startswith("--"):
                spread_args.append(arg)  # no word follows: let the parser say so
        elif taking and not arg.startswith("--"):
            spread_args.append(f"{option}={arg}")
        else:
            taking = False
            spread_args.append(arg)
    return spread_args


def given(**options: Any) -> dict[str, Any]:
    """The options that were given."""
    return {name: value for name, value in options.items() if value is not None}
