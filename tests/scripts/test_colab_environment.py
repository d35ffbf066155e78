"""The course in an environment like Colab's image: its packages, and a run of the script."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import colab_environment as script
import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output
from packaging.requirements import Requirement

from r1aqa_helpers.colab import host_of

ROOT = Path(__file__).resolve().parents[2]
REGISTRY_IS_DOWN = re.compile(r"dns error|error sending request|Failed to fetch")
#: The shortest notebooks: the rest of the course takes minutes.
SHORT = ("09", "02")


def pins() -> dict[str, str]:
    lines = script.IMAGE.read_text(encoding="utf-8").splitlines()
    found = [Requirement(line) for line in lines if line and not line.startswith("#")]
    assert len({one.name for one in found}) == len(found), "a package is listed twice"
    return {one.name: str(one.specifier) for one in found}


def test_the_image_is_a_list_of_exact_versions_with_its_sources():
    versions = pins()
    assert [v for v in versions.values() if not re.fullmatch(r"==[\w.]+(\.\*)?", v)] == []
    assert {"torch", "transformers", "ipython", "ipywidgets", "torchao", "ipykernel"} <= set(
        versions
    )
    assert "jupyterlab" not in versions, "Colab has none"
    text = script.IMAGE.read_text(encoding="utf-8")
    assert "August 2026" in text and "backend-info" in text


def test_the_variables_name_the_hosts():
    assert {name: host_of(variables) for name, variables in script.HOSTS.items()} == {
        "colab": "colab",
        "kaggle": "kaggle",
        "kaggle-batch": "kaggle batch",
    }


def test_a_failure_is_the_first_error_that_no_tag_expects():
    def cell(*outputs: nbformat.NotebookNode, tags: tuple[str, ...] = ()) -> nbformat.NotebookNode:
        return new_code_cell("", outputs=list(outputs), metadata={"tags": list(tags)})

    def raised(value: str) -> nbformat.NotebookNode:
        return new_output("error", ename="ValueError", evalue=value, traceback=[])

    cells = [cell(raised("meant"), tags=("raises-exception",)), cell(), cell(raised("one\ntwo"))]
    notebook = new_notebook(cells=cells)
    assert script.failure(notebook, RuntimeError("x")) == "cell 2: ValueError: one"
    del notebook.cells[2]
    assert script.failure(notebook, RuntimeError("died\nx")) == "RuntimeError: died"


@pytest.mark.slow
def test_the_set_up_and_short_notebooks_run_as_on_colab(tmp_path):
    """Asks the package registry for what uv's cache does not have."""
    if not shutil.which("uv") or not (ROOT / ".git").exists():
        pytest.skip("needs uv and a git checkout")
    command = [sys.executable, ROOT / "scripts" / "colab_environment.py", *SHORT]
    done = subprocess.run(
        [*command, "--folder", tmp_path], capture_output=True, text=True, timeout=1500
    )
    if REGISTRY_IS_DOWN.search(done.stderr) or "No interpreter found" in done.stderr:
        pytest.skip(f"not to be had here: {done.stderr.strip()[-200:]}")
    assert done.returncode == 0, done.stdout + done.stderr
    print(done.stdout)
    [replaced] = re.findall(r"^replaced \d+: (.*)$", done.stdout, re.MULTILINE)
    names = {one.split()[0] for one in replaced.split(", ")}
    # What the page and Colab's other packages are built for stays.
    built_for = {"ipython", "ipywidgets", "ipykernel", "numpy", "pandas", "matplotlib", "torch"}
    assert not names & built_for and "transformers" in names
    rows = re.findall(r"^(\d\d) .*  (.*)$", done.stdout, re.MULTILINE)
    assert rows == [(number, "ok") for number in SHORT]
