"""A real browser on a real JupyterLab, for tests: one server, one page, widgets by their names."""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
#: JupyterLab without its questions, and with cells in the page that are scrolled out of sight.
SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "notebook-extension/tracker": {"windowingMode": "none"},
}
START = 120  # seconds that the server may take
CELL = 300  # seconds that a cell may take, imports of torch included
STEP = 30  # seconds that a click may take to show


def chromium() -> str | None:
    """Where a Chromium of this machine is, if anywhere."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next(filter(None, map(shutil.which, names)), None)


@contextmanager
def jupyter_lab(folder: Path, **environment: str) -> Iterator[str]:
    """A JupyterLab of its own on a free port of this machine; gives its address with token.

    Args:
        folder: its root; settings and workspaces are kept beneath it, in ``.lab``.
        environment: further variables, which kernels see.
    """
    own = folder / ".lab"
    for name, values in SETTINGS.items():
        plugin = own / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        plugin.parent.mkdir(parents=True, exist_ok=True)
        plugin.write_text(json.dumps(values))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    token = secrets.token_hex(16)
    address = f"http://127.0.0.1:{port}"
    command = [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"),
        *("--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0"),
        *(f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={folder}"),
    ]
    variables = {
        **os.environ,
        "JUPYTER_CONFIG_DIR": str(own / "config"),
        "JUPYTERLAB_SETTINGS_DIR": str(own / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(own / "workspaces"),
        **environment,
    }
    with open(folder / "lab.log", "wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, env=variables)
    try:
        _wait(server, f"{address}/api/status?token={token}", folder / "lab.log")
        yield f"{address}/lab/tree/{{}}?reset&token={token}"
    finally:
        server.terminate()  # which ends its kernels too
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _wait(server: subprocess.Popen, url: str, log: Path) -> None:
    end = time.monotonic() + START
    while time.monotonic() < end and server.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise RuntimeError(f"JupyterLab did not start:\n{log.read_text()[-2000:]}")


def write_notebook(path: Path, sources: Sequence[str]) -> None:
    """A notebook of these code cells, not yet run."""
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook = new_notebook(
        cells=[new_code_cell(source) for source in sources], metadata={"kernelspec": kernel}
    )
    nbformat.write(notebook, path)


@contextmanager
def browser(executable: str) -> Iterator[Browser]:
    """A browser without a window."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        try:
            yield started
        finally:
            started.close()


@contextmanager
def opened(started: Browser, url: str, notebook: str) -> Iterator[Page]:
    """The page of a notebook in ``jupyter_lab``'s address, ready to be used."""
    expect.set_options(timeout=STEP * 1000)
    page = started.new_page(viewport={"width": 1400, "height": 1000})
    try:
        page.goto(url.format(notebook))
        # Only when the kernel is there is the notebook whole.
        kernel = page.locator("#jp-main-statusbar").get_by_text("| Idle")
        expect(kernel).to_be_visible(timeout=START * 1000)
        page.set_default_timeout(STEP * 1000)
        yield page
    finally:
        page.close()


def cells(page: Page) -> Locator:
    """The cells of the notebook on the page."""
    return page.locator(".jp-Notebook .jp-Cell")


def run_all(page: Page) -> None:
    """Run all cells and wait until the last has ended."""
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    last = page.locator(".jp-Notebook .jp-CodeCell .jp-InputPrompt").last
    expect(last).to_have_text("[" + str(cells(page).count()) + "]:", timeout=CELL * 1000)


def output(page: Page, cell: int) -> Locator:
    """What the cell with this number, from 0, has put out."""
    return cells(page).nth(cell).locator(".jp-Cell-outputArea")


def slider(area: Locator, label: str) -> Locator:
    """The handle of the slider with this label; the arrow keys move it."""
    row = area.locator(".widget-hslider").filter(has_text=label)
    return row.get_by_role("slider")
