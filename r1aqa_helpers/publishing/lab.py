"""JupyterLab with this very Python as its kernel, opened at the first notebook."""

import json
import os
import socket
import sys
import tempfile
from pathlib import Path

from ..errors import UserError
from .stamping import check_clone

FIRST = "notebooks/00_welcome.ipynb"


def open_lab(root: Path, port: int | None = None, browser: bool = True) -> None:
    """Run JupyterLab until it is stopped.

    The notebooks ask for the kernel ``python3``. What stands for it here is a description in a
    folder of this run only, so neither the user's own kernels nor this Python's are touched.

    Args:
        root: a clone of the project.
        port: of the server; by default the first free one from 8888 on.
        browser: whether to open the page.

    Raises:
        UserError: there are no notebooks, the port is taken, or JupyterLab is not installed.
    """
    check_clone(root)
    if port is not None:
        _check_port(port)
    try:
        from jupyterlab.labapp import LabApp
    except ImportError as fault:
        raise UserError(f"JupyterLab cannot be imported ({fault}); run: uv sync") from fault
    options = [f"--ServerApp.root_dir={root}", f"--ServerApp.default_url=/lab/tree/{FIRST}"]
    options += [f"--LabApp.default_url=/lab/tree/{FIRST}"]
    if port is not None:
        options += [f"--ServerApp.port={port}", "--ServerApp.port_retries=0"]
    if not browser:
        options += ["--no-browser"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        options += ["--allow-root"]  # as in a container; the server listens to this machine only
    with tempfile.TemporaryDirectory(prefix="r1aqa-kernel-") as folder:
        write_kernel(Path(folder))
        # The places in JUPYTER_PATH come before the user's and this Python's.
        places = [folder, os.environ.get("JUPYTER_PATH")]
        os.environ["JUPYTER_PATH"] = os.pathsep.join(filter(None, places))
        LabApp.launch_instance(argv=options)


def write_kernel(folder: Path) -> None:
    """Describe this Python as the kernel ``python3`` in a folder of Jupyter's data."""
    command = [sys.executable, "-Xfrozen_modules=off", "-m", "ipykernel_launcher"]
    kernel = {
        "argv": [*command, "-f", "{connection_file}"],
        "display_name": "Python 3",
        "language": "python",
        "metadata": {"debugger": True},
    }
    place = folder / "kernels" / "python3"
    place.mkdir(parents=True)
    (place / "kernel.json").write_text(json.dumps(kernel), encoding="utf-8")


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        # As the server will: a port that was in use a moment ago is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as fault:
            raise UserError(f"--port {port}: {fault.strerror}; give another, or none") from fault
