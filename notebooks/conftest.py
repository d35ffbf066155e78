"""How ``pytest`` compares a re-run notebook with its stored outputs: texts strictly, measured
numbers within their bands (data/course/bands.json) or to the last digit, progress (stderr, and
curves while they grow) not at all. What an earlier call trained is not used.

The longest notebooks are slow tests. Those are run by .ci/run, or by: pytest -m slow notebooks.

Only this file depends on nbval's internals; tests/notebooks/test_comparison.py tests it.
"""

import atexit
import os
import shutil
import tempfile
from collections.abc import Sequence
from typing import Any

import pytest
from nbformat import NotebookNode
from nbval.plugin import IPyNbCell

from r1aqa_helpers.course.printed import read_bands, settled
from r1aqa_helpers.course.session import RUNS_VARIABLE
from r1aqa_helpers.course.training_curves import is_live

# Kernels of several workers at once share the cores.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# One folder for all workers: they inherit it, and share what is trained in it.
if RUNS_VARIABLE not in os.environ:
    os.environ[RUNS_VARIABLE] = tempfile.mkdtemp(prefix="r1aqa-notebooks-")
    atexit.register(shutil.rmtree, os.environ[RUNS_VARIABLE], ignore_errors=True)

#: The full run, the two that go on from it, and the capstone: 11 of the course's 17 minutes.
SLOW = ("06", "07", "08", "11")


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the cells of the longest notebooks as slow."""
    for item in items:
        if isinstance(item, IPyNbCell) and item.path.name[:2] in SLOW:
            item.add_marker("slow")


_strictly = IPyNbCell.compare_outputs


def compare_outputs(self: IPyNbCell, test: Any, ref: Any, skip_compare: Any = None) -> bool:
    """nbval's comparison, after measured numbers that agree were replaced by the stored ones."""

    def lasting(outputs: Sequence[NotebookNode]) -> list[NotebookNode]:
        return [x for x in outputs if x.get("name") != "stderr" and not is_live(x)]

    def streams(outputs: Sequence[NotebookNode]) -> list[NotebookNode]:
        return [x for x in outputs if x.output_type == "stream"]

    test, ref = lasting(test), lasting(ref)
    bands = read_bands(self.parent.path.name[:2])
    for new, stored in zip(streams(test), streams(ref), strict=False):
        new.text = settled(new.text, stored.text, bands)
    return _strictly(self, test, ref, skip_compare)


IPyNbCell.compare_outputs = compare_outputs
