"""From numbers to tables, verdicts and pages; no accuracy is computed here, but in `scoring`.

`rows` has the one type of row and reads and writes it, `verdict` sets a measured row beside the
published one that is like it, `tables` prints, `breakdown` shows accuracy by group of questions.
"""

from r1aqa_helpers.reporting.breakdown import print_score, save_groups_figure
from r1aqa_helpers.reporting.rows import (
    DOMAINS,
    ResultRow,
    comparison,
    load_measured,
    load_published,
    measured_row,
    read_comparisons,
    read_scored,
    write_scored,
)
from r1aqa_helpers.reporting.tables import print_tables, verdict_table
from r1aqa_helpers.reporting.verdict import (
    MEANING,
    REPRODUCED,
    no_verdict,
    published_beside,
    verdicts,
)
