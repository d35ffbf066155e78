"""``r1aqa lab``: the notebooks in JupyterLab."""

from typing import Annotated

import typer

from r1aqa_helpers.paths import DATA


def lab(
    port: Annotated[
        int | None,
        typer.Option("--port", min=1, max=65535, help="By default the first free one from 8888."),
    ] = None,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Only print the address.")
    ] = False,
) -> None:
    """Open the course in JupyterLab, at notebook 00, with this Python as its kernel."""
    from r1aqa_helpers.publishing.lab import open_lab

    open_lab(DATA.parent, port, browser=not no_browser)
