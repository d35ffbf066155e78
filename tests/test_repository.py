"""The repository: what may be in its files, and that the linters are content."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MIB = 2**20

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


def test_tracked_text_has_no_machine_paths_downloads_or_remote_code():
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
def test_the_search_finds_what_it_looks_for(what, text):
    assert re.search(FORBIDDEN[what], text)


def test_lock_and_rendered_files_are_not_tracked():
    left_out = re.compile(r"(^|/)(uv\.lock|\.venv|__pycache__|r1aqa-runs|\.ipynb_checkpoints)(/|$)")
    rendered = "data/tiny/audio/"
    names = tracked_files()
    assert [n for n in names if left_out.search(n) or n.startswith(rendered)] == []


def test_tracked_files_are_small():
    sizes = {name: (ROOT / name).stat().st_size for name in tracked_files()}
    assert {n: s for n, s in sizes.items() if s > LARGE.get(n, 4 * MIB)} == {}


@pytest.mark.parametrize(
    "linter",
    [
        ["-m", "ruff", "check", "--no-cache", "--output-format", "concise", "."],
        ["-m", "ruff", "format", "--no-cache", "--check", "--exclude", "*.ipynb", "."],
        ["-c", "from importlinter.cli import lint_imports_command as run; run()", "--no-cache"],
    ],
    ids=["ruff check: style, docstrings, types", "ruff format", "import-linter: layers"],
)
def test_linters_find_nothing(linter):
    done = subprocess.run([sys.executable, *linter], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_citation_names_this_version_and_the_paper():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {project['version']}\n" in citation
    assert f"\nlicense: {project['license']}\n" in citation
    assert "arXiv:2503.11197" in citation
