"""Every notebook has the common structure and correct spelling, and its card is up to date."""

import copy
import re
import runpy
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_output

from r1aqa_helpers.course.notebooks import NOTEBOOKS, card_table, find_notebook

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "notebooks"
ANATOMY = runpy.run_path(str(ROOT / "scripts" / "anatomy.py"))
#: Words that the speller takes for others: an author's name.
SPELT = "pinter"


def read(number: str) -> NotebookNode:
    return nbformat.read(FOLDER / find_notebook(number).file, as_version=4)


def prose(notebook: NotebookNode) -> str:
    return "\n\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")


@pytest.mark.parametrize("number", [one.number for one in NOTEBOOKS])
def test_a_notebook_has_the_common_structure_its_card_and_links_that_lead_somewhere(number):
    notebook = read(number)
    nbformat.validate(notebook)
    assert ANATOMY["faults"](notebook, number) == []
    assert len({c.id for c in notebook.cells}) == len(notebook.cells)
    outputs = [o for c in notebook.cells for o in c.get("outputs", [])]
    texts = [str(o.get("data", {}).get("text/plain", "")) for o in outputs]
    card = card_table(number)
    assert [text for text in texts if text.startswith(card.caption)] == [repr(card)]
    for target in re.findall(r"\]\((\d\d_\w+\.ipynb|\.\./[^)\s#]+)", prose(notebook)):
        assert (FOLDER / target).exists(), target


def test_the_prose_is_spelt_correctly(tmp_path):
    for one in NOTEBOOKS:
        (tmp_path / f"{one.number}.md").write_text(prose(read(one.number)), encoding="utf-8")
    command = [sys.executable, "-m", "codespell_lib", "-L", SPELT, str(tmp_path)]
    found = subprocess.run(command, capture_output=True, text=True)
    assert (found.returncode, found.stdout) == (0, "")


def test_the_map_of_the_notebooks_is_up_to_date():
    assert {path.name for path in FOLDER.glob("*.ipynb")} == {one.file for one in NOTEBOOKS}
    command = [sys.executable, str(ROOT / "scripts" / "notebooks.py"), "map", "--check"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def spoiled(kind: str) -> NotebookNode:
    """Notebook 01 with one fault."""
    notebook = copy.deepcopy(read("01"))
    code = [c for c in notebook.cells if c.cell_type == "code"]
    if kind == "setup":
        code[1].source += "\n# mine"
    elif kind == "order":
        code[3].execution_count = None
    elif kind == "stub":
        next(c for c in code if "check." in c.source and "..." in c.source).outputs = []
    elif kind == "solution":
        cell = next(c for c in notebook.cells if "<summary>Solution" in c.source)
        cell.source = cell.source.replace("```python", "```")
    elif kind == "link":
        notebook.cells[0].source += " [here](http//wrong)"
    elif kind == "picture":
        code[2].outputs = [new_output("display_data", data={"image/png": "AAAA"})]
    elif kind == "error":
        code[2].outputs = [new_output("error", ename="ValueError", evalue="", traceback=[])]
    return notebook


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("setup", "common text"),
        ("order", "from top to bottom"),
        ("stub", "not done yet"),
        ("solution", "folded solution"),
        ("link", "not well formed"),
        ("picture", "without alternative text"),
        ("error", "ends with ValueError"),
    ],
)
def test_each_fault_is_reported(kind, told):
    found = ANATOMY["faults"](spoiled(kind), "01")
    assert any(told in fault for fault in found), found


def test_a_band_that_does_not_hold_or_that_no_line_has_is_reported(monkeypatch):
    bands = {"KL": {"low": 0.1, "high": 0.2}, "loss": {"low": 0, "high": 1}}
    monkeypatch.setitem(ANATOMY["faults"].__globals__, "read_bands", lambda number: bands)
    notebook = copy.deepcopy(read("01"))
    text = "KL: 0.15\nreward: 7.0\nKL: 0.25\n"
    notebook.cells += [new_code_cell(outputs=[new_output("stream", name="stdout", text=text)])]
    found = ANATOMY["faults"](notebook, "01")
    assert "KL: 0.25 lies outside its band, 0.1 to 0.2" in found
    assert "bands.json: no line is named 'loss'; remove its band" in found
    assert not [fault for fault in found if "reward" in fault or "0.15" in fault]
