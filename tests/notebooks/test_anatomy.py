"""Every notebook is built as all are, its prose is spelt right, and its card is up to date."""

import copy
import re
import runpy
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

from r1aqa_helpers.course.cards import Card
from r1aqa_helpers.course.notebooks import NOTEBOOKS

ROOT = Path(__file__).resolve().parents[2]
ANATOMY = runpy.run_path(str(ROOT / "scripts" / "anatomy.py"))
WRITTEN = [s for s in NOTEBOOKS if (ROOT / "notebooks" / s.file).exists()]
#: Words that the speller takes for others: an author's name.
SPELT = "pinter"


def read(number: str) -> tuple[NotebookNode, int]:
    path = ROOT / "notebooks" / next(s.file for s in NOTEBOOKS if s.number == number)
    return nbformat.read(path, as_version=4), path.stat().st_size


def prose(notebook: NotebookNode) -> str:
    return "\n\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")


numbers = pytest.mark.parametrize("number", [s.number for s in WRITTEN])


@numbers
def test_a_notebook_is_built_as_all_are(number: str) -> None:
    notebook, size = read(number)
    assert ANATOMY["faults"](notebook, number, size) == []


@numbers
def test_the_file_is_a_notebook_with_unique_cell_ids(number: str) -> None:
    notebook, _ = read(number)
    nbformat.validate(notebook)
    ids = [c.id for c in notebook.cells]
    assert len(set(ids)) == len(ids)


@numbers
def test_the_stored_card_is_the_present_one(number: str) -> None:
    notebook, _ = read(number)
    stored = [
        o.data["text/plain"]
        for c in notebook.cells
        for o in c.get("outputs", [])
        if str(o.get("data", {}).get("text/plain", "")).startswith(f"Notebook {number}, ")
    ]
    assert stored == [repr(Card(number))]


@numbers
def test_the_prose_is_spelt_right(number: str, tmp_path: Path) -> None:
    notebook, _ = read(number)
    (tmp_path / "prose.md").write_text(prose(notebook), encoding="utf-8")
    command = [sys.executable, "-m", "codespell_lib", "-L", SPELT, str(tmp_path / "prose.md")]
    found = subprocess.run(command, capture_output=True, text=True)
    assert (found.returncode, found.stdout) == (0, "")


@numbers
def test_links_to_other_notebooks_lead_somewhere(number: str) -> None:
    notebook, _ = read(number)
    for target in re.findall(r"\]\((\d\d_\w+\.ipynb|\.\./[^)\s#]+)", prose(notebook)):
        assert (ROOT / "notebooks" / target).exists(), target


@numbers
def test_the_prose_speaks_of_the_course_alone(number: str) -> None:
    notebook, _ = read(number)
    assert re.findall(r"(?i)\b(?:TODO|FIXME|helper agent|sandbox)\b", prose(notebook)) == []


def test_which_notebooks_are_not_written_is_told() -> None:
    there = {p.name for p in (ROOT / "notebooks").glob("*.ipynb")}
    missing = [stage.number for stage in NOTEBOOKS if stage.file not in there]
    assert there <= {stage.file for stage in NOTEBOOKS}
    for page in ("README.md", "notebooks/00_welcome.ipynb"):
        text = " ".join((ROOT / page).read_text(encoding="utf-8").split())
        told = re.search(
            r"(?:Notebooks?|;) ((?:\d\d(?:, | and )?)+)(?:[^.]*?) not written yet", text
        )
        assert (re.findall(r"\d\d", told[1]) if told else []) == missing, page


def test_the_map_of_the_notebooks_is_the_present_one() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "notebooks.py"), "map", "--check"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def spoilt(notebook: NotebookNode, how: str) -> NotebookNode:
    """A copy with one thing wrong."""
    changed = copy.deepcopy(notebook)
    code = [c for c in changed.cells if c.cell_type == "code"]
    stub = next(c for c in code if "check." in c.source and "..." in c.source)
    if how == "set-up":
        next(c for c in code if "setup" in c.metadata.get("tags", [])).source += "\n# mine"
    elif how == "title":
        changed.cells[0].source = changed.cells[0].source.replace("# ", "# x", 1)
    elif how == "long line":
        code[-1].source += "\n# " + "x" * 80
    elif how == "long cell":
        code[-1].source += "\nx = 1" * 41
    elif how == "code run":
        changed.cells[-1:-1] = [copy.deepcopy(code[-1]) for _ in range(4)]
    elif how == "solved stub":
        stub.outputs = []
    elif how == "rating":
        cell = next(c for c in changed.cells if "Difficulty" in c.source)
        cell.source = cell.source.replace("Difficulty", "Hardness")
    elif how == "solution":
        cell = next(c for c in changed.cells if "<summary>Solution</summary>" in c.source)
        cell.source = cell.source.replace("Solution</summary>", "Way out</summary>")
    elif how == "not run":
        code[2].execution_count = None
    elif how == "error":
        code[2].outputs = [nbformat.v4.new_output("error", ename="ValueError", evalue="x")]
    elif how == "widget":
        view = {"application/vnd.jupyter.widget-view+json": {}}
        code[2].outputs = [nbformat.v4.new_output("display_data", data=view)]
    elif how == "picture":
        code[2].outputs = [nbformat.v4.new_output("display_data", data={"image/png": "x"})]
    elif how == "progress":
        code[2].outputs = [nbformat.v4.new_output("stream", name="stderr", text="x: 3/9")]
    elif how == "player":
        page = {"text/html": f'<audio src="data:audio/mpeg;base64,{"A" * 30_001}">'}
        code[2].outputs = [nbformat.v4.new_output("display_data", data=page)]
    elif how == "link":
        changed.cells[0].source += " [here](http//wrong)"
    elif how == "quiz":
        for c in changed.cells:
            c.source = c.source.replace("course.quiz(", "quiz(")
    elif how == "few words":
        for c in changed.cells[1:]:
            if c.cell_type == "markdown":
                c.source = "Word."
    return changed


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("set-up", "common text"),
        ("title", "starts with"),
        ("long line", "a line of"),
        ("long cell", "lines of code"),
        ("code run", "in a row"),
        ("solved stub", "not 'not done yet'"),
        ("rating", "rating line"),
        ("solution", "folded solution"),
        ("not run", "was not run"),
        ("error", "ends with ValueError"),
        ("widget", "widget's view"),
        ("picture", "picture without a text"),
        ("progress", "progress or timing"),
        ("player", "a player of more"),
        ("link", "not well formed"),
        ("quiz", "lack course.quiz"),
        ("few words", "words:"),
    ],
)
def test_the_rules_find_what_is_wrong(how: str, told: str) -> None:
    notebook, size = read(WRITTEN[0].number)
    found = ANATOMY["faults"](spoilt(notebook, how), WRITTEN[0].number, size)
    assert any(told in fault for fault in found), found
