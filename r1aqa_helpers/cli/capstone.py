"""``r1aqa capstone``: what a learner's project folder has and lacks."""

from pathlib import Path
from typing import Annotated

import typer

from r1aqa_helpers.errors import UserError


def capstone(
    folder: Annotated[Path, typer.Argument(help="Folder of your project.", metavar="FOLDER")],
) -> None:
    """Check a project of your own: questions, reward, run, evaluation, model card.

    Says what is missing, and fails where anything is. Runs the folder's reward.py.
    """
    from r1aqa_helpers.course.rubric import judge_folder

    found = judge_folder(folder)
    typer.echo(repr(found))
    if not found.passed:
        raise UserError(f"{folder}: not all parts are done")
