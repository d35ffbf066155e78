"""A notebook's card: what it takes in minutes and memory, from measurements only."""

from IPython.display import display

from r1aqa_helpers.course.notebooks import find_notebook
from r1aqa_helpers.course.tables import Table
from r1aqa_helpers.hardware import PROFILES
from r1aqa_helpers.utils.io import read_json
from r1aqa_helpers.utils.paths import DATA

#: Written by ``scripts/notebooks.py measure``: number -> profile -> measurement.
MEASURED = DATA / "course" / "notebooks.json"


def card_table(number: str) -> Table:
    """Minutes and memory of one notebook per profile; what was not measured says so.

    Raises:
        KeyError: there is no notebook of that number.
        UserError: the file of measurements cannot be read.
    """
    measured = read_json(MEASURED).get(number, {})
    rows = []
    for name in (name for name in measured if name in PROFILES):
        row, seconds = measured[name], measured[name]["seconds"]
        time = f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.1f} min"
        rows.append((name, time, f"{row['peak_gb']:.1f} GB", f"{row['hardware']}, {row['date']}"))
    others = ", ".join(name for name in PROFILES if name not in measured)
    if others:
        rows.append((others, "–", "–", "not measured"))
    title = f"Notebook {number}, {find_notebook(number).title}, run from top to bottom"
    return Table(title, rows, ("profile", "time", "peak memory", "measured on"))


def card(number: str) -> None:
    """Show a notebook's card; errors as `card_table`'s."""
    display(card_table(number))
