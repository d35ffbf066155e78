"""Python and the packages: what is installed, what is allowed, what is pinned."""

from __future__ import annotations

import importlib.metadata
import re
import sys
from typing import Any

from r1aqa_helpers.doctor import places
from r1aqa_helpers.doctor.findings import INSTALL, NOTE, OK, STOP, Examination, Finding, Found

#: Reported with their versions; the other direct dependencies only where they are missing.
PACKAGES = (
    "torch",
    "torchaudio",
    "transformers",
    "trl",
    "accelerate",
    "peft",
    "datasets",
    "huggingface-hub",
)
#: Without them the main job runs all the same.
FOR_NOTEBOOKS = {"ipython", "ipywidgets", "jupyterlab"}
PINNED = "install the pinned versions: uv sync, or conda env update -f environment.yml"


def probe_python(_: Examination) -> Found:
    """Whether this Python is one that the project supports."""
    version = ".".join(map(str, sys.version_info[:3]))
    asked = _project().get("requires-python", "")
    facts = {"version": version, "required": asked or None}
    here = tuple(sys.version_info[:2])
    least, below = _bound(">=", asked), _bound("<", asked)
    if (least and here < least) or (below and here >= below):
        step = "make the environment anew with a Python that is supported: uv sync --python 3.12"
        return facts, [Finding("python", STOP, f"{version}, but {asked} is needed", step)]
    return facts, [Finding("python", OK, version + (f" (needed: {asked})" if asked else ""))]


def probe_packages(_: Examination) -> Found:
    """The versions that are installed against those that are allowed and pinned."""
    project = _project()
    pins = [_named(line) for line in project.get("pins", [])]
    wanted = dict(_named(line) for line in project.get("dependencies", []))
    facts, findings = {}, []
    for name in [*PACKAGES, *(n for n in wanted if n not in PACKAGES)]:
        try:
            installed = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            installed = None
        pinned = next((rest[2:] for n, rest in pins if n == name and rest[:2] == "=="), None)
        same = None if installed is None or pinned is None else _same(installed, pinned)
        fits = None if installed is None else _fits(installed, wanted.get(name))
        if name in PACKAGES:
            facts[name] = {"installed": installed, "pinned": pinned, "as_pinned": same}
        if installed is None:
            status = NOTE if name in FOR_NOTEBOOKS else STOP
            text = f"{name} is missing" + ("; the notebooks need it" if status == NOTE else "")
            findings.append(Finding("packages", status, text, INSTALL))
        elif fits is False:
            text = f"{name} {installed} is outside what the project allows ({wanted[name]})"
            findings.append(Finding("packages", NOTE, text, PINNED))
        elif same is False and name in PACKAGES:
            text = f"{name} is {installed}, pinned is {pinned}"
            findings.append(Finding("packages", NOTE, text, PINNED))
    here = ", ".join(f"{n} {f['installed']}" for n, f in facts.items() if f["installed"])
    if not pins:
        here += " (this installation has no pinned versions to compare with)"
    elif not findings:
        here += " (as pinned)"
    return facts, [Finding("packages", OK, here), *findings]


def _project() -> dict[str, Any]:
    """Python, dependencies and, in a checkout, pinned versions, as requirement lines."""
    file = places.ROOT / "pyproject.toml"
    if file.is_file():
        try:
            import tomllib
        except ImportError:  # Python before 3.11: the one line that matters
            found = re.search(r'^requires-python = "(.*)"', file.read_text(encoding="utf-8"), re.M)
            return {"requires-python": found[1] if found else ">=3.11"}
        project = tomllib.loads(file.read_text(encoding="utf-8"))
        pins = project.get("tool", {}).get("uv", {}).get("constraint-dependencies", [])
        return {**project["project"], "pins": [line for line in pins if ";" not in line]}
    meta = importlib.metadata.metadata("r1aqa-helpers")
    lines = importlib.metadata.requires("r1aqa-helpers") or []
    return {
        "requires-python": meta["Requires-Python"] or "",
        "dependencies": [line for line in lines if ";" not in line],
    }


def _named(line: str) -> tuple[str, str]:
    """A requirement's name, as packages are compared, and the rest: versions."""
    name = re.match(r"[\w.-]*\w", line.strip())[0]
    rest = re.sub(r"\[.*?\]|\s", "", line.strip()[len(name) :])
    return re.sub(r"[-_.]+", "-", name).lower(), rest


def _same(installed: str, pinned: str) -> bool:
    """Whether a version is the pinned one; a build's own mark, as in 2.11.0+cu130, is left out."""
    return installed.partition("+")[0] == pinned


def _fits(installed: str, specifier: str | None) -> bool | None:
    """Whether a version is allowed; None where that cannot be told."""
    try:
        from packaging.specifiers import SpecifierSet
    except ImportError:
        return None
    return None if specifier is None else SpecifierSet(specifier).contains(installed, True)


def _bound(sign: str, specifier: str) -> tuple[int, int] | None:
    found = re.search(rf"{sign}\s*(\d+)\.(\d+)", specifier)
    return (int(found[1]), int(found[2])) if found else None
