"""Bands of a notebook's numbers, and the first cells of a new notebook."""

import os
from copy import deepcopy

import nbformat
import pytest
from anatomy import faults
from nbformat.v4 import new_code_cell, new_notebook, new_output

import notebooks as script
from r1aqa_helpers.course import printed
from r1aqa_helpers.course.notebooks import NOTEBOOKS
from r1aqa_helpers.utils.io import read_json, write_json


@pytest.fixture
def run_with(monkeypatch, tmp_path):
    """Writes the bands of a notebook that prints these lines; returns what the file holds then."""
    path = tmp_path / "bands.json"
    monkeypatch.setattr(printed, "BANDS", path)
    monkeypatch.setattr(script, "BANDS", path)
    monkeypatch.setenv("R1AQA_SEED", "0")

    def run(text: str, known: dict, seeds: int = 3) -> dict:
        def printed_with(seed: int) -> list:
            return [new_output("stream", name="stdout", text=text.format(seed=seed))]

        def execute(notebook):
            notebook.cells[0].outputs = printed_with(int(os.environ["R1AQA_SEED"]))
            notebook.cells[1].outputs = []
            return 1.0, 0.5

        unlike = new_output("stream", name="stdout", text="stored: 7\n")
        ignored = new_code_cell(outputs=[unlike], metadata={"tags": ["nbval-ignore-output"]})
        stored = [new_code_cell(outputs=printed_with(0)), ignored]
        monkeypatch.setattr(script, "read", lambda number: new_notebook(cells=deepcopy(stored)))
        monkeypatch.setattr(script, "execute", execute)
        write_json(path, known)
        script.write_bands("06", seeds)
        return read_json(path)

    return run


def test_only_lines_that_differ_between_seeds_get_a_band(run_with):
    old = {"low": 0, "high": 1, "from": "3 runs of this notebook, seeds 0 to 2"}
    bands = run_with(
        "KL: 0.{seed}0\nsft: 9 steps, seed {seed}\nsft: 5 steps, seed {seed}\nseed {seed}\n",
        {"05": {"x": old}, "06": {"y": old}},
    )
    assert bands.keys() == {"05", "06"} and bands["06"].keys() == {"KL"}
    assert bands["06"]["KL"]["from"] == "4 runs of this notebook, seeds 0 to 3"
    assert bands["06"]["KL"]["low"] < 0.0 and bands["06"]["KL"]["high"] > 0.3


def test_the_experiments_bands_are_read_again_and_not_measured(run_with, monkeypatch):
    rows = {("table", "grpo-2"): (60.004, 70.0)}
    monkeypatch.setattr(script, "row_band", lambda *row: rows[row])
    known = {"06": {"KL": {"low": 1, "high": 2, "from": "experiment, table, grpo-2"}}}
    wanted = {"low": 60.0, "high": 70.0, "from": "experiment, table, grpo-2"}
    for seeds in (0, 2):
        assert run_with("KL: 0.{seed}0", known, seeds) == {"06": {"KL": wanted}}


def test_a_line_that_differs_needs_a_name_of_its_own(run_with):
    with pytest.raises(SystemExit, match="06: print 'KL' once in every run"):
        run_with("KL: 0.{seed}0\nKL: 0.90", {})


@pytest.mark.parametrize("one", NOTEBOOKS, ids=lambda one: one.number)
def test_the_first_cells_of_a_notebook_lack_only_a_run(one):
    notebook = script.first_cells(one.number)
    notebook.metadata.update(script.host_metadata(one.number))
    nbformat.validate(notebook)
    told = [fault for fault in faults(notebook, one.number) if "bands.json" not in fault]
    assert told == ["the cells were not run once each, from top to bottom"]
