"""Where a measurement comes from: code, pinned versions, machine, day."""

import datetime
import hashlib
import shlex
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

from r1aqa_helpers.utils.machine import hardware
from r1aqa_helpers.utils.paths import DATA, place

_ROOT = DATA.parent
#: Packages whose versions move results.
PACKAGES = ("torch", "transformers", "trl", "peft")


def pins(project: Path = _ROOT / "pyproject.toml") -> str | None:
    """A short hash of all pinned versions; None where there is no clone of the project.

    The first 12 hex digits of the SHA-256 of the lines under ``constraint-dependencies``.
    """
    try:
        settings = tomllib.loads(project.read_text(encoding="utf-8"))
        pinned = settings["tool"]["uv"]["constraint-dependencies"]
    except (OSError, KeyError):
        return None
    return hashlib.sha256("\n".join(sorted(pinned)).encode()).hexdigest()[:12]


def commit(folder: Path = _ROOT) -> str | None:
    """The commit that runs, with a + where files differ from it; None outside of a clone."""
    if not (folder / ".git").exists():
        return None
    try:
        name = _git(folder, "rev-parse", "--short=10", "HEAD")
        changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return None
    return name + ("+" if changed else "")


def command() -> str | None:
    """The command that runs, with the project's files named from its root; None in a notebook."""
    program = Path(sys.argv[0]).resolve()
    if program.name in ("r1aqa", "__main__.py"):
        words = ["r1aqa"]
    elif program.parent in (_ROOT / "scripts", _ROOT / "benchmarks"):
        words = ["python", place(program)]
    else:
        return None
    return shlex.join([*words, *map(place, sys.argv[1:])])


def provenance() -> dict[str, Any]:
    """What a result file keeps: command, date, commit, pins, hardware and versions."""
    return {
        "command": command(),
        "date": datetime.date.today().isoformat(),
        "commit": commit(),
        "pins": pins(),
        "hardware": hardware(),
        "versions": {name: version(name) for name in PACKAGES},
    }


def _git(folder: Path, *arguments: str) -> str:
    return subprocess.check_output(
        ["git", *arguments], cwd=folder, text=True, timeout=20, stderr=subprocess.DEVNULL
    ).strip()
