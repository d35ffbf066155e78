"""The repository's address: in every place the same, and nothing else changes."""

import copy
import runpy
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import nbformat
import pytest
from typer.testing import CliRunner

from r1aqa_helpers.cli import app
from r1aqa_helpers.errors import UserError
from r1aqa_helpers.publishing.stamping import address, check_repo, stamp, stamped_as

ROOT = Path(__file__).resolve().parents[2]
REPO, URL = "ann-lee/R1.aqa_2", "https://github.com/ann-lee/R1.aqa_2"
NAMES = sorted(p.name for p in (ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture
def clone(tmp_path) -> Path:
    """A copy of what is stamped, and of what stamps, with no address yet."""
    root = tmp_path / "clone"
    for folder in ("r1aqa_helpers", "scripts", "notebooks"):
        leave = shutil.ignore_patterns("__pycache__", "text", ".ipynb_checkpoints")
        shutil.copytree(ROOT / folder, root / folder, ignore=leave)
    for name in ("pyproject.toml", "CITATION.cff", "README.md"):
        shutil.copy(ROOT / name, root / name)
    return root


def contents(root: Path) -> dict[str, bytes]:
    files = (p for p in root.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in files}


def read(root: Path, name: str) -> nbformat.NotebookNode:
    return nbformat.read(root / "notebooks" / name, as_version=4)


def test_every_place_says_the_same_address(clone):
    changed = stamp(clone, REPO)
    wanted = {"pyproject.toml", "CITATION.cff", "README.md", "notebooks/README.md"}
    assert {p.as_posix() for p in changed} == wanted | {f"notebooks/{name}" for name in NAMES}
    project = tomllib.loads((clone / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["urls"] == {"Repository": URL}
    assert (address(clone), stamped_as(clone)) == (URL, REPO)
    citation = (clone / "CITATION.cff").read_text(encoding="utf-8")
    assert citation.count(f'\nrepository-code: "{URL}"\n') == 1
    colab = f"https://colab.research.google.com/github/{REPO}/blob/main/notebooks/"
    kaggle = f"https://kaggle.com/kernels/welcome?src={URL}/blob/main/notebooks/"
    readme = (clone / "README.md").read_text(encoding="utf-8")
    table = (clone / "notebooks" / "README.md").read_text(encoding="utf-8")
    assert readme.count(f"({colab}") == readme.count(f"({kaggle}") == 1
    for name in NAMES:
        assert f"| {name[:2]} | [![Open in Colab]" in table
        first = read(clone, name).cells[0].source
        for text in (table, first, *([readme] if name == NAMES[0] else [])):
            assert f"({colab}{name})" in text and f"({kaggle}{name})" in text
        assert first.splitlines()[0].startswith(f"# {name[:2]} · ")


def test_notebooks_keep_their_outputs_and_the_rules(clone):
    before = {name: read(clone, name) for name in NAMES}
    raw = contents(clone)
    stamp(clone, REPO)
    anatomy = runpy.run_path(str(clone / "scripts" / "anatomy.py"))
    assert f'REPOSITORY = "{URL}"' in anatomy["SETUP"]
    for name, old in before.items():
        path = clone / "notebooks" / name
        notebook = read(clone, name)
        nbformat.validate(notebook)
        assert anatomy["faults"](notebook, name[:2], path.stat().st_size) == []
        lines = path.read_bytes().splitlines()
        gone = [x for x in raw[f"notebooks/{name}"].splitlines() if x not in set(lines)]
        assert len(gone) == 1 and b"REPOSITORY = " in gone[0]  # nothing else was written anew
        same = copy.deepcopy(old)
        for cell, new in zip(same.cells, notebook.cells, strict=True):
            assert cell.get("outputs") == new.get("outputs") and cell.id == new.id
            if cell is same.cells[0] or "setup" in cell.metadata.get("tags", []):
                cell.source = new.source
        assert same == notebook


def test_twice_changes_nothing_and_another_owner_everything(clone):
    plain = contents(clone)
    stamp(clone, REPO)
    once = contents(clone)
    assert stamp(clone, REPO) == [] and contents(clone) == once
    other = "bob/course"
    assert len(stamp(clone, other)) == 4 + len(NAMES)
    files = contents(clone)
    assert [name for name, data in files.items() if REPO.encode() in data] == []
    assert {name for name in files if files[name] != plain[name]} == {
        name for name in files if b"bob/course" in files[name]
    }
    stamp(clone, REPO)
    assert contents(clone) == once


def test_check_says_what_would_change_and_changes_nothing(clone):
    before = contents(clone)
    assert len(stamp(clone, REPO, write=False)) == 4 + len(NAMES)
    assert contents(clone) == before


def test_the_command_in_a_clone(clone):
    def call(*arguments: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "r1aqa_helpers", "stamp", *arguments]
        return subprocess.run(command, cwd=clone, capture_output=True, text=True)

    done = call("--repo", REPO, "--check")
    assert done.returncode == 1 and "would change: pyproject.toml\n" in done.stdout
    assert done.stderr == f"error: {4 + len(NAMES)} files would change; run it without --check\n"
    done = call("--repo", REPO)
    assert (done.returncode, done.stderr) == (0, "") and "changed: CITATION.cff\n" in done.stdout
    assert stamped_as(clone) == REPO


def test_the_command_refuses_a_whole_address():
    result = CliRunner().invoke(app, ["stamp", "--repo", URL])
    assert result.exit_code == 1 and "give it like ann/r1aqa" in result.stderr
    assert CliRunner().invoke(app, ["stamp"]).exit_code == 2


def test_what_is_no_clone_is_told(clone):
    before = contents(clone)
    for path in (clone / "notebooks").glob("*.ipynb"):
        path.unlink()
    with pytest.raises(UserError, match="is no clone of the project, only its installed package"):
        stamp(clone, REPO)
    assert (clone / "pyproject.toml").read_bytes() == before["pyproject.toml"]


@pytest.mark.parametrize("repo", ["a/b", "Ann-1/x.y_z-", "a" * 39 + "/" + "b" * 100, REPO])
def test_names_that_github_allows(repo):
    assert check_repo(repo) == repo


@pytest.mark.parametrize(
    "repo",
    [
        "", "ann", "ann/", "/b", "a/b/c", "-a/b", "a-/b", "a--b/c", "a_b/c", "a/..", "a/.",
        "a/b.git",
        "a/b\n", "a /b", 'a/b"', "a/b)", "a" * 40 + "/b", "a/" + "b" * 101, "á/b", URL,
        "git@github.com:a/b",
    ],
)  # fmt: skip
def test_other_names_are_refused(repo, clone):
    with pytest.raises(UserError, match="is not OWNER/NAME") as fault:
        stamp(clone, repo)
    assert "\n" not in str(fault.value)


@pytest.mark.parametrize(
    ("file", "cut", "told"),
    [
        ("CITATION.cff", "license: ", "CITATION.cff: has no place for the address"),
        ("pyproject.toml", "[project.scripts]\n", "pyproject.toml: has no place for the address"),
        (f"notebooks/{NAMES[2]}", "REPOSITORY = ", f"{NAMES[2]}: its set-up cell has no line"),
    ],
)
def test_a_file_without_a_place_leaves_all_as_it_was(clone, file, cut, told):
    path = clone / file
    path.write_text(path.read_text(encoding="utf-8").replace(cut, "X = "), encoding="utf-8")
    before = contents(clone)
    with pytest.raises(UserError, match=told):
        stamp(clone, REPO)
    assert contents(clone) == before


def test_other_addresses_of_the_project_stay(clone):
    path = clone / "pyproject.toml"
    text = path.read_text(encoding="utf-8")
    urls = '[project.urls]\nHomepage = "https://example.org"\n\n[project.scripts]\n'
    path.write_text(text.replace("[project.scripts]\n", urls), encoding="utf-8")
    for repo in (REPO, "bob/course"):
        stamp(clone, repo)
        project = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
        expected = {"Homepage": "https://example.org", "Repository": f"https://github.com/{repo}"}
        assert project["urls"] == expected and project["scripts"] == {
            "r1aqa": "r1aqa_helpers.cli:main"
        }


def test_this_repository_says_one_address_or_none():
    repo = stamped_as(ROOT)
    if repo is not None:
        assert stamp(ROOT, repo, write=False) == []
        return
    files = ["README.md", "CITATION.cff", "notebooks/README.md"]
    for name in [*files, *(f"notebooks/{name}" for name in NAMES)]:
        text = (ROOT / name).read_text(encoding="utf-8")
        assert "Open in Colab" not in text and "repository-code" not in text, name
    for name in NAMES:
        cells = [c for c in read(ROOT, name).cells if "setup" in c.metadata.get("tags", [])]
        assert [c.source.count('\nREPOSITORY = ""') for c in cells] == [1], name


def test_a_foreign_address_is_told(clone):
    path = clone / "pyproject.toml"
    text = path.read_text(encoding="utf-8")
    urls = '[project.urls]\nRepository = "https://example.org/a/b"\n\n[project.scripts]\n'
    path.write_text(text.replace("[project.scripts]\n", urls), encoding="utf-8")
    with pytest.raises(UserError, match="project.urls: is no GitHub address"):
        stamped_as(clone)
