"""The repository's address: the same in every place, and nothing else changes."""

import json
import shutil
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from r1aqa_helpers.course.notebooks import NOTEBOOKS
from r1aqa_helpers.utils.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
stamp = import_module("stamp")
sys.path.remove(str(ROOT / "scripts"))
REPO, URL = "ann-lee/R1.aqa_2", "https://github.com/ann-lee/R1.aqa_2"


@pytest.fixture
def clone(tmp_path) -> Path:
    """A copy of what is stamped, with two notebooks, of which each has two cells."""
    (tmp_path / "notebooks").mkdir()
    for name in ("pyproject.toml", "CITATION.cff", "README.md", "notebooks/README.md"):
        shutil.copy(ROOT / name, tmp_path / name)
    for path in (ROOT / "notebooks" / one.file for one in NOTEBOOKS[:2]):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        hosted = [c for c in notebook["cells"] if "hosted" in c["metadata"].get("tags", [])]
        notebook["cells"] = [notebook["cells"][0], *hosted]
        (tmp_path / "notebooks" / path.name).write_text(json.dumps(notebook, indent=1) + "\n")
    return tmp_path


def write(root: Path, repo: str) -> list[str]:
    changed = stamp.stamped(root, repo)
    for path, text in changed.items():
        path.write_text(text, encoding="utf-8")
    return [path.relative_to(root).as_posix() for path in changed]


def test_every_place_says_the_same_address_and_twice_changes_nothing(clone):
    text = (clone / "pyproject.toml").read_text(encoding="utf-8")
    urls = '[project.urls]\nHomepage = "https://example.org"\n\n[project.scripts]'
    (clone / "pyproject.toml").write_text(text.replace("[project.scripts]", urls))
    assert len(write(clone, "bob/course")) == len(write(clone, REPO)) == 6
    assert write(clone, REPO) == []
    project = tomllib.loads((clone / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["urls"] == {"Homepage": "https://example.org", "Repository": URL}
    assert project["scripts"] == {"r1aqa": "r1aqa_helpers.cli:main"}
    citation = (clone / "CITATION.cff").read_text(encoding="utf-8")
    assert citation.count(f'\nrepository-code: "{URL}"\n') == 1
    table = (clone / "notebooks" / "README.md").read_text(encoding="utf-8")
    for path in sorted((clone / "notebooks").glob("*.ipynb")):
        first, hosted = json.loads(path.read_text(encoding="utf-8"))["cells"]
        for text in (table, "".join(first["source"])):
            assert f"/github/{REPO}/blob/main/notebooks/{path.name})" in text
            assert "bob/course" not in text
        assert f'REPOSITORY = "{URL}"  # ' in "".join(hosted["source"])
        assert "".join(first["source"]).startswith(f"# {path.name[:2]} · ")


def test_readme_has_badges_of_the_site_and_the_first_notebook_under_its_title(clone):
    write(clone, REPO)
    title, _, begin, badges, end, *_ = (clone / "README.md").read_text("utf-8").split("\n")
    assert (title[:2], begin, end) == ("# ", "<!-- open:begin -->", "<!-- open:end -->")
    assert "](https://ann-lee.github.io/R1.aqa_2/)" in badges
    assert f"{REPO}/blob/main/notebooks/{NOTEBOOKS[0].file})" in badges


def test_the_site_of_an_owners_own_repository_has_no_folder():
    assert stamp.site("Ann/ann.github.io") == "https://ann.github.io/"


@pytest.mark.parametrize(
    "repo", ["ann", "a/b/c", "-a/b", "a--b/c", "a/..", "a/b.git", "a/b\n", URL]
)
def test_other_names_are_refused(repo, clone):
    with pytest.raises(UserError, match="is not OWNER/NAME"):
        stamp.stamped(clone, repo)


def test_this_repository_says_one_address_or_none():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    url = project.get("urls", {}).get("Repository")
    if url is not None:
        assert stamp.stamped(ROOT, url.removeprefix("https://github.com/")) == {}
    else:
        assert all(
            "Open in Colab" not in path.read_text(encoding="utf-8")
            for path in (ROOT / "notebooks").glob("*.*")
        )
