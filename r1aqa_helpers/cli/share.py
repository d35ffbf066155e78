"""``r1aqa push``: share a saved model."""

from pathlib import Path
from typing import Annotated

import typer

from r1aqa_helpers.cli import options as opt


def push(
    folder: Annotated[Path, typer.Argument(help="Folder of a saved model.", metavar="FOLDER")],
    repo: Annotated[str, typer.Option(help="Where to: OWNER/NAME.")],
    private: Annotated[
        bool, typer.Option("--private", help="Make a new repository private.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List what would be sent; no network.")
    ] = False,
) -> None:
    """Upload a saved model or adapter, with its card, to the Hugging Face Hub.

    The access token is read from HF_TOKEN, or from where `hf auth login` stores it.
    """
    from r1aqa_helpers.models import push as upload

    address = upload(folder, repo, private=private, dry_run=dry_run, say=opt.echo)
    if address is not None:
        opt.echo(address)
