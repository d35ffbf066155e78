"""What is here and what is missing: machine, versions, profile, room, Hub, weights, data.

``r1aqa doctor`` prints it; ``python -m r1aqa_helpers.doctor`` does, too, where the command line
cannot even start. It changes nothing and downloads nothing.

What lies where; a file imports only from those above it:

* ``findings``: a line of the report and all of them, what to do next, the verdict;
* ``places``: the checkout and the Hub's cache;
* ``machine``: processor, cores, memory, GPUs, JupyterLab and a browser;
* ``packages``: Python and the packages against what is allowed and pinned;
* ``data``: the tiny track's data, and the folders that are written to;
* ``hub``: the Hub, and the weights and MMAU in its local cache;
* ``profile``: the profile, and the disk, memory and GPU memory that it needs;
* ``examination``: all probes in their order;
* ``__main__``: the command without the command line's packages.

At their top these files import nothing but the standard library and each other: a package that
is missing is a finding. They also start on a Python that is too old for the other rooms
(``from __future__ import annotations``): it is the doctor that says so.
"""

from r1aqa_helpers.doctor.examination import PROBES, examine
from r1aqa_helpers.doctor.findings import NOTE, OK, STOP, Examination, Finding

__all__ = ["NOTE", "OK", "PROBES", "STOP", "Examination", "Finding", "examine"]
