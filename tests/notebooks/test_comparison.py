"""nbval, as the course sets it up: what passes and what fails."""

import json
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

ROOT = Path(__file__).resolve().parents[2]

PRINTED = "from r1aqa_helpers.course import accuracy, value\n"
STORED_ACCURACY = "direct: 56.9 % (95 %: 53.8 to 59.9, n 1000)\n"
STORED_VALUE = "loss: 1.23 nats\n"
#: For the notebook of that number, and for another.
BANDS = {
    "42": {"grpo": {"low": 60.0, "high": 70.0}, "KL": {"low": 0.1, "high": 0.3}},
    "43": {"loss": {"low": 0.0, "high": 9.0}},
}
STORED_BAND = "grpo: 65.0 % (95 %: 62.0 to 67.9, n 1000)\n"
LIVE = """from r1aqa_helpers.course import LiveCurves
live = LiveCurves(steps=1)
live({"step": 1, "loss": 0.5, "seconds": 1.0})
live.close()"""

#: What a cell does, what is stored for it, and whether the two agree.
CASES = [
    ("accuracy('direct', 569, 1000)", STORED_ACCURACY, True),
    ("accuracy('direct', 578, 1000)", STORED_ACCURACY, True),
    ("accuracy('direct', 580, 1000)", STORED_ACCURACY, False),
    ("accuracy('direct', 569, 1000)", STORED_ACCURACY.replace("56.9", "57.0"), False),
    ("accuracy('grpo', 690, 1000)", STORED_BAND, True),
    ("accuracy('grpo', 590, 1000)", STORED_BAND, False),
    ("accuracy('grpo', 630, 999)", STORED_BAND, False),
    ("value('loss', 1.24, 2, 'nats')", STORED_VALUE, True),
    ("value('loss', 1.25, 2, 'nats')", STORED_VALUE, False),
    ("value('KL', 0.29)", "KL: 0.20\n", True),
    ("value('KL', 0.31)", "KL: 0.20\n", False),
    (LIVE, None, True),
    ("print('rows: 4')", "rows: 3\n", False),
    ("print('rows: 3')", None, False),
    ("import sys; print('3 s left', file=sys.stderr); print('a')", "a\n", True),
    ("1 / 0", None, False),
]


@pytest.mark.slow
def test_nbval_passes_what_agrees_and_nothing_else(tmp_path):
    """With the course's own conftest and settings, in one kernel."""
    for name in ("conftest.py", "nbval.cfg"):
        (tmp_path / name).write_bytes((ROOT / "notebooks" / name).read_bytes())
    cells = [
        new_code_cell(
            source,
            outputs=[new_output("stream", name="stdout", text=stored)] if stored else [],
            execution_count=1,
        )
        for source, stored in ((PRINTED, None), *(case[:2] for case in CASES))
    ]
    (tmp_path / "bands.json").write_text(json.dumps(BANDS))
    with open(tmp_path / "conftest.py", "a", encoding="utf-8") as conftest:
        conftest.write("\nimport pathlib\nfrom r1aqa_helpers.course import printed\n")
        conftest.write("printed.BANDS = pathlib.Path(__file__).with_name('bands.json')\n")
    path = tmp_path / "42_made.ipynb"
    nbformat.write(new_notebook(cells=cells), path)
    command = [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider"]
    command += ["--rootdir", str(tmp_path), "-c", "/dev/null", "--nbval"]
    command += ["--nbval-sanitize-with", str(tmp_path / "nbval.cfg"), str(path)]
    out = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path).stdout
    passed = {line.split("::")[-1] for line in out.splitlines() if line.startswith("PASSED")}
    agreeing = {f"Cell {i}" for i, case in enumerate(CASES, 1) if case[2]}
    assert passed == {"Cell 0", *agreeing}, out
