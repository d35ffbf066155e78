"""Reported beside measured: published rows with their sources, a run's rows, and verdicts.

Nothing here computes an accuracy; scores come from ``scoring``. `published` and `measured` hold
the rows, `verdict` sets one beside the other, `made_for` says which questions a file of
predictions is for, `scored` keeps the row of such a file, `tables` prints, `groups` shows where a
system is right.
"""

from .groups import (
    COLUMNS,
    NOTE,
    confusion_rows,
    group_cells,
    group_name,
    groups_figure,
    groups_table,
)
from .made_for import about_file, check_made_for, write_about
from .measured import MeasuredRow, comparison, load_measured, measured_row
from .published import DOMAINS, Published, PublishedRow, load_published
from .scored import ScoredRow, read_scored, write_scored
from .tables import measured_table, print_tables, published_table, verdict_table
from .verdict import ABOVE, BELOW, MEANING, REPRODUCED, no_verdict, verdicts

__all__ = [
    "ABOVE",
    "BELOW",
    "COLUMNS",
    "DOMAINS",
    "MEANING",
    "NOTE",
    "REPRODUCED",
    "MeasuredRow",
    "Published",
    "PublishedRow",
    "ScoredRow",
    "about_file",
    "check_made_for",
    "comparison",
    "confusion_rows",
    "group_cells",
    "group_name",
    "groups_figure",
    "groups_table",
    "load_measured",
    "load_published",
    "measured_row",
    "measured_table",
    "no_verdict",
    "print_tables",
    "published_table",
    "read_scored",
    "verdict_table",
    "verdicts",
    "write_about",
    "write_scored",
]
