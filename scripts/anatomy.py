"""The structure that all notebooks share: each fault is one line that names the cell."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from r1aqa_helpers.course.printed import measured_lines, read_bands

#: The two set-up cells, the same in every notebook, by their tags. The address is pyproject.toml's;
#: without one the first cell says on Colab what to do.
_HOSTED = """\
# Colab and Kaggle only; elsewhere this cell does nothing.
REPOSITORY = "{repository}"  # the git address of the course, or of your fork
import importlib.util, os, subprocess, sys

if importlib.util.find_spec("r1aqa_helpers") is None:
    folder = ".." if os.path.isdir("../r1aqa_helpers") else "r1aqa"
    address = os.environ.get("R1AQA_REPOSITORY") or REPOSITORY
    if not address and not os.path.isdir(folder):
        Stop = type("Stop", (Exception,), {"_render_traceback_": lambda self: [str(self)]})
        raise Stop("Upload the repository as the folder r1aqa, or put the address of your fork "
                   "into REPOSITORY; then run this cell again.")
    if not os.path.isdir(folder):
        subprocess.run(["git", "clone", "-q", "--depth", "1", address, folder], check=True)
    sys.path.insert(0, os.path.abspath(folder))

from r1aqa_helpers import colab
colab.install()  # once in a session"""
_PROJECT = tomllib.loads(
    (Path(__file__).resolve().parent.parent / "pyproject.toml").read_text(encoding="utf-8")
)["project"]
SETUP = {
    "hosted": _HOSTED.replace("{repository}", _PROJECT.get("urls", {}).get("Repository", "")),
    "setup": """\
PROFILE = "tiny"  # another profile's name runs the same cells on a GPU
from r1aqa_helpers import course
lab = course.start(PROFILE)""",
}

#: Notebooks that run the 7B model where PROFILE names a GPU's; the others request no GPU.
GPU = frozenset({"01", "06", "07", "08", "09", "11"})
#: The tag of cells whose outputs belong to one machine, such as its name: they are not stored.
#: Outputs that differ between machines or seeds and are worth reading have ``IGNORED`` alone.
UNSTORED, IGNORED = "unstored", "nbval-ignore-output"

EXERCISE = re.compile(r"^### Exercise (\d\d\.\d+) · \S", re.MULTILINE)
SOLUTION = re.compile(
    r"<details>\s*<summary>Solution</summary>\s*\n\s*\n```python\n(?P<code>.*?)\n```\s*\n.*?</details>",
    re.DOTALL,
)
_LINK = re.compile(r"\[[^\]\n]+\]\(([^)\s]+)\)")
_TARGET = re.compile(r"https://[\w.-]+\.\w+(/\S*)?|#[\w-]+|\d\d_\w+\.ipynb|\.\./\S+")


def host_metadata(number: str) -> dict[str, Any]:
    """The hardware and network that a notebook requests from Colab and Kaggle.

    A GPU only where a notebook can use one, as free ones are rationed. A T4, because torch's
    CUDA 13 does not support Kaggle's other GPU, the P100.
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


def faults(notebook: NotebookNode, number: str) -> list[str]:
    """Every way in which a notebook differs from the common structure."""
    return [
        *_common(notebook, number),
        *_exercises(notebook, number),
        *_stored(notebook),
        *_bands(notebook, number),
    ]


def _common(notebook: NotebookNode, number: str) -> Iterator[str]:
    if not notebook.cells[0].source.startswith(f"# {number} · "):
        yield f"cell 0: starts with '# {number} · title'"
    for tag, text in SETUP.items():
        if [c.source for c in notebook.cells if tag in c.metadata.get("tags", [])] != [text]:
            yield f"there must be one cell tagged {tag}, with the common text"
    wanted = host_metadata(number)
    for name in ("accelerator", "colab", "kaggle"):
        if notebook.metadata.get(name) != wanted.get(name):
            yield f"metadata {name}: {notebook.metadata.get(name)}, not {wanted.get(name)}"
    for index, cell in enumerate(notebook.cells):
        for target in _LINK.findall(cell.source) if cell.cell_type == "markdown" else ():
            if not _TARGET.fullmatch(target):
                yield f"cell {index}: link to {target} is not well formed"


def _exercises(notebook: NotebookNode, number: str) -> Iterator[str]:
    place = 0
    for index, cell in enumerate(notebook.cells):
        heading = EXERCISE.search(cell.source) if cell.cell_type == "markdown" else None
        if heading is None:
            continue
        place += 1
        if heading[1] != f"{number}.{place}":
            yield f"cell {index}: exercise {heading[1]} should be {number}.{place}"
        after = notebook.cells[index + 1 : index + 3]
        if after and after[0].cell_type == "markdown" and SOLUTION.search(after[0].source):
            continue  # an open exercise: no answer of one format to check
        if [c.cell_type for c in after] != ["code", "markdown"]:
            yield f"cell {index}: exercise {heading[1]} needs a stub cell, then its solution"
            continue
        if "check." not in after[0].source.splitlines()[-1]:
            yield f"cell {index + 1}: the last line does not call the exercise's check"
        if not any("not done yet" in o.get("text", "") for o in after[0].outputs):
            yield f"cell {index + 1}: the stored output is not 'not done yet'"
        if not SOLUTION.search(after[1].source):
            yield f"cell {index + 2}: exercise {heading[1]} has no folded solution"


def _stored(notebook: NotebookNode) -> Iterator[str]:
    code = [c for c in notebook.cells if c.cell_type == "code"]
    if [c.execution_count for c in code] != list(range(1, len(code) + 1)):
        yield "the cells were not run once each, from top to bottom"
    for index, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            raises = "raises-exception" in cell.metadata.get("tags", [])
            if output.output_type == "error" and not raises:
                yield f"cell {index}: ends with {output.ename}"
            if output.get("name") == "stderr":
                yield f"cell {index}: progress or timing is stored"
            if any("widget-view" in kind for kind in data):
                yield f"cell {index}: a widget's view is stored"
            if re.search(r"(?<![\w.])/(?:home|root|tmp|work|Users)/", str(output)):
                yield f"cell {index}: a path of this machine is stored"
            if "image/png" in data and not output.metadata.get("image/png", {}).get("alt"):
                yield f"cell {index}: a picture without alternative text"


def printed(notebook: NotebookNode) -> list[str]:
    """Every line that the notebook's cells printed and that a new run is compared with."""
    compared = (c for c in notebook.cells if IGNORED not in c.metadata.get("tags", []))
    outputs = (o for c in compared for o in c.get("outputs", []))
    texts = (o.text for o in outputs if o.get("name") == "stdout")
    return [line for text in texts for line in text.split("\n")]


def _bands(notebook: NotebookNode, number: str) -> Iterator[str]:
    lines, bands = printed(notebook), read_bands(number)
    found = [one for line in lines for one in measured_lines(line).items()]
    for name, band in bands.items():
        numbers = [value for known, value in found if known == name]
        if not numbers:
            yield f"bands.json: no line is named {name!r}; remove its band"
        for value in numbers:
            if not band["low"] <= value <= band["high"]:
                low, high = band["low"], band["high"]
                yield f"{name}: {value} lies outside its band, {low} to {high}"


def solutions(notebook: NotebookNode) -> dict[str, str]:
    """Exercise number -> the code of its folded solution."""
    prose = "\n\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    parts = EXERCISE.split(prose)[1:]  # number, what follows it, number, …
    found = zip(parts[::2], map(SOLUTION.search, parts[1::2]), strict=True)
    return {number: solution["code"] for number, solution in found if solution}


def imports(notebook: NotebookNode) -> str:
    """All top-level import statements of the notebook's cells, as one source."""
    lines = [
        ast.unparse(node)
        for cell in notebook.cells
        if cell.cell_type == "code" and cell.source not in SETUP.values()
        for node in ast.parse(cell.source).body
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    return "\n".join(["from r1aqa_helpers import course", *lines])


def stub(cell_source: str) -> tuple[str, str]:
    """Split a stub cell into its definition and the call of the check at its end."""
    start = ast.parse(cell_source).body[-1].lineno - 1
    lines = cell_source.splitlines()
    return "\n".join(lines[:start]), "\n".join(lines[start:])
