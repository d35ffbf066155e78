"""The repository: what may be in its files, and which part may use which."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "r1aqa_helpers"
MIB = 2**20

#: The rooms of the package: each may import only those before it.
ROOMS = (
    "errors files paths progress audio questions prompts scoring rewards profiles provenance "
    "models budgets answering endpoint cascade probes processes training grpo sft roads "
    "results report run_folder tiny experiment course table doctor publishing reproduce cli "
    "__main__"
).split()
#: The only rooms that may know that a tiny model exists.
TINY_USERS = {"tiny", "experiment", "course", "reproduce", "cli"}

#: Tracked files that may be larger than 4 MiB, and how large.
LARGE = {"data/tiny/model/model.safetensors": 16 * MIB}

# In pieces, so that this file does not hold what it looks for.
FORBIDDEN = {
    "an absolute path of one machine": r"(?<![\w.~/-])/(?:work|root|home|Users)/[\w.]",
    "code run from a download": r"trust_remote_code\W{1,5}[Tt]rue",
    "a package registry's address": "|".join(
        re.escape(host) + r"\." + end
        for host, end in (
            ("pypi", "org"),
            ("pythonhosted", "org"),
            ("download.pytorch", "org"),
            ("anaconda", "(?:org|com)"),
            ("npmjs", "org"),
            ("pypi.nvidia", "com"),
        )
    ),
    "a package download's address": r"https?://\S+\.(?:whl|tar\.gz|conda)\b",
    "an option that names a registry": r"--(?:extra-)?index-" + "url",
}


def tracked_files() -> list[str]:
    if not shutil.which("git") or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    command = ["git", "-C", str(ROOT), "ls-files", "-z"]
    names = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    return [name for name in names.split("\0") if name and (ROOT / name).is_file()]


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imported_rooms(path: Path) -> Iterator[tuple[int, str]]:
    """Line and room of every import from the package, also inside functions."""
    package = ["r1aqa_helpers", *path.relative_to(PACKAGE).parts[:-1]]
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            names = [f"{module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "r1aqa_helpers" and len(parts) > 1:
                yield node.lineno, parts[1]


def test_tracked_text_has_no_machine_paths_downloads_or_remote_code() -> None:
    found = []
    for name in tracked_files():
        text = (ROOT / name).read_bytes().decode("utf-8", errors="replace")
        for what, pattern in FORBIDDEN.items():
            for match in re.finditer(pattern, text):
                line = text.count("\n", 0, match.start()) + 1
                found.append(f"{name}:{line}: {what}: {match[0]}")
    assert found == []


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("an absolute path of one machine", "open('/ho" + "me/ann/clip.wav')"),
        ("code run from a download", "trust_remote_" + "code=True"),
        ("code run from a download", '"trust_remote_' + 'code": true'),
        ("a package registry's address", "https://py" + "pi.org/simple"),
        ("a package registry's address", "https://files.python" + "hosted.org/x"),
    ],
)
def test_the_search_finds_what_it_looks_for(what: str, text: str) -> None:
    assert re.search(FORBIDDEN[what], text)


def test_lock_and_rendered_files_are_not_tracked() -> None:
    left_out = re.compile(r"(^|/)(uv\.lock|\.venv|__pycache__|r1aqa-runs|\.ipynb_checkpoints)(/|$)")
    rendered = "data/tiny/audio/"
    names = tracked_files()
    assert [n for n in names if left_out.search(n) or n.startswith(rendered)] == []


def test_tracked_files_are_small() -> None:
    sizes = {name: (ROOT / name).stat().st_size for name in tracked_files()}
    assert {n: s for n, s in sizes.items() if s > LARGE.get(n, 4 * MIB)} == {}


def public_definitions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.ClassDef]:
    """Public functions and classes of a module, and the public methods of those classes."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    for node in tree.body:
        if isinstance(node, kinds) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                for member in node.body:
                    if isinstance(member, kinds) and not member.name.startswith("_"):
                        yield member


def faults(node: ast.FunctionDef | ast.ClassDef, inside: bool) -> list[str]:
    """What a public definition lacks; ``inside`` a class the first parameter needs no type."""
    lacks = [] if ast.get_docstring(node) else ["a docstring"]
    if isinstance(node, ast.ClassDef):
        return lacks
    given = node.args
    positional = [*given.posonlyargs, *given.args]
    static = any(isinstance(d, ast.Name) and d.id == "staticmethod" for d in node.decorator_list)
    skipped = 1 if inside and not static else 0
    others = [*given.kwonlyargs, *filter(None, (given.vararg, given.kwarg))]
    for parameter in [*positional[skipped:], *others]:
        if parameter.annotation is None:
            lacks.append(f"the type of {parameter.arg}")
    if node.returns is None:
        lacks.append("a return type")
    return lacks


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_public_definitions_are_documented_and_typed(path: Path) -> None:
    tree = parsed(path)
    top = set(map(id, tree.body))
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {node.name} lacks {', '.join(lacks)}"
        for node in public_definitions(tree)
        if (lacks := faults(node, inside=id(node) not in top))
    ]
    if not ast.get_docstring(tree):
        found.append(f"{path.relative_to(ROOT)}: the file lacks a docstring")
    assert found == []


def test_definitions_without_docstring_or_types_are_found() -> None:
    tree = ast.parse("def f(a, *, b: int): ...\nclass C:\n    def g(self, x): return x\n")
    function, klass, method = public_definitions(tree)
    assert faults(function, False) == ["a docstring", "the type of a", "a return type"]
    assert faults(klass, False) == ["a docstring"]
    assert faults(method, True) == ["a docstring", "the type of x", "a return type"]


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_rooms_import_only_from_rooms_above(path: Path) -> None:
    room = room_of(path)
    if room == "__init__":
        assert list(imported_rooms(path)) == [], "import the rooms themselves, not the package"
        return
    assert room in ROOMS, f"{room} is no room: give it its place in ROOMS"
    found = []
    for line, other in imported_rooms(path):
        place = f"{path.relative_to(ROOT)}:{line}: {room} imports {other}"
        if other not in ROOMS:
            found.append(f"{place}, which is no room")
        elif ROOMS.index(other) > ROOMS.index(room):
            found.append(f"{place}, which comes after it")
        elif other == "tiny" and room not in TINY_USERS:
            found.append(f"{place}; only {', '.join(sorted(TINY_USERS))} may")
    assert found == []


def test_imports_are_found_in_every_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "PACKAGE", tmp_path)
    (tmp_path / "grpo").mkdir()
    path = tmp_path / "grpo" / "train.py"
    path.write_text(
        "import r1aqa_helpers.data.audio\n"
        "from r1aqa_helpers import files, paths\n"
        "from r1aqa_helpers.models import load\n"
        "from . import advantages\n"
        "from .. import scoring\n"
        "def f():\n    from ..tiny.build import random_tiny\n"
    )
    found = [room for _, room in imported_rooms(path)]
    assert found == ["audio", "files", "paths", "models", "grpo", "scoring", "tiny"]


def test_code_is_clean() -> None:
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--output-format", "concise"]
    done = subprocess.run([*command, str(ROOT)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_citation_names_this_version_and_the_paper() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {project['version']}\n" in citation
    assert f"\nlicense: {project['license']}\n" in citation
    assert "arXiv:2503.11197" in citation
