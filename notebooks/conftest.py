"""How ``pytest`` compares a notebook run anew with what is stored: texts strictly, measured
numbers within what is printed with them, progress lines (stderr) not at all.

This is the one place that touches nbval's inside; tests/notebooks/test_comparison.py holds it.
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


def _spoken(outputs: Sequence[NotebookNode]) -> list[NotebookNode]:
    """The outputs without stderr, where progress and its timings go."""
    return [x for x in outputs if not (x.output_type == "stream" and x.name == "stderr")]


def _texts(outputs: Sequence[NotebookNode]) -> list[NotebookNode]:
    return [x for x in outputs if x.output_type == "stream"]


def compare_outputs(self: IPyNbCell, test: Any, ref: Any, skip_compare: Any = None) -> bool:
    """nbval's comparison, after measured numbers that agree were put as stored."""
    test, ref = _spoken(test), _spoken(ref)
    for new, stored in zip(_texts(test), _texts(ref), strict=False):
        new.text = settled(new.text, stored.text)
    return _strictly(self, test, ref, skip_compare)


IPyNbCell.compare_outputs = compare_outputs
