"""The examination: every probe in its turn."""

from __future__ import annotations

import warnings
from collections.abc import Callable

from r1aqa_helpers.doctor.data import probe_folders, probe_tiny_data
from r1aqa_helpers.doctor.findings import NOTE, Examination, Finding, Found, one_line
from r1aqa_helpers.doctor.hub import probe_cache, probe_hub
from r1aqa_helpers.doctor.machine import probe_gpu, probe_machine, probe_notebooks
from r1aqa_helpers.doctor.packages import probe_packages, probe_python
from r1aqa_helpers.doctor.profile import probe_profile, probe_room

#: In the order of the report; a probe may use what those before it found.
PROBES: tuple[tuple[str, Callable[[Examination], Found]], ...] = (
    ("machine", probe_machine),
    ("gpu", probe_gpu),
    ("python", probe_python),
    ("packages", probe_packages),
    ("profile", probe_profile),
    ("tiny_data", probe_tiny_data),
    ("folders", probe_folders),
    ("cache", probe_cache),
    ("hub", probe_hub),
    ("room", probe_room),
    ("notebooks", probe_notebooks),
)


def examine(profile: str | None = None, offline: bool = False) -> Examination:
    """Look at everything; seconds. Raises nothing: what fails is a finding.

    ``profile`` is the name of the one to ask about; without it, the hardware picks.
    ``offline`` leaves the Hub alone.
    """
    done = Examination(profile, offline)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the libraries' own, which would stand between the lines
        for check, probe in PROBES:
            try:
                facts, findings = probe(done)
            except Exception as fault:
                facts = {"error": one_line(fault)}
                findings = [Finding(check, NOTE, f"could not be found out: {facts['error']}")]
            done.facts[check] = facts
            done.findings += findings
    return done
