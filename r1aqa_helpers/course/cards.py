"""A notebook's card: what it takes in minutes and memory, from measurements only."""

import html

from IPython.display import display

from r1aqa_helpers.course.notebooks import stage
from r1aqa_helpers.files import read_json
from r1aqa_helpers.paths import DATA
from r1aqa_helpers.profiles import PROFILES

#: Written by ``scripts/notebooks.py measure``: number -> profile -> measurement.
MEASURED = DATA / "course" / "notebooks.json"


class Card:
    """Minutes and memory of one notebook per profile; what was not measured says so."""

    def __init__(self, number: str) -> None:
        """Read the measurements.

        Raises:
            KeyError: there is no notebook of that number.
            UserError: the file of measurements cannot be read.
        """
        self.stage = stage(number)
        #: the first line of the card's text
        self.title = f"Notebook {number}, {self.stage.title}"
        measured = read_json(MEASURED).get(number, {})
        self.rows = [(name, *_figures(row)) for name, row in measured.items() if name in PROFILES]
        others = ", ".join(name for name in PROFILES if name not in measured)
        if others:
            self.rows.append((others, "–", "–", "not measured"))

    def __repr__(self) -> str:
        lines = [self.title]
        lines += [f"{name}: {time}, {memory} ({where})" for name, time, memory, where in self.rows]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        head = "".join(
            f'<th scope="col" style="text-align:left">{text}</th>'
            for text in ("profile", "time", "peak memory", "measured on")
        )
        body = "".join(
            "<tr>"
            + "".join(f'<td style="text-align:left">{html.escape(cell)}</td>' for cell in row)
            + "</tr>"
            for row in self.rows
        )
        caption = f"Notebook {self.stage.number}, run from top to bottom"
        return (
            f'<table><caption style="text-align:left">{html.escape(caption)}</caption>'
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        )


def card(number: str) -> None:
    """Show a notebook's card; arguments and errors as ``Card``'s."""
    display(Card(number))


def _figures(measured: dict) -> tuple[str, str, str]:
    seconds = measured["seconds"]
    time = f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.1f} min"
    where = f"{measured['hardware']}, {measured['date']}"
    return time, f"{measured['peak_gb']:.1f} GB", where
