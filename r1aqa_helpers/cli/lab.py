"""``r1aqa lab``: the notebooks in JupyterLab."""

import os
from typing import Annotated

import typer

from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import shown
from r1aqa_helpers.utils.paths import DATA


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
    root, first = DATA.parent, "notebooks/00_welcome.ipynb"
    if not (root / first).is_file():
        raise UserError(
            f"{shown(root / first)}: is not there; clone the repository, and run the command there"
        )
    # This Python's own kernel comes before one of the same name among the user's.
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"
    try:
        from jupyterlab.labapp import LabApp
    except ImportError as fault:
        raise UserError(f"JupyterLab cannot be imported ({fault}); run: uv sync") from fault
    options = [f"--ServerApp.root_dir={root}", f"--LabApp.default_url=/lab/tree/{first}"]
    options += [] if port is None else [f"--ServerApp.port={port}", "--ServerApp.port_retries=0"]
    options += ["--no-browser"] if no_browser else []
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        options.append("--allow-root")  # as in a container; the server listens to this machine only
    LabApp.launch_instance(argv=options)
