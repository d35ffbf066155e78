"""Pin every version that uv resolves, for uv users (pyproject.toml) and conda users.

    uv run scripts/pin.py            resolve, keeping the present pins; write both files
    uv run scripts/pin.py --upgrade  resolve again, to the newest allowed versions; write both
    uv run scripts/pin.py --check    write nothing; exit 1 when either file is stale

``uv.lock`` records where each file was downloaded from and so is not committed. The
versions in it are: as ``constraint-dependencies`` in pyproject.toml they make ``uv run``
install the same versions everywhere, on any Python that the project allows, on Linux,
macOS and Windows. environment.yml gets the direct dependencies at those versions.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent


class Failure(Exception):
    """What went wrong, in words for the person who ran the script."""


class Pin(NamedTuple):
    """One resolved version; ``marker`` says on which machines it is installed."""

    name: str
    version: str
    marker: str

    def __str__(self) -> str:
        return f"{self.name}=={self.version}" + (f" ; {self.marker}" if self.marker else "")


def uv(*arguments: str, folder: Path = ROOT, text: str | None = None) -> str:
    """Run uv in ``folder`` and return what it printed."""
    command = [os.environ.get("UV", "uv"), *arguments]
    try:
        done = subprocess.run(command, cwd=folder, input=text, capture_output=True, text=True)
    except FileNotFoundError:
        raise SystemExit("error: uv is not installed: pip install uv") from None
    if done.returncode:
        raise Failure(f"uv {' '.join(arguments)}:\n{done.stderr.strip()}")
    return done.stdout


def parse_pins(requirements: str) -> list[Pin]:
    """Read ``name==version ; marker`` lines, as uv prints them."""
    pins = []
    for line in requirements.splitlines():
        requirement, _, marker = line.partition(" ; ")
        name, separator, version = requirement.strip().partition("==")
        if not separator:
            raise Failure(f"not a pin: {line}")
        pins.append(Pin(name, version, marker.strip()))
    return sorted(pins)


def resolved(*options: str, folder: Path = ROOT) -> list[Pin]:
    """The versions in the folder's uv.lock, for all platforms and Python versions."""
    return parse_pins(
        uv(
            *("export", "--quiet", "--all-groups", "--all-extras", "--no-emit-project"),
            *("--no-hashes", "--no-header", "--no-annotate", *options),
            folder=folder,
        )
    )


def constraints(pins: list[Pin]) -> list[str]:
    """The pins as constraints: a marker only where a package has several versions.

    Where a package is installed at all is the resolver's to say; a constraint that holds
    everywhere is stricter and easier to read.
    """
    names = [pin.name for pin in pins]
    return [str(pin if names.count(pin.name) > 1 else pin._replace(marker="")) for pin in pins]


def build_pins(pyproject: dict, keep: list[str]) -> list[Pin]:
    """Resolve what builds this package, keeping the versions in ``keep``."""
    # hatchling asks for editables only when it builds an editable install, as uv does.
    wanted = [*pyproject["build-system"]["requires"], "editables"]
    with tempfile.TemporaryDirectory() as name:
        kept = Path(name, "keep.txt")
        kept.write_text("\n".join(keep))
        return parse_pins(
            uv(
                *("pip", "compile", "-", "--quiet", "--no-config", "--universal"),
                *("--python-version", "3.11", "--no-header", "--no-annotate"),
                *("--constraints", str(kept)),
                folder=kept.parent,
                text="\n".join(wanted),
            )
        )


def with_array(pyproject: str, key: str, lines: list[str]) -> str:
    """``pyproject`` with the array ``key`` of [tool.uv] replaced by ``lines``."""
    body = "".join(f"    {json.dumps(line)},\n" for line in lines)
    array = f"{key} = [\n{body}]\n"
    changed, count = re.subn(
        rf"^{key} = \[\n.*?^\]\n", lambda _: array, pyproject, flags=re.DOTALL | re.MULTILINE
    )
    if count != 1:
        raise Failure(f"pyproject.toml: [tool.uv] must hold `{key} = [` once, found {count}")
    return changed


def direct_dependencies(pyproject: dict) -> list[tuple[str, str]]:
    """Name and extras ("[…]" or nothing) of what the project names itself, each once."""
    named = [*pyproject["project"]["dependencies"], *pyproject["dependency-groups"]["dev"]]
    found: dict[str, str] = {}
    for requirement in named:
        match = re.match(r"([\w.-]+)(\[[^\]]*\])?", requirement)
        name = re.sub(r"[-_.]+", "-", match[1]).lower()
        found[name] = match[2] or found.get(name, "")
    return sorted(found.items())


def environment(pyproject: dict, pins: list[Pin]) -> str:
    """The text of environment.yml."""
    python = pyproject["project"]["requires-python"]
    lines = [
        "# Written by scripts/pin.py: change pyproject.toml and run that again.",
        "# The packages that the project names have the versions that uv installs.",
        "name: r1aqa",
        "channels:",
        "  - conda-forge  # python and pip, nothing else",
        "dependencies:",
        f"  - python{python}  # runs everything",
        "  - pip  # installs the same wheels as uv",
        "  - pip:",
    ]
    for name, extras in direct_dependencies(pyproject):
        found = [pin for pin in pins if pin.name == name]
        lines += [f"      - {pin._replace(name=name + extras)}" for pin in found]
    lines.append("      - -e .  # this project: r1aqa_helpers and the command r1aqa")
    return "\n".join(lines) + "\n"


def write(path: Path, text: str) -> None:
    """Replace a file in one step."""
    temporary = path.with_name(path.name + ".new")
    temporary.write_text(text, encoding="utf-8", newline="\n")
    temporary.replace(path)


def fresh_pins(pyproject: str) -> list[Pin]:
    """Resolve with no pins and no uv.lock."""
    unpinned = with_array(pyproject, "constraint-dependencies", [])
    with tempfile.TemporaryDirectory() as name:
        Path(name, "pyproject.toml").write_text(unpinned, encoding="utf-8")
        return resolved(folder=Path(name))


def run(check: bool, upgrade: bool) -> None:
    """Write both files, or, with ``check``, say which are stale."""
    project_file, environment_file = ROOT / "pyproject.toml", ROOT / "environment.yml"
    old = project_file.read_text(encoding="utf-8")
    pyproject = tomllib.loads(old)
    if check:
        try:
            pins = resolved("--locked", "--offline")
        except Failure:
            raise Failure("stale: uv.lock; run: uv run scripts/pin.py") from None
    else:
        pins = fresh_pins(old) if upgrade else resolved()
    new = with_array(old, "constraint-dependencies", constraints(pins))
    if not check:
        keep = [] if upgrade else pyproject["tool"]["uv"]["build-constraint-dependencies"]
        built = constraints(build_pins(pyproject, keep))
        new = with_array(new, "build-constraint-dependencies", built)
    stale = []
    for path, text in ((project_file, new), (environment_file, environment(pyproject, pins))):
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(path.name)
            if not check:
                write(path, text)
    if check and stale:
        raise Failure(f"stale: {', '.join(stale)}; run: uv run scripts/pin.py")
    if not check:
        uv("lock")
        print(f"{len(pins)} versions pinned; written: {', '.join(stale) or 'nothing new'}")


def main() -> int:
    """Run the script; return the exit status."""
    parser = argparse.ArgumentParser(description="Pin every version that uv resolves.")
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--check", action="store_true", help="exit 1 when a file is stale")
    choice.add_argument("--upgrade", action="store_true", help="take the newest versions")
    options = parser.parse_args()
    try:
        run(options.check, options.upgrade)
    except Failure as failure:
        print(f"error: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
