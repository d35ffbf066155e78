"""Run the course as Google Colab does: its packages, its variables, the set-up cell, the notebooks.

    uv run scripts/colab_environment.py             every notebook
    uv run scripts/colab_environment.py 00 03       these
    uv run scripts/colab_environment.py --newest    with the newest version of everything: a report

The packages are those of scripts/colab_image.txt. A folder given by --folder is kept, with the
environment, the runs and the clone, and the next call goes on with it. The clone has what is
committed. Not like Colab: there is no GPU, no module google.colab, and no page.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path

from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

import notebooks
from r1aqa_helpers.course.notebooks import NOTEBOOKS
from r1aqa_helpers.course.session import RUNS_VARIABLE

IMAGE = Path(__file__).with_name("colab_image.txt")
PYTHON = "3.13"
KERNEL = "colab"
#: What names the host. Kaggle's image is built on Colab's, and has its variable as well.
_COLAB = {"COLAB_RELEASE_TAG": "release-colab"}
HOSTS = {
    "colab": _COLAB,
    "kaggle": {**_COLAB, "KAGGLE_KERNEL_RUN_TYPE": "Interactive"},
    "kaggle-batch": {**_COLAB, "KAGGLE_KERNEL_RUN_TYPE": "Batch"},
}
FAILURES = (CellExecutionError, CellTimeoutError, DeadKernelError)
#: Stands before uv: the set-up cell runs it quietly, and this keeps what it says.
_SHIM = """\
#!/bin/sh
for word; do shift; [ "$word" = --quiet ] || set -- "$@" "$word"; done
"{uv}" "$@" 2>>"{log}" || {{ tail -n 20 "{log}" >&2; exit 1; }}
"""


def uv(*arguments: str | Path) -> str:
    """Run uv without the repository's pins, and return what it prints.

    Raises:
        SystemExit: it failed; the message is uv's.
    """
    command = ["uv", *map(str, arguments), "--no-config"]
    done = subprocess.run(command, cwd=IMAGE.parent, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"uv {arguments[0]} {arguments[1]} failed:\n{done.stderr.strip()}")
    return done.stdout


def interpreter() -> str:
    """The image's Python for uv: one of pyenv's, which uv does not look for, or what uv finds."""
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    found = sorted(root.glob(f"versions/{PYTHON}.*/bin/python"))
    return str(found[-1]) if found else PYTHON


def build(folder: Path, newest: bool) -> None:
    """Make the Python of the image, or one with the newest versions and a clone installed."""
    python = folder / "venv" / "bin" / "python"
    content = folder / "content"
    content.mkdir(exist_ok=True)
    uv("venv", "--quiet", "--no-project", "--python", interpreter(), folder / "venv")
    install = ["pip", "install", "--quiet", "--python", python]
    if not newest:
        uv(*install, "-r", IMAGE)
        return
    project = tomllib.loads((notebooks.ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    names = [re.match(r"[\w.-]+", line)[0] for line in project["dependencies"]]
    uv(*install, *names, "ipykernel")
    subprocess.run(["git", "clone", "-q", str(notebooks.ROOT), str(content / "r1aqa")], check=True)
    uv(*install, "--no-deps", "--editable", content / "r1aqa")


def write_kernel(folder: Path, variables: dict[str, str], cold: bool) -> None:
    """Offer the environment's Python to nbclient, with uv's words kept in ``uv.log``."""
    shim = folder / "bin" / "uv"
    shim.parent.mkdir(exist_ok=True)
    shim.write_text(_SHIM.format(uv=shutil.which("uv"), log=folder / "uv.log"), encoding="utf-8")
    shim.chmod(0o755)
    python = folder / "venv" / "bin" / "python"
    spec = {
        "argv": [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "Colab",
        "language": "python",
        "env": {
            **variables,
            **({"UV_CACHE_DIR": str(folder / "cold")} if cold else {}),
            "PATH": os.pathsep.join([str(shim.parent), str(python.parent), os.environ["PATH"]]),
            "R1AQA_REPOSITORY": str(notebooks.ROOT),
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",  # no warnings about a debugger
        },
    }
    path = folder / "jupyter" / "kernels" / KERNEL / "kernel.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(spec), encoding="utf-8")


def installed(folder: Path) -> dict[str, str]:
    """Version of every package in the environment."""
    python = ["--python", folder / "venv" / "bin" / "python"]
    listed = json.loads(uv("pip", "list", "--format", "json", *python))
    return {one["name"]: one["version"] for one in listed}


def complaints(folder: Path) -> list[str]:
    """What the environment's packages miss, or do not want to be beside, by ``uv pip check``."""
    python = str(folder / "venv" / "bin" / "python")
    command = ["uv", "pip", "check", "--no-config", "--python", python]
    said = subprocess.run(command, cwd=IMAGE.parent, capture_output=True, text=True).stderr
    return sorted(line for line in said.splitlines() if line.startswith("The package"))


def set_up(folder: Path) -> int:
    """Run the first cells as a reader does: again after a restart. Returns the restarts.

    Raises:
        nbclient's exceptions: the set-up failed.
    """
    for restarts in (0, 1):
        try:
            notebooks.execute(notebooks.first_cells("00"), folder / "content", KERNEL)
            break
        except CellExecutionError as error:
            if restarts or "the kernel restarts" not in str(error):
                raise
    return restarts


def report_set_up(folder: Path) -> bool:
    """Set up, and say what that replaced, downloaded and took; whether it succeeded."""
    before, wrong, start = installed(folder), complaints(folder), time.monotonic()
    try:
        restarts = set_up(folder)
    except FAILURES as error:
        print(f"set-up failed: {error}")
        return False
    seconds, after = time.monotonic() - start, installed(folder)
    log = folder / "uv.log"
    sizes = re.findall(r"^Downloading .*\((.*)([KMG])iB\)", log.read_text("utf-8"), re.MULTILINE)
    size = sum(float(number) * 1024 ** ("KMG".index(unit) + 1) for number, unit in sizes)
    print(f"set-up: {seconds:.0f} s, {restarts} restarts of the kernel, ", end="")
    print(f"{size / 1e6:.0f} MB downloaded in files of 1 MB or more")
    both = sorted(before.keys() & after.keys())
    for what, names in (
        ("replaced", [f"{n} {before[n]} -> {after[n]}" for n in both if before[n] != after[n]]),
        ("removed", sorted(before.keys() - after.keys())),
        ("added", sorted(after.keys() - before.keys())),
    ):
        print(f"{what} {len(names)}: {', '.join(names) or 'nothing'}")
    for line in complaints(folder):
        print(f"since the set-up: {line}" if line not in wrong else f"as before it: {line}")
    return True


def failure(notebook: NotebookNode, error: Exception) -> str:
    """The first cell that failed, and with what; one line."""
    for index, cell in enumerate(notebook.cells):
        if "raises-exception" in cell.metadata.get("tags", []):
            continue
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                return f"cell {index}: {output.ename}: {output.evalue.partition(chr(10))[0]}"
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"


def run(numbers: list[str], folder: Path) -> bool:
    """Run the notebooks and print a line for each; whether all came to their ends."""
    good = True
    print(f"{'':4}{'seconds':>8}{'GB':>6}  outcome", flush=True)
    for number in numbers:
        notebook, start, peak, outcome = notebooks.read(number), time.monotonic(), "", "ok"
        try:
            peak = f"{notebooks.execute(notebook, folder / 'content', KERNEL)[1]:.1f}"
        except FAILURES as error:
            good, outcome = False, failure(notebook, error)
        seconds = time.monotonic() - start
        print(f"{number:4}{seconds:8.0f}{peak:>6}  {outcome}", flush=True)
    return good


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("numbers", nargs="*", help="notebooks, like 06; by default all")
    parser.add_argument("--folder", type=Path, help="kept, and gone on with; by default temporary")
    parser.add_argument("--host", choices=HOSTS, default="colab")
    parser.add_argument(
        "--newest", action="store_true", help="newest versions, no set-up; exit 0 in any case"
    )
    parser.add_argument(
        "--cold", action="store_true", help="the set-up downloads all that it installs"
    )
    args = parser.parse_args()
    every = [one.number for one in NOTEBOOKS]
    if unknown := set(args.numbers) - set(every):
        parser.error(f"no notebook {', '.join(sorted(unknown))}; there are {', '.join(every)}")
    numbers = args.numbers or every
    # What this Python was started with is not the environment's.
    for name in [name for name in os.environ if name.startswith(("PYTHON", "VIRTUAL_ENV"))]:
        del os.environ[name]
    with tempfile.TemporaryDirectory(prefix="r1aqa-colab-") as temporary:
        folder = (args.folder or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        os.environ[RUNS_VARIABLE] = str(folder / "runs")
        os.environ["JUPYTER_PATH"] = str(folder / "jupyter")
        new = not (folder / "venv").exists()
        if new:
            start = time.monotonic()
            build(folder, args.newest)
            print(f"packages installed: {time.monotonic() - start:.0f} s", flush=True)
        write_kernel(folder, {} if args.newest else HOSTS[args.host], args.cold)
        good = args.newest or not new or report_set_up(folder)
        good = good and run(numbers, folder)
    return 0 if good or args.newest else 1


if __name__ == "__main__":
    sys.exit(main())
