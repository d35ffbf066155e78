"""The versions: pyproject.toml pins what is installed, environment.yml says the same."""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CONSTRAINTS = [Requirement(c) for c in PYPROJECT["tool"]["uv"]["constraint-dependencies"]]
ENVIRONMENT = (ROOT / "environment.yml").read_text(encoding="utf-8").splitlines()
NOT_LOCKED = {"r1aqa-helpers", "pip", "setuptools", "wheel"}
MACHINES = [
    {"python_version": full[:4], "python_full_version": full, **system}
    for full in ("3.11.0", "3.11.9", "3.12.0", "3.12.9", "3.13.0", "3.13.9")
    for system in (
        {"sys_platform": "linux", "os_name": "posix", "platform_system": "Linux"},
        {"sys_platform": "darwin", "os_name": "posix", "platform_system": "Darwin"},
        {"sys_platform": "win32", "os_name": "nt", "platform_system": "Windows"},
    )
]
needs_uv = pytest.mark.skipif(
    not (os.environ.get("UV") or shutil.which("uv")), reason="uv is not installed here"
)


def pinned(requirements: list[Requirement], machine: dict[str, str] | None) -> dict[str, str]:
    """Name to version on a machine (None: this one); one version each, or it fails."""
    versions: dict[str, str] = {}
    for requirement in requirements:
        if requirement.marker is None or requirement.marker.evaluate(machine):
            name = canonicalize_name(requirement.name)
            assert name not in versions, f"{name}: two versions on {machine}"
            assert re.fullmatch(r"==[\w.+!]+", str(requirement.specifier)), str(requirement)
            versions[name] = str(requirement.specifier).removeprefix("==")
    return versions


def pip_section() -> list[str]:
    """The requirements under ``- pip:`` in environment.yml, without their comments."""
    start = ENVIRONMENT.index("  - pip:") + 1
    assert all(line.startswith("      - ") for line in ENVIRONMENT[start:])
    return [line.partition("  # ")[0].removeprefix("      - ") for line in ENVIRONMENT[start:]]


def environment_requirements() -> list[Requirement]:
    return [Requirement(line) for line in pip_section() if not line.startswith("-e ")]


def test_every_installed_package_has_its_version_pinned():
    settings = Path(sys.prefix, "pyvenv.cfg")
    if not settings.is_file() or "\nuv = " not in settings.read_text(encoding="utf-8"):
        pytest.skip("this Python environment was not made by uv")
    installed = {
        canonicalize_name(d.metadata["Name"]): d.version for d in importlib.metadata.distributions()
    }
    versions = pinned(CONSTRAINTS, None)
    wrong = {
        name: (version, versions.get(name))
        for name, version in installed.items()
        if name not in NOT_LOCKED and versions.get(name) != version
    }
    assert not wrong, f"(installed, pinned): {wrong}; run: uv run scripts/pin.py"


def test_constraints_are_sorted_and_name_each_package_once_per_machine():
    names = [c.name for c in CONSTRAINTS]
    assert names == sorted(names)
    assert {c.name for c in CONSTRAINTS} >= {"appnope", "pywinpty", "torch"}
    everywhere = {frozenset(pinned(CONSTRAINTS, machine)) for machine in MACHINES}
    assert everywhere == {frozenset(names)}


def test_environment_has_the_direct_dependencies_at_the_pinned_versions():
    direct = PYPROJECT["project"]["dependencies"] + PYPROJECT["dependency-groups"]["dev"]
    wanted = [Requirement(d) for d in direct]
    for machine in MACHINES:
        versions = pinned(environment_requirements(), machine)
        constraints = pinned(CONSTRAINTS, machine)
        needed = {
            canonicalize_name(w.name)
            for w in wanted
            if w.marker is None or w.marker.evaluate(machine)
        }
        assert versions == {name: constraints[name] for name in needed}
    assert pip_section()[-1] == "-e ."


def test_environment_allows_the_same_pythons():
    start = ENVIRONMENT.index("dependencies:") + 1
    packages = [line for line in ENVIRONMENT[start:] if line != "  - pip:"]
    assert packages[0].startswith(f"  - python{PYPROJECT['project']['requires-python']} ")


def test_what_builds_the_package_is_pinned():
    names = {Requirement(c).name for c in PYPROJECT["tool"]["uv"]["build-constraint-dependencies"]}
    assert names >= {Requirement(r).name for r in PYPROJECT["build-system"]["requires"]}


@needs_uv
def test_the_pins_are_those_of_the_lock():
    if not (ROOT / "uv.lock").is_file():
        pytest.skip("no uv.lock: this environment was not made by uv")
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "pin.py", "--check"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
