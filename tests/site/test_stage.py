"""Pages keep their links: to other pages, to files, to the repository's address."""

import json
from pathlib import Path

import build_site
import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A small repository, with no address."""
    for name in build_site.PAGES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"# {name}\n")
    for folder in ("docs", "notebooks", "package"):
        (tmp_path / folder).mkdir(exist_ok=True)
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\n')
    (tmp_path / "LICENSE").write_text("free")
    (tmp_path / "docs" / "guide.md").write_text("# Guide\n")
    return tmp_path


def staged(root: Path, text: str, name: str = "docs/guide.md") -> str:
    (root / name).write_text(text)
    stage = build_site.Stage(root, root / "build")
    stage.write()
    assert stage.missing == []
    return (root / "build" / name).read_text()


def test_links_between_pages_stay_and_readme_is_the_first_page(root):
    text = staged(root, "[a](../README.md#b) [c](../data/README.md#d) [e](https://f.org) [g](#h)\n")
    assert text == "[a](../index.md#b) [c](../data/README.md#d) [e](https://f.org) [g](#h)\n"


def test_a_file_is_copied_and_a_folder_named_where_there_is_no_address(root):
    assert staged(root, "[a](../LICENSE) [`b`](../package)\n") == "[a](../LICENSE) `b`\n"
    assert (root / "build" / "LICENSE").read_text() == "free"


def test_files_and_folders_are_linked_where_there_is_an_address(root):
    address = "https://github.com/ann/course"
    urls = f'[project.urls]\nRepository = "{address}"\n'
    (root / "pyproject.toml").write_text('[project]\nname = "x"\n' + urls)
    text = staged(root, "[a](../LICENSE) [b](../package)\n")
    assert text == f"[a]({address}/blob/main/LICENSE) [b]({address}/tree/main/package)\n"


def test_badges_become_words_and_code_stays(root):
    badge = "[![Open in Colab](https://x.org/badge.svg)](https://y.org/z)"
    code = "`[a](nowhere)`\n\n```\n[a](nowhere)\n```\n"
    assert staged(root, f"{badge} {code}") == f"[Open in Colab](https://y.org/z) {code}"


def test_a_notebooks_links_and_descriptions_are_where_sphinx_looks_for_them(root):
    output = {"data": {"image/png": ""}, "metadata": {"image/png": {"alt": "a curve"}}}
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": ["# 00\n", "[a](../README.md)"]},
        {"cell_type": "code", "metadata": {}, "source": "[a](nowhere)", "outputs": [output]},
        {"cell_type": "code", "metadata": {"tags": ["hosted"]}, "source": "", "outputs": []},
    ]
    text = staged(root, json.dumps({"cells": cells}), "notebooks/00_start.ipynb")
    first, code, hosted = json.loads(text)["cells"]
    assert first["source"] == "# 00\n[a](../index.md)"
    assert code["metadata"]["mystnb"]["image"]["alt"] == "a curve"
    assert code["source"] == "[a](nowhere)"
    assert hosted["metadata"]["tags"] == ["hosted", "hide-cell"]


def test_every_link_of_readme_and_the_guides_leads_to_a_file():
    stage = build_site.Stage(ROOT, ROOT / "build" / "never")
    pages = [name for name in build_site.page_names() if name.endswith(".md")]
    for name in pages:
        stage.markdown((ROOT / name).read_text(encoding="utf-8"), name)
    assert len(pages) > 10 and stage.missing == []
