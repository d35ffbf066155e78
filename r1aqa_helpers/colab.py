"""The set-up of a notebook on Colab, on Kaggle or in any Python that lacks the course's packages.

The first cell of every notebook clones the repository where it is missing, and calls `install`.
Standard library only: nothing else is installed yet.
"""

import importlib
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

NAME = "r1aqa-helpers"
CLONE = Path(__file__).resolve().parents[1]

#: A hosted page has its own versions of these, and breaks where they are replaced.
PAGE = ("ipython", "ipywidgets", "jupyterlab")
TORCH = ("torch", "torchaudio")


class Pause(Exception):
    """Why the notebook stops at the set-up cell; shown as one line, without a traceback."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


@dataclass(frozen=True)
class Plan:
    """Packages that uv must not touch, lines to print, further options of uv, and what to install.

    ``project`` is this clone, with its extra for weights in 4 bits where there is a GPU: hosted
    pages have no bitsandbytes, and a T4 needs it.
    """

    kept: tuple[str, ...]
    lines: tuple[str, ...]
    options: tuple[str, ...]
    project: str = "."


def install() -> None:
    """Install the course's packages, unless they are installed.

    On Colab and Kaggle what is there and new enough stays: the page's other packages are built
    for it. Elsewhere all get the pinned versions.

    Restarts the kernel (Colab, Kaggle) or asks for it only where a package was replaced that
    the kernel had already loaded.

    Raises:
        Pause: the kernel has to restart, or the installation failed.
    """
    if _version(NAME) is not None:
        return
    host = host_of(os.environ)
    there, gpu = {n: _version(n) for n in TORCH}, bool(shutil.which("nvidia-smi"))
    plan = plan_for(host, _required(), there, gpu)
    print("installing the course's packages: minutes, once in a session", *plan.lines, sep="\n")
    before = _loaded()
    _run_uv(plan)
    importlib.invalidate_caches()
    replaced = [f"{n} {v} -> {_version(n)}" for n, v in sorted(before.items()) if _version(n) != v]
    if replaced:
        _restart(host, ", ".join(replaced))


def host_of(environment: Mapping[str, str]) -> str:
    """``colab``, ``kaggle``, ``kaggle batch`` (a run without a page) or ``here``."""
    # First: Kaggle's image is built on Colab's, and has its variable as well.
    if kind := environment.get("KAGGLE_KERNEL_RUN_TYPE"):
        return "kaggle batch" if kind.lower() == "batch" else "kaggle"
    return "colab" if "COLAB_RELEASE_TAG" in environment else "here"


def plan_for(
    host: str, required: Mapping[str, str], there: Mapping[str, str | None], gpu: bool
) -> Plan:
    """What the installation leaves alone on this host.

    Args:
        host: one of `host_of`'s results.
        required: the package's requirements for torch and torchaudio, like ``>=2.11,<2.12``.
        there: their versions, like ``2.11.0+cu128``; None where one is missing.
        gpu: whether the machine has an NVIDIA driver.
    """
    page = () if host == "here" else PAGE
    options: tuple[str, ...] = (
        () if host == "here" else ("--no-config",)
    )  # without the pins of pyproject.toml
    project = ".[quantised]" if gpu else "."
    torch = there["torch"]
    if torch_fits(required, there):
        return Plan((*page, *TORCH), (f"torch {torch} fits and is kept",), options, project)
    lines: tuple[str, ...] = ()
    if torch is not None:
        wanted = ", ".join(f"{name}{required[name]}" for name in TORCH)
        had = ", ".join(f"{name} {there[name] or 'missing'}" for name in TORCH)
        lines = (f"the course needs {wanted}; here: {had}, which is replaced",)
    # Built for the installed driver: the newest CUDA would not run on an older one.
    options += ("--torch-backend=auto",) if gpu and host != "here" else ()
    return Plan(page, lines, options, project)


def torch_fits(required: Mapping[str, str], there: Mapping[str, str | None]) -> bool:
    """Whether torch and torchaudio are in range, of one release, and built for one device."""
    builds = set()
    for name, version in there.items():
        low, high = (bound.lstrip("<>=") for bound in required[name].split(","))
        if version is None or not _release(low) <= _release(version) < _release(high):
            return False
        builds.add((_release(version)[:2], version.partition("+")[2]))
    return len(builds) == 1


def _release(version: str) -> tuple[int, ...]:
    (found,) = re.findall(r"^\d+(?:\.\d+)*", version)
    return tuple(map(int, found.split(".")))


def _required() -> dict[str, str]:
    text = (CLONE / "pyproject.toml").read_text(encoding="utf-8")
    lines = tomllib.loads(text)["project"]["dependencies"]
    found = {name: rest for line in lines for name, rest in re.findall(r"^([\w.-]+)(.*)$", line)}
    return {name: found[name] for name in TORCH}


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _loaded() -> dict[str, str]:
    """Version of every distribution of which this Python has loaded a module."""
    distributions = importlib.metadata.packages_distributions()
    names = {n for top in sys.modules for n in distributions.get(top, ())}
    return {name: version for name in names if (version := _version(name))}


def _run_uv(plan: Plan) -> None:
    """Install this clone with uv, which reads the pins in its pyproject.toml unless told not to."""
    uv = ["uv"]
    if shutil.which("uv") is None:
        uv = [sys.executable, "-m", "uv"]
        if _version("uv") is None:
            _run([sys.executable, "-m", "pip", "install", "--quiet", "uv"])
    with tempfile.TemporaryDirectory() as folder:
        left_alone = Path(folder, "left-alone.txt")
        # A requirement with a marker that is never true: uv replaces neither these nor what
        # they need.
        lines = [f'{name} ; python_version < "0"\n' for name in plan.kept]
        left_alone.write_text("".join(lines), encoding="utf-8")
        where = ["--python", sys.executable, "--override", str(left_alone)]
        _run([*uv, "pip", "install", "--quiet", *where, *plan.options, "--editable", plan.project])


def _run(command: list[str]) -> None:
    done = subprocess.run(command, cwd=CLONE, capture_output=True, text=True)
    if done.returncode:
        said = (done.stderr or done.stdout).strip()[-2000:]
        raise Pause(f"the installation failed; run this cell again once this is fixed:\n{said}")


def _restart(host: str, replaced: str) -> None:
    if host == "kaggle batch":  # which cannot restart
        print(f"replaced after it was loaded: {replaced}")
        return
    if host == "here":
        raise Pause(f"restart the kernel, and run this cell again; replaced: {replaced}")
    from IPython import get_ipython

    get_ipython().kernel.do_shutdown(True)
    raise Pause(f"the kernel restarts; then run this cell again. Replaced: {replaced}")
