"""nbval, as the course sets it up: what it lets pass and what turns red."""

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook, new_output

ROOT = Path(__file__).resolve().parents[2]

PRINTED = "from r1aqa_helpers.course import accuracy, value\n"
STORED_ACCURACY = "direct: 56.9 % (95 %: 53.8 to 59.9, n 1000)\n"
STORED_VALUE = "loss: 1.2340 ± 0.0010 nats\n"


def cell(source: str, stored: str | None, *tags: str) -> NotebookNode:
    outputs = [] if stored is None else [new_output("stream", name="stdout", text=stored)]
    made = new_code_cell(source, outputs=outputs, execution_count=1)
    made.metadata.tags = list(tags)
    return made


#: What a cell does, what is stored for it, and whether the two agree.
CASES = [
    ("accuracy('direct', 569, 1000)", STORED_ACCURACY, True),
    ("accuracy('direct', 590, 1000)", STORED_ACCURACY, True),
    ("accuracy('direct', 610, 1000)", STORED_ACCURACY, False),
    ("accuracy('direct', 569, 1000)", STORED_ACCURACY.replace("56.9", "64.5"), False),
    ("accuracy('direct', 569, 1000)", STORED_ACCURACY.replace("56.9", "57.0"), False),
    ("value('loss', 1.2345, 0.001, 'nats')", STORED_VALUE, True),
    ("value('loss', 1.2400, 0.001, 'nats')", STORED_VALUE, False),
    ("print('rows: 3')", "rows: 3\n", True),
    ("print('rows: 4')", "rows: 3\n", False),
    ("print('rows: 3')", None, False),
    ("import sys; print('3 s left', file=sys.stderr); print('a')", "a\n", True),
    ("1 / 0", None, False),
]


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> list[bool]:
    """Which cells nbval passed, with the course's own conftest and settings, in one kernel."""
    folder = tmp_path_factory.mktemp("nbval")
    for name in ("conftest.py", "nbval.cfg"):
        (folder / name).write_bytes((ROOT / "notebooks" / name).read_bytes())
    cells = [cell(PRINTED, None), *(cell(source, stored) for source, stored, _ in CASES)]
    path = folder / "made.ipynb"
    nbformat.write(new_notebook(cells=cells), path)
    command = [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider"]
    command += ["--rootdir", str(folder), "-c", "/dev/null", "--nbval"]
    command += ["--nbval-sanitize-with", str(folder / "nbval.cfg"), str(path)]
    out = subprocess.run(command, capture_output=True, text=True, cwd=folder).stdout
    passed = {line.split("::")[-1] for line in out.splitlines() if line.startswith("PASSED")}
    failed = {
        line.split("::")[-1].split(" - ")[0]
        for line in out.splitlines()
        if line.startswith("FAILED")
    }
    assert passed | failed == {f"Cell {i}" for i in range(len(cells))}, out
    return [f"Cell {i + 1}" in passed for i in range(len(CASES))]


@pytest.mark.slow
@pytest.mark.parametrize("index", range(len(CASES)))
def test_what_agrees_passes_and_what_does_not_turns_red(index: int, verdicts: list[bool]) -> None:
    source, stored, agrees = CASES[index]
    assert verdicts[index] is agrees, (source, stored)


def test_every_stored_accuracy_of_the_course_turns_red_when_altered() -> None:
    """The numbers themselves, as they stand in the notebooks."""
    from r1aqa_helpers.course.printed import ACCURACY, settled

    found = 0
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        for made in nbformat.read(path, as_version=4).cells:
            for output in made.get("outputs", []):
                for line in output.get("text", "").splitlines():
                    match = ACCURACY.match(line)
                    if match:
                        found += 1
                        other = "99.9" if float(match["value"]) < 50 else "0.1"
                        altered = line.replace(f": {match['value']} %", f": {other} %", 1)
                        assert settled(line, altered) == line != altered
                        assert settled(altered, line) == altered
    assert found >= 5
