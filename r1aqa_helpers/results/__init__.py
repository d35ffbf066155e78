"""Reported beside measured: published rows with their sources, a run's rows, and verdicts.

Nothing here computes an accuracy; scores come from ``scoring``. `published` and `measured` hold
the rows, `verdict` sets one beside the other, `made_for` says which questions a file of
predictions is for, `tables` prints.
"""

from .made_for import about_file, check_made_for, write_about
from .measured import MeasuredRow, comparison, load_measured, measured_row
from .published import DOMAINS, Published, PublishedRow, load_published
from .tables import measured_table, print_tables, published_table, verdict_table
from .verdict import ABOVE, BELOW, MEANING, REPRODUCED, no_verdict, verdicts

__all__ = [
    "ABOVE",
    "BELOW",
    "DOMAINS",
    "MEANING",
    "REPRODUCED",
    "MeasuredRow",
    "Published",
    "PublishedRow",
    "about_file",
    "check_made_for",
    "comparison",
    "load_measured",
    "load_published",
    "measured_row",
    "measured_table",
    "no_verdict",
    "print_tables",
    "published_table",
    "verdict_table",
    "verdicts",
    "write_about",
]
