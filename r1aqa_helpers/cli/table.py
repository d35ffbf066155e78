"""``r1aqa table``: every row, reported beside reproduced."""

import json
from pathlib import Path
from typing import Annotated

import typer

from r1aqa_helpers.cli.options import AsJson


def table(
    run: Annotated[
        list[Path] | None,
        typer.Option("--run", help="Folder of a run of r1aqa reproduce; may be given repeatedly."),
    ] = None,
    scored: Annotated[
        list[Path] | None,
        typer.Option("--scored", help="Row that r1aqa score --out wrote; may be given repeatedly."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """All rows of the published table, floors and own rows: reported beside reproduced.

    Own rows are those of the committed runs of the tiny track, of the runs that --run names,
    of predictions that --scored names, and of your own listening test (r1aqa quiz).
    """
    from rich.console import Console

    from r1aqa_helpers.data import read_questions
    from r1aqa_helpers.reporting import load_published
    from r1aqa_helpers.reporting.leaderboard import load_table, print_table
    from r1aqa_helpers.utils.paths import TINY

    published = load_published()
    rows = load_table(published, run or [], read_questions(TINY / "tiny-mmau.json"), scored or [])
    if as_json:
        typer.echo(json.dumps({"rows": rows}, ensure_ascii=False, allow_nan=False))
        return
    # Wide enough for a row to stay one row also in a pipe.
    console = Console(width=max(140, Console().width))
    for part in print_table(rows, published):
        console.print(part)
