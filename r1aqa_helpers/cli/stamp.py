"""``r1aqa stamp``: the address of the repository, written everywhere."""

from typing import Annotated

import typer

from r1aqa_helpers.errors import UserError
from r1aqa_helpers.paths import DATA


def stamp(
    repo: Annotated[str, typer.Option("--repo", help="OWNER/NAME on GitHub.", metavar="REPO")],
    check: Annotated[
        bool, typer.Option("--check", help="Only say what would change; fail where something would")
    ] = False,
) -> None:
    """Write the repository's address: project, citation, badges, the notebooks' set-up cell.

    For whoever publishes a copy: run it once in a clone, and commit what it changed.
    """
    from r1aqa_helpers.publishing import stamping

    root = DATA.parent
    changed = stamping.stamp(root, repo, write=not check)
    for path in changed:
        typer.echo(f"{'would change' if check else 'changed'}: {path}")
    if check and changed:
        raise UserError(f"{len(changed)} files would change; run it without --check")
    if not changed:
        typer.echo(f"every place says {repo}")
