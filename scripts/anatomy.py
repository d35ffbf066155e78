"""What every notebook of the course has to have: each fault as one line that names the cell."""

import ast
import re
import statistics
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

#: The set-up cell, the same in every notebook; its address is pyproject.toml's, empty without one.
_SETUP = """\
# Set-up: the same cell in every notebook. Run it first.
PROFILE = "tiny"  # the name of another profile runs the same on a GPU
REPOSITORY = "{repository}"  # the course's git address

import importlib.util
import os
import subprocess
import sys

if importlib.util.find_spec("r1aqa_helpers") is None:  # Colab, Kaggle
    source = os.environ.get("R1AQA_REPOSITORY") or REPOSITORY
    assert source, "write the course's git address into REPOSITORY"
    if not os.path.isdir("r1aqa"):
        clone = ["git", "clone", "--quiet", "--depth", "1", source, "r1aqa"]
        subprocess.run(clone, check=True)
    sys.path.insert(0, os.path.abspath("r1aqa"))

from r1aqa_helpers.publishing import hosted

hosted.install()  # at the pinned versions; nothing where all is there

from r1aqa_helpers import course

lab = course.start(PROFILE)"""
_PROJECT = tomllib.loads(
    (Path(__file__).resolve().parent.parent / "pyproject.toml").read_text(encoding="utf-8")
)["project"]
SETUP = _SETUP.replace("{repository}", _PROJECT.get("urls", {}).get("Repository", ""))

#: Notebooks that run the 7B model where PROFILE names one for a GPU; the others ask for none.
GPU = frozenset({"01", "07", "08", "09", "10", "12"})

CELLS = range(70, 131)
WORDS = range(2000, 4501)
MARKDOWN_SHARE = 0.6
CODE_RUN = 3
CODE_MEDIAN = 8
CODE_LONG, CODE_LONGEST = 25, 40
LINE = 78
WITH_OUTPUT = 0.75
BYTES = 1_000_000
PLAYER = 30_000
EXERCISES = 3
PREDICTIONS = 2
#: Cells whose outputs differ between machines: run, not compared, and not stored.
UNSTORED = "nbval-ignore-output"

EXERCISE = re.compile(r"^### Exercise (\d\d\.\d+) · \S", re.MULTILINE)
RATING = re.compile(r"^Difficulty [●○]{5} · Importance [●○]{5} · \d+ minutes$", re.MULTILINE)
SOLUTION = re.compile(
    r"<details>\s*<summary>Solution</summary>\s*\n\s*\n```python\n(?P<code>.*?)\n```\s*\n.*?</details>",
    re.DOTALL,
)
_HINT = re.compile(r"<details>\s*<summary>Hint (\d)</summary>\s*\n\s*\n.*?</details>", re.DOTALL)
_PROGRESS = re.compile(r"\d+ ?s left|it/s\b|s/it\b|\d+%\|")
_LINK = re.compile(r"\[[^\]\n]+\]\(([^)\s]+)\)")


def host_metadata(number: str) -> dict[str, Any]:
    """What a notebook asks of Colab and Kaggle: a GPU or none, and, to install, the network.

    The tiny track needs no GPU, and a free one is rationed. The T4, because CUDA 13, which
    torch is built with, no longer knows Kaggle's other GPU, the P100.
    """
    gpu = number in GPU
    kaggle = {
        "accelerator": "nvidiaTeslaT4" if gpu else "none",
        "dataSources": [],
        "isGpuEnabled": gpu,
        "isInternetEnabled": True,
        "language": "python",
        "sourceType": "notebook",
    }
    colab = {"accelerator": "GPU", "colab": {"gpuType": "T4", "provenance": []}} if gpu else {}
    return {"kaggle": kaggle, **colab}


def faults(notebook: NotebookNode, number: str, size: int) -> list[str]:
    """Every way in which a notebook is not built as all are; size is that of its file in bytes."""
    found = []
    for check in (_whole, _hosts, _beginning, _end, _cells, _code, _exercises, _stored, _links):
        found += check(notebook, number)
    if size >= BYTES:
        found.append(f"{size} bytes: under {BYTES} are allowed")
    return found


def words(notebook: NotebookNode) -> int:
    """Words of prose, without code blocks."""
    prose = "\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    prose = re.sub(r"```.*?```|<[^>]+>|`[^`\n]*`|\]\([^)]*\)", " ", prose, flags=re.DOTALL)
    return len(re.findall(r"[A-Za-z0-9][\w'’.-]*", prose))


def code_lines(source: str) -> int:
    """Lines of code, without empty ones."""
    return sum(1 for line in source.splitlines() if line.strip())


def solutions(notebook: NotebookNode) -> dict[str, str]:
    """Exercise number -> the code of its folded solution."""
    found, number = {}, None
    for cell in notebook.cells:
        if cell.cell_type != "markdown":
            continue
        heading = EXERCISE.search(cell.source)
        number = heading[1] if heading else number
        solution = SOLUTION.search(cell.source)
        if solution and number:
            found[number] = solution["code"]
    return found


def imports(notebook: NotebookNode) -> str:
    """All import statements at the top level of the notebook's cells, as one source."""
    lines = []
    for cell in notebook.cells:
        if cell.cell_type == "code" and cell.source != SETUP:
            lines += [
                ast.unparse(node)
                for node in _tree(cell.source).body
                if isinstance(node, ast.Import | ast.ImportFrom)
            ]
    return "\n".join(["from r1aqa_helpers import course", *lines])


def stub(cell_source: str) -> tuple[str, str]:
    """A stub cell in two: its definition, and the call of the check at its end."""
    body = _tree(cell_source).body
    call = body[-1]
    lines = cell_source.splitlines()
    return "\n".join(lines[: call.lineno - 1]), "\n".join(lines[call.lineno - 1 :])


def _tree(source: str) -> ast.Module:
    plain = "\n".join(
        "pass" if x.lstrip().startswith(("%", "!")) else x for x in source.split("\n")
    )
    return ast.parse(plain)


def _whole(notebook: NotebookNode, number: str) -> Iterator[str]:
    cells = notebook.cells
    markdown = [c for c in cells if c.cell_type == "markdown"]
    if len(cells) not in CELLS:
        yield f"{len(cells)} cells: {CELLS.start} to {CELLS.stop - 1} are wanted"
    if len(markdown) < MARKDOWN_SHARE * len(cells):
        yield f"{len(markdown)} of {len(cells)} cells are prose: {MARKDOWN_SHARE:.0%} are wanted"
    if words(notebook) not in WORDS:
        yield f"{words(notebook)} words: {WORDS.start} to {WORDS.stop - 1} are wanted"
    if "widgets" in notebook.metadata:
        yield "widget state is stored in the file"
    text = "\n".join(c.source for c in cells)
    for name, least in (("course.predict(", PREDICTIONS), ("course.reveal(", PREDICTIONS)):
        if text.count(name) < least:
            yield f"{text.count(name)} x {name}…): at least {least} are wanted"


def _hosts(notebook: NotebookNode, number: str) -> Iterator[str]:
    wanted = host_metadata(number)
    for name in ("accelerator", "colab", "kaggle"):
        if notebook.metadata.get(name) != wanted.get(name):
            yield f"metadata {name}: {notebook.metadata.get(name)}, not {wanted.get(name)}"


def _beginning(notebook: NotebookNode, number: str) -> Iterator[str]:
    first = notebook.cells[0]
    if first.cell_type != "markdown" or not first.source.startswith(f"# {number} · "):
        yield f"cell 0: starts with '# {number} · title'"
    for wanted in ("**You will be able to**", "**Before**"):
        if wanted not in first.source:
            yield f"cell 0: lacks {wanted}"
    setup = [c for c in notebook.cells if "setup" in c.metadata.get("tags", [])]
    if [c.source for c in setup] != [SETUP]:
        yield "one cell tagged setup, with the common text, is wanted"
    head = "\n".join(c.source for c in notebook.cells[:12])
    for wanted in (f'course.card("{number}")', f'course.roadmap("{number}")'):
        if wanted not in head:
            yield f"first cells: lack {wanted}"
    if "bring along" not in head:
        yield "first cells: lack 'What we bring along'"


def _end(notebook: NotebookNode, number: str) -> Iterator[str]:
    tail = "\n".join(c.source for c in notebook.cells[-8:])
    for wanted in ("## Takeaways", "## Quiz", f'course.quiz("{number}")', "course.calibration()"):
        if wanted not in tail:
            yield f"last cells: lack {wanted}"
    if "## Further reading" not in tail or "](http" not in tail:
        yield "last cells: lack '## Further reading' with links"


def _cells(notebook: NotebookNode, number: str) -> Iterator[str]:
    run = 0
    for index, cell in enumerate(notebook.cells):
        run = run + 1 if cell.cell_type == "code" else 0
        if run == CODE_RUN + 1:
            yield f"cell {index}: more than {CODE_RUN} code cells in a row"
        if not cell.source.strip():
            yield f"cell {index}: is empty"


def _code(notebook: NotebookNode, number: str) -> Iterator[str]:
    lengths = []
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type != "code" or cell.source == SETUP:
            continue
        lengths.append(code_lines(cell.source))
        if lengths[-1] > CODE_LONGEST:
            yield f"cell {index}: {lengths[-1]} lines of code, {CODE_LONGEST} are the most"
        for line in cell.source.splitlines():
            if len(line) > LINE:
                yield f"cell {index}: a line of {len(line)} characters: {line[:30]}…"
    if lengths and statistics.median(lengths) > CODE_MEDIAN:
        yield f"code cells have a median of {statistics.median(lengths)} lines"
    if sum(n > CODE_LONG for n in lengths) > 0.1 * len(lengths):
        yield f"more than a tenth of the code cells have over {CODE_LONG} lines"


def _exercises(notebook: NotebookNode, number: str) -> Iterator[str]:
    cells = notebook.cells
    starts = [
        i for i, c in enumerate(cells) if c.cell_type == "markdown" and EXERCISE.search(c.source)
    ]
    if len(starts) < EXERCISES:
        yield f"{len(starts)} exercises: at least {EXERCISES} are wanted"
    for place, index in enumerate(starts, 1):
        named = EXERCISE.search(cells[index].source)[1]
        if named != f"{number}.{place}":
            yield f"cell {index}: exercise {named} should be {number}.{place}"
        if not RATING.search(cells[index].source):
            yield f"cell {index}: exercise {named} lacks its rating line"
        after = cells[index + 1 : index + 3]
        if [c.cell_type for c in after] != ["code", "markdown"]:
            yield f"cell {index}: exercise {named} wants a stub cell, then hints and solution"
            continue
        if "check." not in after[0].source.splitlines()[-1]:
            yield f"cell {index + 1}: exercise {named}: the last line calls its check"
        if not any("not done yet" in o.get("text", "") for o in after[0].outputs):
            yield f"cell {index + 1}: exercise {named}: the stored output is not 'not done yet'"
        if [h[1] for h in _HINT.finditer(after[1].source)][:2] != ["1", "2"]:
            yield f"cell {index + 2}: exercise {named} wants Hint 1 and Hint 2, folded"
        if not SOLUTION.search(after[1].source):
            yield f"cell {index + 2}: exercise {named} wants a folded solution with a reason"


def _stored(notebook: NotebookNode, number: str) -> Iterator[str]:
    code = [c for c in notebook.cells if c.cell_type == "code"]
    if any(c.execution_count is None for c in code):
        yield "a cell was not run"
    shown = [c for c in code if c.outputs or UNSTORED in c.metadata.get("tags", [])]
    if len(shown) < WITH_OUTPUT * len(code):
        yield f"{len(shown)} of {len(code)} code cells show something: {WITH_OUTPUT:.0%} are wanted"
    for index, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", []):
            if output.output_type == "error" and "raises-exception" not in cell.metadata.get(
                "tags", []
            ):
                yield f"cell {index}: ends with {output.ename}"
            if any("widget-view" in kind for kind in output.get("data", {})):
                yield f"cell {index}: a widget's view is stored"
            if output.get("name") == "stderr" or _PROGRESS.search(str(output.get("text", ""))):
                yield f"cell {index}: progress or timing is stored"
            page = str(output.get("data", {}).get("text/html", ""))
            if any(len(sound) > PLAYER for sound in re.findall(r"data:audio/[^\"']*", page)):
                yield f"cell {index}: a player of more than {PLAYER} bytes"
            if re.search(r"(?<![\w.])/(?:home|root|tmp|work|Users)/", str(output)):
                yield f"cell {index}: a path of this machine is stored"
            if "image/png" in output.get("data", {}) and not output.get("metadata", {}).get(
                "image/png", {}
            ).get("alt"):
                yield f"cell {index}: a picture without a text for those who do not see it"


def _links(notebook: NotebookNode, number: str) -> Iterator[str]:
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type != "markdown":
            continue
        for target in _LINK.findall(cell.source):
            if not re.match(
                r"https://[\w.-]+\.\w+(/\S*)?$|#[\w-]+$|\d\d_\w+\.ipynb$|\.\./\S+$", target
            ):
                yield f"cell {index}: link to {target} is not well formed"
