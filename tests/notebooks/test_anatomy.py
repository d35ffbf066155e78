"""Every notebook is built as all are, its prose is spelt right, and its card is up to date."""

import copy
import re
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_output

from r1aqa_helpers.course.notebooks import NOTEBOOKS, card_table, find_notebook

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "notebooks"
ANATOMY = runpy.run_path(str(ROOT / "scripts" / "anatomy.py"))
#: Words that the speller takes for others: an author's name.
SPELT = "pinter"

numbers = pytest.mark.parametrize("number", [one.number for one in NOTEBOOKS])


def read(number: str) -> NotebookNode:
    return nbformat.read(FOLDER / find_notebook(number).file, as_version=4)


def prose(notebook: NotebookNode) -> str:
    return "\n\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")


@numbers
def test_a_notebook_is_built_as_all_are(number: str) -> None:
    notebook = read(number)
    nbformat.validate(notebook)
    assert ANATOMY["faults"](notebook, number) == []
    assert len({c.id for c in notebook.cells}) == len(notebook.cells)


@numbers
def test_the_stored_card_is_the_present_one(number: str) -> None:
    outputs = [o for c in read(number).cells for o in c.get("outputs", [])]
    texts = [str(o.get("data", {}).get("text/plain", "")) for o in outputs]
    card = card_table(number)
    assert [text for text in texts if text.startswith(card.caption)] == [repr(card)]


@numbers
def test_links_of_the_prose_lead_somewhere(number: str) -> None:
    for target in re.findall(r"\]\((\d\d_\w+\.ipynb|\.\./[^)\s#]+)", prose(read(number))):
        assert (FOLDER / target).exists(), target


def test_the_prose_is_spelt_right(tmp_path: Path) -> None:
    for one in NOTEBOOKS:
        (tmp_path / f"{one.number}.md").write_text(prose(read(one.number)), encoding="utf-8")
    command = [sys.executable, "-m", "codespell_lib", "-L", SPELT, str(tmp_path)]
    found = subprocess.run(command, capture_output=True, text=True)
    assert (found.returncode, found.stdout) == (0, "")


def test_the_map_of_the_notebooks_is_the_present_one() -> None:
    assert {path.name for path in FOLDER.glob("*.ipynb")} == {one.file for one in NOTEBOOKS}
    command = [sys.executable, str(ROOT / "scripts" / "notebooks.py"), "map", "--check"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def spoil_setup(notebook: NotebookNode, code: list[NotebookNode]) -> None:
    code[0].source += "\n# mine"


def spoil_order(notebook: NotebookNode, code: list[NotebookNode]) -> None:
    code[3].execution_count = None


def spoil_stub(notebook: NotebookNode, code: list[NotebookNode]) -> None:
    next(c for c in code if "check." in c.source and "..." in c.source).outputs = []


def spoil_solution(notebook: NotebookNode, code: list[NotebookNode]) -> None:
    cell = next(c for c in notebook.cells if "<summary>Solution" in c.source)
    cell.source = cell.source.replace("```python", "```")


def spoil_link(notebook: NotebookNode, code: list[NotebookNode]) -> None:
    notebook.cells[0].source += " [here](http//wrong)"


def spoil_picture(notebook: NotebookNode, code: list[NotebookNode]) -> None:
    code[2].outputs = [new_output("display_data", data={"image/png": "AAAA"})]


def spoil_error(notebook: NotebookNode, code: list[NotebookNode]) -> None:
    code[2].outputs = [new_output("error", ename="ValueError", evalue="", traceback=[])]


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (spoil_setup, "common text"),
        (spoil_order, "from top to bottom"),
        (spoil_stub, "not done yet"),
        (spoil_solution, "folded solution"),
        (spoil_link, "not well formed"),
        (spoil_picture, "picture without a text"),
        (spoil_error, "ends with ValueError"),
    ],
)
def test_the_rules_find_what_is_wrong(spoil: Callable[..., None], told: str) -> None:
    notebook = copy.deepcopy(read("01"))
    spoil(notebook, [c for c in notebook.cells if c.cell_type == "code"])
    found = ANATOMY["faults"](notebook, "01")
    assert any(told in fault for fault in found), found
