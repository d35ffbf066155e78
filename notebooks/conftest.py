"""How ``pytest`` compares a re-run notebook with its stored outputs: texts strictly, measured
numbers within the tolerance printed with them, progress lines (stderr) not at all.

Only this file depends on nbval's internals; tests/notebooks/test_comparison.py tests it.
"""

import os
from collections.abc import Sequence
from typing import Any

from nbformat import NotebookNode
from nbval.plugin import IPyNbCell

from r1aqa_helpers.course.printed import settled

# Kernels of several workers at once share the cores.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

_strictly = IPyNbCell.compare_outputs


def compare_outputs(self: IPyNbCell, test: Any, ref: Any, skip_compare: Any = None) -> bool:
    """nbval's comparison, after measured numbers that agree were replaced by the stored ones."""

    def without_stderr(outputs: Sequence[NotebookNode]) -> list[NotebookNode]:
        return [x for x in outputs if x.get("name") != "stderr"]

    def streams(outputs: Sequence[NotebookNode]) -> list[NotebookNode]:
        return [x for x in outputs if x.output_type == "stream"]

    test, ref = without_stderr(test), without_stderr(ref)
    for new, stored in zip(streams(test), streams(ref), strict=False):
        new.text = settled(new.text, stored.text)
    return _strictly(self, test, ref, skip_compare)


IPyNbCell.compare_outputs = compare_outputs
